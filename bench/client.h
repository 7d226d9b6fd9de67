/* The harness's own HTTP/1.1 client: a set of keep-alive connections to one address, requests in
 * order of submission (those marked `first` before the others), one at a time per connection. It is
 * not engine/net/http_client (libcurl): a generator has to cost less than what it measures. */
#ifndef HOLDFAST_BENCH_CLIENT_H
#define HOLDFAST_BENCH_CLIENT_H

#include "engine/base/buf.h"
#include "engine/net/loop.h"

struct client;
struct client_request;

/* `status` is the HTTP status, or 0 when there was no answer (refused, reset, deadline). The answer
 * lives during the call. */
typedef void (*client_cb)(struct client_request *r, int status, struct slice body);

/* Embedded by the caller, whose it is until the callback. */
struct client_request {
    client_cb cb;
    struct buf head_and_body; /* what is sent; written by client_request_begin, freed by the client
                                 after the callback */
    int64_t deadline_ns; /* loop_mono_ns; 0: 30 s from the sending: who waits for a connection of
                            ours is late in the figures, not given up */
    bool first; /* before all who wait for a connection and are not: in life everybody has their own
                   connection, and who is let in does not stand behind those who come */
    /* private */
    struct list link;
    struct client *client;
    bool again;
};

struct client_options {
    const char *url;    /* http://host:port */
    size_t connections; /* at most */
    unsigned
        sources; /* source addresses 127.<n>.x.y are spread over so many; 0: the kernel chooses.
                    Past about 14,000 connections from one address connect(2) collapses */
};

/* NULL when the URL cannot be used; ret_why says why. */
struct client *client_new(struct loop *l, const struct client_options *options, char *ret_why,
                          size_t why_size);
/* Completes everything with status 0, in later turns; the memory goes when the sockets are closed.
 */
void client_free(struct client *c);

/* Writes the request line and the standard fields. `credential` ("Ticket x") and `body` may be
 * NULL; `idempotency_key` too. */
void client_request_begin(struct client *c, struct client_request *r, const char *method,
                          const char *path, const char *credential, const char *idempotency_key,
                          const char *body);
void client_submit(struct client *c, struct client_request *r);

size_t client_open(const struct client *c);    /* connections */
size_t client_waiting(const struct client *c); /* requests without a connection */

#endif
