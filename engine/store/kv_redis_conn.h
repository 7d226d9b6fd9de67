/* One connection to Redis, from name resolution to close: gathers what is written in a turn into
 * one write, gives replies in order. It knows nothing of requests; kv_redis.c matches replies to
 * them. */
#ifndef HOLDFAST_STORE_KV_REDIS_CONN_H
#define HOLDFAST_STORE_KV_REDIS_CONN_H

#include "engine/net/loop.h"
#include "engine/store/kv.h"

struct buf;
struct redis_conn;

struct redis_conn_events {
    void (*up)(void *ctx);                                  /* once, when bytes can be exchanged */
    void (*reply)(void *ctx, const struct kv_reply *reply); /* it lives during the call */
    void (*turn)(void *ctx); /* before the replies of one read: a time to look at the clock */
    void (*down)(void *ctx, const char *why); /* at most once; the connection is closing itself and
                                                 nothing follows but freed */
    void (*freed)(void *ctx);                 /* once, last, also after redis_conn_close */
};

/* Never inside this call; a failure comes as down. `address` is "host:port", "[v6]:port" or
 * "unix:/path", borrowed until freed. */
struct redis_conn *redis_conn_open(struct loop *l, const char *address,
                                   const struct redis_conn_events *events, void *ctx);
/* Where commands are appended; then redis_conn_flush, which sends once at the end of the turn. */
struct buf *redis_conn_out(struct redis_conn *c);
void redis_conn_flush(struct redis_conn *c);
/* No event follows but freed. May be called inside any event. */
void redis_conn_close(struct redis_conn *c);

#endif
