/* Bytes of a Redis connection into reply trees: hiredis' reader building kv_reply in an arena, so a
 * reply costs no malloc. */
#ifndef HOLDFAST_STORE_KV_REDIS_REPLY_H
#define HOLDFAST_STORE_KV_REDIS_REPLY_H

#include "engine/store/kv.h"

/* A reply may be at most this big, in memory; a server that sends more is cut. */
#define REPLY_BYTES_MAX (64u << 20)

struct reply_reader;

struct reply_reader *reply_reader_new(void);
void reply_reader_free(struct reply_reader *r); /* NULL is harmless */
/* Takes the bytes (copied). PROTOCOL when the server broke RESP2 or the limit. */
enum status reply_reader_feed(struct reply_reader *r, struct slice bytes) MUST_CHECK;
/* The next complete reply, valid until the next call of either function; NULL in *ret_reply when
 * more bytes are needed. */
enum status reply_reader_next(struct reply_reader *r, const struct kv_reply **ret_reply) MUST_CHECK;

#endif
