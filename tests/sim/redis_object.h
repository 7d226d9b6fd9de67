/* Inside the model of Redis: what a key holds. */
#ifndef HOLDFAST_TESTS_SIM_REDIS_OBJECT_H
#define HOLDFAST_TESTS_SIM_REDIS_OBJECT_H

#include "tests/sim/redis_model.h"

enum redis_kind { REDIS_STRING, REDIS_HASH, REDIS_ZSET, REDIS_STREAM };

/* A field of a hash (in the order they came, as Redis keeps small ones), or a member of a sorted
 * set (by score, then bytes). */
struct redis_pair {
    struct slice name, value; /* owned */
    int64_t score;
};

struct redis_entry {
    uint64_t ms, seq;
    struct slice *fields; /* owned, and so is each */
    size_t count;
};

struct redis_object {
    struct slice key; /* owned */
    enum redis_kind kind;
    int64_t expires_ms; /* 0: never */
    char *bytes;        /* of a string; owned */
    size_t len, cap;
    struct redis_pair *pairs;
    size_t pair_count, pair_cap;
    struct redis_entry *entries;
    size_t entry_count, entry_cap;
    uint64_t last_ms, last_seq; /* of a stream */
};

/* NULL when it is not there, or its time is over (then it goes). `kind` must be its kind: another
 * is WRONGTYPE in Redis, here a bug. */
struct redis_object *redis_find(struct redis_model *m, struct slice key, enum redis_kind kind);
struct redis_object *redis_find_any(struct redis_model *m, struct slice key);
struct redis_object *redis_make(struct redis_model *m, struct slice key, enum redis_kind kind);
void redis_drop(struct redis_model *m, struct redis_object *o);

void redis_string_set(struct redis_object *o, struct slice value);
void redis_string_grow(struct redis_object *o, size_t len); /* with zeros */
struct redis_pair *redis_pair_find(const struct redis_object *o, struct slice name);
struct redis_pair *redis_pair_add(struct redis_object *o, struct slice name);
void redis_pair_set(struct redis_pair *p, struct slice value);
void redis_pair_drop(struct redis_object *o, struct redis_pair *p);
void redis_zset_put(struct redis_object *o, struct slice member, int64_t score);
void redis_stream_add(struct redis_object *o, uint64_t ms, uint64_t seq, const struct slice *fields,
                      size_t count);
size_t redis_stream_trim(struct redis_object *o, uint64_t ms, uint64_t seq); /* what is older */

/* redis_reply.c */
struct kv_reply *reply_nil(struct redis_model *m);
struct kv_reply *reply_int(struct redis_model *m, int64_t value);
struct kv_reply *reply_str(struct redis_model *m, struct slice s); /* copied */
struct kv_reply *reply_error(struct redis_model *m, struct slice s);
struct kv_reply *reply_array(struct redis_model *m,
                             size_t count); /* the elements are to be filled */
struct kv_reply *reply_slot(struct kv_reply *array, size_t i);

/* redis_command.c */
const struct kv_reply *redis_dispatch(struct redis_model *m, const struct slice *args,
                                      size_t count);

#endif
