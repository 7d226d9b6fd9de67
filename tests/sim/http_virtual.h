/* HTTP calls of the simulation: linked in place of engine/net/http_client.c, they end at a function
 * instead of a server. */
#ifndef HOLDFAST_TESTS_SIM_HTTP_VIRTUAL_H
#define HOLDFAST_TESTS_SIM_HTTP_VIRTUAL_H

#include "engine/base/buf.h"

struct virtual_call {
    struct slice path, body, key; /* after the host; Idempotency-Key */
    /* the answer */
    int http_status;
    struct buf answer;
    int64_t pause_ns; /* before it is sent */
};

extern void (*virtual_server)(struct virtual_call *call);

#endif
