/* Between the files of the HTTP server: the server, its connections, and an exchange from the first
 * byte of a request to the last of its answer.
 *
 *   idle --bytes--> HEAD --complete--> BODY --complete--> HANDLING --http_reply*--> answered
 *                    |                  |                     \- the handler has it
 *                    |                  \- 400, 408, 413
 *                    |- not readable: 400, 408, 414, 431
 *                    \- not for a handler: 404, 405, 426; before the body: 413, 503, the gate's
 *
 *   answered --all of it was read, keep-alive--> idle, else the connection is closed
 *
 * An exchange without its connection (the client has gone) stays until the handler has answered. */
#ifndef HOLDFAST_NET_HTTP_EXCHANGE_H
#define HOLDFAST_NET_HTTP_EXCHANGE_H

#include "engine/base/rng.h"
#include "engine/net/conn.h"
#include "engine/net/http_parse.h"
#include "engine/net/http_server.h"

#define HTTP_ANSWER_MAX     (64 * 1024 * 1024)
#define HTTP_FIELDS_OUT_MAX (8 * 1024) /* fields that a handler adds to an answer, bytes */
#define HTTP_DATE_SIZE      40

struct http_server {
    struct conn_set conns;
    struct loop *loop;
    const struct router *router;
    struct http_server_options options;
    struct http_server_metrics values;
    struct metric_group metrics;
    http_gate_fn gate;
    http_done_fn done;
    void *gate_ctx;
    struct pool exchanges;
    struct list listeners;     /* struct http_listener */
    struct rng rng;            /* request ids; they are no secrets */
    char date[HTTP_DATE_SIZE]; /* "Date: ...\r\n", of this second */
    size_t date_len;
    int64_t date_second;
    /* WebSockets (ws.c) */
    struct list sockets; /* struct ws */
    struct ws_shared *ws_shared;
    /* the end */
    bool draining, freed;
    int64_t drain_started, drain_until; /* uv_now */
    int64_t drain_sockets;              /* WebSockets when it started */
    http_drained_cb drained;
    void *drained_ctx;
    struct timer drain_timer;
    unsigned handles; /* listeners, timers: memory goes when all are closed, all connections and
                         exchanges gone */
};

enum exchange_state { EXCHANGE_HEAD, EXCHANGE_BODY, EXCHANGE_HANDLING };

struct http_exchange {
    struct http_request req;
    struct http_server *server;
    struct conn *conn; /* NULL: the client has gone */
    enum exchange_state state;
    bool dispatching; /* a gate or handler is on the stack */
    bool answered;
    bool counted; /* in flight */
    bool let_in;  /* by the gate, which hears of the end */
    bool waited;  /* the last step ended without an answer */
    bool body_complete;
    bool keep_alive;
    bool upgraded;       /* ws_accept took the connection */
    struct buf *in;      /* the request's bytes: head, then body */
    struct buf *fields;  /* of the answer, added by the handler; NULL: none */
    struct buf *decoded; /* query values; NULL: none */
    size_t head_len;
    uint64_t body_left; /* with a Content-Length */
    void *route_ctx;
    struct http_scan scan;
    struct buf *chunked_body; /* decoded; NULL: not chunked */
    /* from here on not zeroed at the start */
    struct http_chunks chunks;
    struct http_head head;
};

extern const struct conn_ops http_conn_ops;

/* The date field, renewed when the second has changed. */
void http_server_tick(struct http_server *s);
/* Frees the server when it was let go and nothing of it is left. */
void http_server_release(struct http_server *s);

/* http_reply.c: puts the answer to the exchange into the connection's queue. */
void http_answer(struct http_exchange *ex, int http_status, const char *content_type,
                 struct slice body, void (*release)(void *arg), void *arg);
/* http_exchange.c: an answer was queued; frees the exchange unless a handler is on the stack, and
 * goes on with the connection. */
void http_exchange_answered(struct http_exchange *ex, bool close);
/* The peer is a proxy of ours: what it forwards is believed. */
bool http_exchange_trusted(const struct http_exchange *ex);
/* Answer buffer and request id are there afterwards, even for a request that could not be read. */
void http_exchange_prepare(struct http_exchange *ex);
void http_exchange_free(struct http_exchange *ex);

/* ws.c */
void ws_drain_step(struct http_server *s, int64_t now_ms);
void ws_shared_free(struct http_server *s);

#endif
