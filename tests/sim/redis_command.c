/* The commands, as https://redis.io/commands tells them; options that nobody here uses are not
 * known and abort. */
#include "tests/sim/redis_object.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t number(struct slice s)
{
    int64_t value = 0;
    bool good = slice_to_i64(s, &value);

    assert(good);
    (void)good;
    return value;
}

static struct kv_reply *text_or_nil(struct redis_model *m, const struct redis_object *o)
{
    return o ? reply_str(m, slice_of(o->bytes, o->len)) : reply_nil(m);
}

static struct kv_reply *ok(struct redis_model *m)
{
    return reply_str(m, SLICE_LITERAL("OK"));
}

/* ---- strings and keys ---- */

static struct kv_reply *get(struct redis_model *m, const struct slice *a, size_t n)
{
    (void)n;
    return text_or_nil(m, redis_find(m, a[1], REDIS_STRING));
}

static struct kv_reply *mget(struct redis_model *m, const struct slice *a, size_t n)
{
    struct kv_reply *r = reply_array(m, n - 1);

    for (size_t i = 1; i < n; i++)
        *reply_slot(r, i - 1) = *text_or_nil(m, redis_find(m, a[i], REDIS_STRING));
    return r;
}

static struct kv_reply *set(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = redis_find_any(m, a[1]);
    int64_t px = 0;
    bool nx = false;

    for (size_t i = 3; i < n; i++) {
        nx = nx || slice_is(a[i], "NX");
        if (slice_is(a[i], "PX"))
            px = number(a[++i]);
    }
    if (nx && o)
        return reply_nil(m);
    if (o && o->kind != REDIS_STRING) {
        redis_drop(m, o);
        o = NULL;
    }
    if (!o)
        o = redis_make(m, a[1], REDIS_STRING);
    redis_string_set(o, a[2]);
    o->expires_ms = px ? m->now_ms + px : 0;
    return ok(m);
}

static struct kv_reply *del(struct redis_model *m, const struct slice *a, size_t n)
{
    int64_t gone = 0;

    for (size_t i = 1; i < n; i++) {
        struct redis_object *o = redis_find_any(m, a[i]);

        if (o)
            redis_drop(m, o);
        gone += o != NULL;
    }
    return reply_int(m, gone);
}

static struct kv_reply *exists(struct redis_model *m, const struct slice *a, size_t n)
{
    int64_t there = 0;

    for (size_t i = 1; i < n; i++)
        there += redis_find_any(m, a[i]) != NULL;
    return reply_int(m, there);
}

static struct kv_reply *incr(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = redis_find(m, a[1], REDIS_STRING);
    int64_t value = o ? number(slice_of(o->bytes, o->len)) : 0;
    char digits[24];

    (void)n;
    value += m->skip_revs && ++m->incrs % m->skip_revs == 0 ? 2 : 1;
    if (!o)
        o = redis_make(m, a[1], REDIS_STRING);
    redis_string_set(o,
                     slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value)));
    return reply_int(m, value);
}

static struct kv_reply *getrange(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_STRING);
    int64_t from = number(a[2]), to = number(a[3]), len = o ? (int64_t)o->len : 0;

    (void)n;
    assert(from >= 0 && to >= 0);
    to = to >= len ? len - 1 : to;
    return reply_str(m, from > to ? slice_of("", 0)
                                  : slice_of(o->bytes + from, (size_t)(to - from + 1)));
}

static size_t field_bytes(struct slice type)
{
    assert(slice_is(type, "u8") || slice_is(type, "u32"));
    return type.len == 2 ? 1 : 4;
}

static int64_t bits_get(const struct redis_object *o, size_t at, size_t bytes)
{
    int64_t value = 0;

    for (size_t i = at; i < at + bytes; i++)
        value = value << 8 | (o && i < o->len ? (unsigned char)o->bytes[i] : 0);
    return value;
}

static int64_t bits_set(struct redis_model *m, struct redis_object **o, struct slice key, size_t at,
                        size_t bytes, int64_t value)
{
    int64_t old = bits_get(*o, at, bytes);

    if (!*o)
        *o = redis_make(m, key, REDIS_STRING);
    redis_string_grow(*o, at + bytes);
    for (size_t i = 0; i < bytes; i++)
        (*o)->bytes[at + i] = (char)(value >> 8 * (bytes - 1 - i));
    return old;
}

/* GET and SET of u8 and u32 at "#n" */
static struct kv_reply *bitfield(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = redis_find(m, a[1], REDIS_STRING);
    struct kv_reply *r = reply_array(m, n);
    size_t ops = 0;

    for (size_t i = 2; i < n; ops++) {
        bool sets = slice_is(a[i], "SET");
        size_t bytes = field_bytes(a[i + 1]), at;

        assert((sets || slice_is(a[i], "GET")) && a[i + 2].at[0] == '#');
        at = (size_t)number(slice_of(a[i + 2].at + 1, a[i + 2].len - 1)) * bytes;
        *reply_slot(r, ops) = *reply_int(
            m, sets ? bits_set(m, &o, a[1], at, bytes, number(a[i + 3])) : bits_get(o, at, bytes));
        i += sets ? 4 : 3;
    }
    r->count = ops;
    return r;
}

static struct kv_reply *expire_at(struct redis_model *m, struct slice key, int64_t at_ms)
{
    struct redis_object *o = redis_find_any(m, key);

    if (o && at_ms <= m->now_ms)
        redis_drop(m, o);
    else if (o)
        o->expires_ms = at_ms;
    return reply_int(m, o != NULL);
}

static struct kv_reply *pexpire(struct redis_model *m, const struct slice *a, size_t n)
{
    (void)n;
    return expire_at(m, a[1], m->now_ms + number(a[2]));
}

static struct kv_reply *pexpireat(struct redis_model *m, const struct slice *a, size_t n)
{
    (void)n;
    return expire_at(m, a[1], number(a[2]));
}

static struct kv_reply *pttl(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find_any(m, a[1]);

    (void)n;
    return reply_int(m, !o ? -2 : o->expires_ms ? o->expires_ms - m->now_ms : -1);
}

static struct kv_reply *type(struct redis_model *m, const struct slice *a, size_t n)
{
    static const char *const names[] = {"string", "hash", "zset", "stream"};
    const struct redis_object *o = redis_find_any(m, a[1]);

    (void)n;
    return reply_str(m, slice_str(o ? names[o->kind] : "none"));
}

static int by_bytes(const void *a, const void *b)
{
    const struct slice *x = &((const struct kv_reply *)a)->str,
                       *y = &((const struct kv_reply *)b)->str;
    int order = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Only "*", and sorted. */
static struct kv_reply *keys(struct redis_model *m, const struct slice *a, size_t n)
{
    struct kv_reply *r = reply_array(m, m->objects.len);
    struct redis_object *o;
    size_t cursor = 0, count = 0;

    (void)n;
    assert(slice_is(a[1], "*"));
    while ((o = map_next(&m->objects, &cursor))) {
        if (!o->expires_ms || o->expires_ms > m->now_ms)
            *reply_slot(r, count++) = *reply_str(m, o->key);
    }
    r->count = count;
    qsort(reply_slot(r, 0), count, sizeof(*r), by_bytes);
    return r;
}

static struct kv_reply *time_(struct redis_model *m, const struct slice *a, size_t n)
{
    struct kv_reply *r = reply_array(m, 2);
    char digits[24];

    (void)a;
    (void)n;
    *reply_slot(r, 0) = *reply_str(
        m,
        slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, m->now_ms / 1000)));
    *reply_slot(r, 1) =
        *reply_str(m, slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64,
                                                        m->now_ms % 1000 * 1000)));
    return r;
}

/* ---- hashes ---- */

static struct kv_reply *value_or_nil(struct redis_model *m, const struct redis_pair *p)
{
    return p ? reply_str(m, p->value) : reply_nil(m);
}

static struct redis_object *hash_make(struct redis_model *m, struct slice key)
{
    struct redis_object *o = redis_find(m, key, REDIS_HASH);

    return o ? o : redis_make(m, key, REDIS_HASH);
}

static struct kv_reply *hset(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = hash_make(m, a[1]);
    int64_t added = 0;

    for (size_t i = 2; i + 1 < n; i += 2) {
        struct redis_pair *p = redis_pair_find(o, a[i]);

        added += !p;
        redis_pair_set(p ? p : redis_pair_add(o, a[i]), a[i + 1]);
    }
    return reply_int(m, added);
}

static struct kv_reply *hget(struct redis_model *m, const struct slice *a, size_t n)
{
    (void)n;
    return value_or_nil(m, redis_pair_find(redis_find(m, a[1], REDIS_HASH), a[2]));
}

static struct kv_reply *hmget(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_HASH);
    struct kv_reply *r = reply_array(m, n - 2);

    for (size_t i = 2; i < n; i++)
        *reply_slot(r, i - 2) = *value_or_nil(m, redis_pair_find(o, a[i]));
    return r;
}

static struct kv_reply *hgetall(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_HASH);
    struct kv_reply *r = reply_array(m, o ? 2 * o->pair_count : 0);

    (void)n;
    for (size_t i = 0; i < r->count / 2; i++) {
        *reply_slot(r, 2 * i) = *reply_str(m, o->pairs[i].name);
        *reply_slot(r, 2 * i + 1) = *reply_str(m, o->pairs[i].value);
    }
    return r;
}

static struct kv_reply *hkeys(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_HASH);
    struct kv_reply *r = reply_array(m, o ? o->pair_count : 0);

    (void)n;
    for (size_t i = 0; i < r->count; i++)
        *reply_slot(r, i) = *reply_str(m, o->pairs[i].name);
    return r;
}

/* Of hashes and sorted sets. */
static struct kv_reply *pairs_drop(struct redis_model *m, const struct slice *a, size_t n,
                                   enum redis_kind kind)
{
    struct redis_object *o = redis_find(m, a[1], kind);
    int64_t gone = 0;

    for (size_t i = 2; o && i < n; i++) {
        struct redis_pair *p = redis_pair_find(o, a[i]);

        if (p)
            redis_pair_drop(o, p);
        gone += p != NULL;
    }
    if (o && o->pair_count == 0)
        redis_drop(m, o);
    return reply_int(m, gone);
}

static struct kv_reply *hdel(struct redis_model *m, const struct slice *a, size_t n)
{
    return pairs_drop(m, a, n, REDIS_HASH);
}

static struct kv_reply *hincrby(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = hash_make(m, a[1]);
    struct redis_pair *p = redis_pair_find(o, a[2]);
    int64_t value = (p ? number(p->value) : 0) + number(a[3]);
    char digits[24];

    (void)n;
    redis_pair_set(p ? p : redis_pair_add(o, a[2]),
                   slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value)));
    return reply_int(m, value);
}

/* ---- sorted sets; scores are whole numbers here ---- */

static struct kv_reply *zadd(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = redis_find(m, a[1], REDIS_ZSET);
    int64_t added = 0;

    if (!o)
        o = redis_make(m, a[1], REDIS_ZSET);
    for (size_t i = 2; i + 1 < n; i += 2) {
        added += !redis_pair_find(o, a[i + 1]);
        redis_zset_put(o, a[i + 1], number(a[i]));
    }
    return reply_int(m, added);
}

static struct kv_reply *zrem(struct redis_model *m, const struct slice *a, size_t n)
{
    return pairs_drop(m, a, n, REDIS_ZSET);
}

/* By index, all of it ("0 -1"), or WITHSCORES for tests. */
static struct kv_reply *zrange(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_ZSET);
    struct kv_reply *r = reply_array(m, o ? 2 * o->pair_count : 0);
    bool scores = n > 4;
    size_t at = 0;
    char digits[24];

    assert(slice_is(a[2], "0") && slice_is(a[3], "-1"));
    for (size_t i = 0; o && i < o->pair_count; i++) {
        *reply_slot(r, at++) = *reply_str(m, o->pairs[i].name);
        if (scores)
            *reply_slot(r, at++) =
                *reply_str(m, slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64,
                                                                o->pairs[i].score)));
    }
    r->count = at;
    return r;
}

/* "-inf" to a number, LIMIT 0 n */
static struct kv_reply *zrangebyscore(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_ZSET);
    int64_t most = number(a[3]), limit = number(a[6]);
    struct kv_reply *r = reply_array(m, o ? o->pair_count : 0);
    size_t at = 0;

    (void)n;
    assert(slice_is(a[2], "-inf") && slice_is(a[4], "LIMIT") && slice_is(a[5], "0"));
    for (size_t i = 0; o && i < o->pair_count && o->pairs[i].score <= most && (int64_t)at < limit;
         i++)
        *reply_slot(r, at++) = *reply_str(m, o->pairs[i].name);
    r->count = at;
    return r;
}

/* ---- streams ---- */

static void entry_id(struct slice text, uint64_t *ret_ms, uint64_t *ret_seq)
{
    struct slice ms = slice_cut(&text, '-');
    bool good = slice_to_u64(ms, ret_ms) && slice_to_u64(text, ret_seq);

    assert(good);
    (void)good;
}

/* key MAXLEN ~ n id field value ...: a world never lives long enough for the limit. */
static struct kv_reply *xadd(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct slice key = a[1];
    struct redis_object *o = redis_find(m, key, REDIS_STREAM);
    uint64_t ms, seq;

    if (slice_is(a[2], "MAXLEN")) {
        assert(slice_is(a[3], "~") && (!o || (int64_t)o->entry_count < number(a[4])));
        a += 3;
        n -= 3;
    }
    entry_id(a[2], &ms, &seq);
    if (o && (ms < o->last_ms || (ms == o->last_ms && seq <= o->last_seq)))
        return reply_error(m, SLICE_LITERAL("ERR The ID specified in XADD is equal or smaller than "
                                            "the target stream top item"));
    if (!o)
        o = redis_make(m, key, REDIS_STREAM);
    redis_stream_add(o, ms, seq, a + 3, n - 3);
    return reply_str(m, a[2]);
}

static struct kv_reply entry_reply(struct redis_model *m, const struct redis_entry *e)
{
    struct kv_reply *r = reply_array(m, 2), *fields = reply_array(m, e->count);
    char id[48];

    for (size_t i = 0; i < e->count; i++)
        *reply_slot(fields, i) = *reply_str(m, e->fields[i]);
    *reply_slot(r, 0) = *reply_str(
        m, slice_of(id, (size_t)snprintf(id, sizeof(id), "%" PRIu64 "-%" PRIu64, e->ms, e->seq)));
    *reply_slot(r, 1) = *fields;
    return *r;
}

/* "-" to "+", COUNT n */
static struct kv_reply *xrange(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[1], REDIS_STREAM);
    size_t limit = n > 5 ? (size_t)number(a[5]) : SIZE_MAX, count = o ? o->entry_count : 0;
    struct kv_reply *r = reply_array(m, count < limit ? count : limit);

    assert(slice_is(a[2], "-") && slice_is(a[3], "+"));
    for (size_t i = 0; i < r->count; i++)
        *reply_slot(r, i) = entry_reply(m, &o->entries[i]);
    return r;
}

/* MINID id: an emptied stream stays, and remembers its last id. */
static struct kv_reply *xtrim(struct redis_model *m, const struct slice *a, size_t n)
{
    struct redis_object *o = redis_find(m, a[1], REDIS_STREAM);
    uint64_t ms, seq;

    (void)n;
    assert(slice_is(a[2], "MINID"));
    entry_id(a[3], &ms, &seq);
    return reply_int(m, o ? (int64_t)redis_stream_trim(o, ms, seq) : 0);
}

/* STREAM key: only what is read here, the number of entries and the last id. */
static struct kv_reply *xinfo(struct redis_model *m, const struct slice *a, size_t n)
{
    const struct redis_object *o = redis_find(m, a[2], REDIS_STREAM);
    struct kv_reply *r = reply_array(m, 4);
    char id[48];

    assert(n == 3 && slice_is(a[1], "STREAM"));
    if (!o)
        return reply_error(m, SLICE_LITERAL("ERR no such key"));
    *reply_slot(r, 0) = *reply_str(m, SLICE_LITERAL("length"));
    *reply_slot(r, 1) = *reply_int(m, (int64_t)o->entry_count);
    *reply_slot(r, 2) = *reply_str(m, SLICE_LITERAL("last-generated-id"));
    *reply_slot(r, 3) =
        *reply_str(m, slice_of(id, (size_t)snprintf(id, sizeof(id), "%" PRIu64 "-%" PRIu64,
                                                    o->last_ms, o->last_seq)));
    return r;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    struct kv_reply *(*run)(struct redis_model *m, const struct slice *args, size_t count);
    bool writes;
} commands[] = {
    {"MGET", mget, false},
    {"BITFIELD", bitfield, true},
    {"HMGET", hmget, false},
    {"TIME", time_, false},
    {"GET", get, false},
    {"SET", set, true},
    {"HSET", hset, true},
    {"XRANGE", xrange, false},
    {"ZADD", zadd, true},
    {"ZREM", zrem, true},
    {"DEL", del, true},
    {"INCR", incr, true},
    {"XADD", xadd, true},
    {"XTRIM", xtrim, true},
    {"PEXPIRE", pexpire, true},
    {"PEXPIREAT", pexpireat, true},
    {"HGET", hget, false},
    {"HGETALL", hgetall, false},
    {"HKEYS", hkeys, false},
    {"HDEL", hdel, true},
    {"HINCRBY", hincrby, true},
    {"ZRANGE", zrange, false},
    {"EXISTS", exists, false},
    {"ZRANGEBYSCORE", zrangebyscore, false},
    {"GETRANGE", getrange, false},
    {"PTTL", pttl, false},
    {"TYPE", type, false},
    {"KEYS", keys, false},
    {"XINFO", xinfo, false},
};

static uint64_t command_runs[array_len(commands)];

const char *redis_command_name(size_t i, uint64_t *ret_runs)
{
    if (i >= array_len(commands))
        return NULL;
    *ret_runs = command_runs[i];
    return commands[i].name;
}

const struct kv_reply *redis_dispatch(struct redis_model *m, const struct slice *args, size_t count)
{
    for (size_t i = 0; i < array_len(commands); i++) {
        if (slice_is(args[0], commands[i].name)) {
            m->changes += commands[i].writes;
            command_runs[i]++;
            return commands[i].run(m, args, count);
        }
    }
    fprintf(stderr, "the model of redis does not know %.*s\n", SLICE_ARG(args[0]));
    abort();
}

const struct kv_reply *redis_run(struct redis_model *m, const struct slice *args, size_t count)
{
    arena_reset(&m->arena);
    return redis_dispatch(m, args, count);
}
