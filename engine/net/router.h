/* Which handler serves a request: a table of routes, matched segment by segment. */
#ifndef HOLDFAST_NET_ROUTER_H
#define HOLDFAST_NET_ROUTER_H

#include "engine/net/http.h"

enum route_flag {
    ROUTE_WEBSOCKET =
        1, /* the handler may call ws_accept; without an Upgrade the server answers 426 */
    ROUTE_ADMIN =
        2, /* needs `Authorization: Bearer <admin token>` (checked by the ops listener: 401) */
    /* What happens to it under load. None of these: only the limit of requests in flight. */
    ROUTE_NEW_WORK = 4, /* the first to be refused */
    ROUTE_STARTED_WORK =
        8,                 /* of somebody whose work was let in: refused when it would be in vain */
    ROUTE_NEVER_SHED = 16, /* not even by the limit of requests in flight */
};

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/queues/{eventId}/tickets"; a last segment "*" takes any rest, into
                            the last param */
    http_handler_fn handler;
    unsigned flags;
    unsigned body_max; /* bytes; 0: HTTP_BODY_MAX */
};

struct router {
    struct router_table *tables; /* private */
    size_t count;
};

void router_init(struct router *r);
void router_free(struct router *r);
/* Adds a table; `routes` and `ctx` are borrowed. Earlier tables win, within a table a literal
 * segment wins over a {parameter} over "*". The methods of a path may be spread over tables. */
void router_add(struct router *r, const struct route *routes, size_t count, void *ctx);

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };
/* Fills req->route and req->params. On ROUTE_NO_METHOD `ret_allow` (at least 64 bytes) says which
 * methods there are. HEAD matches GET. No allocation. */
enum route_match router_match(const struct router *r, struct http_request *req, void **ret_ctx,
                              char *ret_allow);

#endif
