/* The HTTP/1.1 server: listeners with SO_REUSEPORT, keep-alive, pipelining, chunked bodies, hard
 * limits, deadlines for slow clients, drain. */
#ifndef HOLDFAST_NET_HTTP_SERVER_H
#define HOLDFAST_NET_HTTP_SERVER_H

#include "engine/base/metric.h"
#include "engine/net/loop.h"
#include "engine/net/router.h"

#define HTTP_SERVER_METRICS(X)                                                                     \
    X(GAUGE, http_connections, "open connections")                                                 \
    X(COUNTER, http_connections_total, "accepted connections")                                     \
    X(COUNTER, http_connections_refused_total, "connections closed because the pool was empty")    \
    X(GAUGE, http_requests_in_flight, "requests that a handler has not answered yet")              \
    X(COUNTER, http_requests_total, "requests answered")                                           \
    X(COUNTER, http_responses_4xx_total, "answers with a status 400-499")                          \
    X(COUNTER, http_responses_5xx_total, "answers with a status 500-599")                          \
    X(COUNTER, http_shed_total, "requests answered 503 because too many were in flight")           \
    X(COUNTER, http_timeouts_total, "connections closed by a deadline")                            \
    X(GAUGE, ws_connections, "open WebSockets, which http_connections counts too")                 \
    X(GAUGE, http_buffers_borrowed, "buffers that connections hold while bytes are in flight")     \
    X(HISTOGRAM, http_request_us, "time from complete head to the answer's last byte queued")

METRIC_STRUCT(http_server_metrics, HTTP_SERVER_METRICS);

struct http_server_options {
    size_t connections; /* pool size, an upper bound; the server takes less when RLIMIT_NOFILE is
                           smaller */
    size_t requests;    /* in flight at once; above it 503 + Retry-After before the body is read */
    /* times in ms; 0: the default */
    unsigned head_ms;    /* from the first byte of a request to its complete head, default 10,000 */
    unsigned body_ms;    /* for the body, default 10,000 */
    unsigned request_ms; /* from the complete head to the answer, default 9,000: req->due */
    unsigned idle_ms;    /* keep-alive without a request, default 75,000 */
    unsigned ws_idle_ms; /* without a byte from a WebSocket, then a ping, default 30,000 */
    unsigned ws_pong_ms; /* without an answer to it, then the end, default 10,000 */
    unsigned send_ms;    /* without progress while bytes are waiting to be sent, default 10,000 */
    size_t send_buffer;  /* SO_SNDBUF, bytes; 0 leaves the kernel's */
};

struct http_server; /* opaque: http_server.c */

/* Called before each request's body is read, with req->route set; returns true to go on, false
 * after having answered. For admission (overload, auth). */
typedef bool (*http_gate_fn)(struct http_request *req, void *ctx);
/* Called once for each request that the gate let in, when it is over: answered, or its client went
 * away before it was handled. `waited`: the answer came in a later turn than the request. */
typedef void (*http_done_fn)(struct http_request *req, bool waited, void *ctx);

struct http_server *http_server_new(struct loop *l, const struct router *router,
                                    const struct http_server_options *options);
/* Adds a listener; port 0 picks one (http_server_port tells). STATUS_UNAVAILABLE when the address
 * is taken, ret_why names it. */
enum status http_server_listen(struct http_server *s, const char *address, uint16_t port,
                               char *ret_why, size_t why_size) MUST_CHECK;
uint16_t http_server_port(const struct http_server *s);
/* `done` may be NULL. */
void http_server_gate(struct http_server *s, http_gate_fn gate, http_done_fn done, void *ctx);
struct metric_group *http_server_metrics(struct http_server *s); /* to add to a page */

/* Stops listening, closes idle connections, answers what is in flight with Connection: close;
 * WebSockets get ws drain (ws.h). `done` comes when the last connection is gone or after
 * deadline_ms (the rest is then cut). */
typedef void (*http_drained_cb)(void *ctx);
void http_server_drain(struct http_server *s, unsigned deadline_ms, http_drained_cb done,
                       void *ctx);
/* Cuts everything. Memory is freed after the loop's next turns; the pointer is dead at once. */
void http_server_free(struct http_server *s);

#endif
