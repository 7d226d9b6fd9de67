#include "engine/store/kv_redis_reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#define BLOCK_SIZE (16u << 10)

/* How hiredis counts an array's elements: 1.0 widened it. */
#if HIREDIS_MAJOR >= 1
#define ARRAY_COUNT size_t
#else
#define ARRAY_COUNT int
#endif

/* Memory of one reply tree: a first block that stays, more blocks for large replies that go with
 * them. Objects never move. */
struct block {
    struct block *next;
    size_t len, cap;
    _Alignas(16) char bytes[];
};

struct reply_reader {
    redisReader *reader;
    struct block *blocks; /* the newest first; the last is the one that stays */
    size_t arena_len;     /* bytes in all blocks */
    bool delivered;       /* the tree was handed out: the next parse starts over */
};

static struct block *block_push(struct reply_reader *r, size_t size)
{
    size_t cap = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct block *b = mem_alloc(sizeof(*b) + cap);

    b->cap = cap;
    b->next = r->blocks;
    r->blocks = b;
    r->arena_len += cap;
    return b;
}

static void *arena_take(struct reply_reader *r, size_t size)
{
    struct block *b = r->blocks;
    void *at;

    size = (size + 15) & ~(size_t)15;
    if (size > REPLY_BYTES_MAX - r->arena_len)
        return NULL; /* the reader reports it as out of memory and stops */
    if (size > b->cap - b->len)
        b = block_push(r, size);
    at = b->bytes + b->len;
    b->len += size;
    return at;
}

static void arena_reset(struct reply_reader *r)
{
    while (r->blocks->next) {
        struct block *b = r->blocks;

        r->blocks = b->next;
        r->arena_len -= b->cap;
        mem_free(b);
    }
    r->blocks->len = 0;
}

/* ---- what hiredis calls: each makes the object of `task`, in its parent's array or as the root
 * ---- */

static struct kv_reply *object_of(const redisReadTask *task)
{
    struct kv_reply *object;

    if (task->parent) {
        const struct kv_reply *parent = task->parent->obj;

        object = (struct kv_reply *)&parent->elements[task->idx];
    } else {
        object = arena_take(task->privdata, sizeof(*object));
    }
    if (object)
        *object = (struct kv_reply){.kind = KV_NIL};
    return object;
}

/* Copied: the reader moves its buffer before it hands a reply out. */
static void *make_string(const redisReadTask *task, char *at, size_t len)
{
    struct kv_reply *object = object_of(task);
    char *copy = object ? arena_take(task->privdata, len + 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, at, len);
    copy[len] = '\0';
    object->kind = task->type == REDIS_REPLY_ERROR ? KV_ERROR : KV_STR;
    object->str = slice_of(copy, len);
    return object;
}

static void *make_array(const redisReadTask *task, ARRAY_COUNT count)
{
    struct kv_reply *object = object_of(task);
    size_t n = count > 0 ? (size_t)count : 0;

    if (!object)
        return NULL;
    object->kind = KV_ARRAY;
    object->elements = arena_take(task->privdata, n * sizeof(*object));
    object->count = n;
    return object->elements ? object : NULL;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    struct kv_reply *object = object_of(task);

    if (!object)
        return NULL;
    object->kind = KV_INT;
    object->integer = value;
    return object;
}

static void *make_nil(const redisReadTask *task)
{
    return object_of(task);
}

static void free_nothing(void *object)
{
    (void)object; /* the arena's */
}

/* By name, as 1.0 has more of them, for kinds that RESP2 does not know. */
static redisReplyObjectFunctions makers = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
    .freeObject = free_nothing,
};

struct reply_reader *reply_reader_new(void)
{
    struct reply_reader *r = mem_alloc(sizeof(*r));

    r->reader = redisReaderCreateWithFunctions(&makers);
    if (!r->reader)
        abort(); /* as mem_alloc would */
    r->reader->privdata = r;
    block_push(r, BLOCK_SIZE);
    return r;
}

void reply_reader_free(struct reply_reader *r)
{
    if (!r)
        return;
    redisReaderFree(r->reader);
    arena_reset(r);
    mem_free(r->blocks);
    mem_free(r);
}

enum status reply_reader_feed(struct reply_reader *r, struct slice bytes)
{
    return redisReaderFeed(r->reader, bytes.at, bytes.len) == REDIS_OK ? STATUS_OK
                                                                       : STATUS_PROTOCOL;
}

enum status reply_reader_next(struct reply_reader *r, const struct kv_reply **ret_reply)
{
    void *reply = NULL;

    if (r->delivered) {
        arena_reset(r);
        r->delivered = false;
    }
    if (redisReaderGetReply(r->reader, &reply) != REDIS_OK)
        return STATUS_PROTOCOL;
    *ret_reply = reply;
    r->delivered = reply != NULL;
    return STATUS_OK;
}
