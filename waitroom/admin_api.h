/* What an operator does to a queue, on the ops listener: settings, pause, resume, open, close,
 * reset. */
#ifndef HOLDFAST_WAITROOM_ADMIN_API_H
#define HOLDFAST_WAITROOM_ADMIN_API_H

#include "engine/base/json.h"
#include "engine/net/router.h"
#include "waitroom/ledger.h"
#include "waitroom/waitroom.h"

void admin_api_add(struct router *router, struct waitroom *w);

/* The body of PUT /admin/v1/queues/{eventId}. STATUS_INVALID: ret_why names what is wrong. */
enum status queue_change_read(json_t *body, struct ledger_change *ret_change, char *ret_why,
                              size_t why_size) MUST_CHECK;

#endif
