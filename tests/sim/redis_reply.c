#include "tests/sim/redis_object.h"

#include "engine/base/mem.h"

#define CHUNK_SIZE ((size_t)64 * 1024)

struct reply_chunk {
    struct reply_chunk *older;
    size_t size;
    _Alignas(16) char bytes[];
};

void *arena_take(struct reply_arena *a, size_t size)
{
    void *at;

    size = (size + 15) & ~(size_t)15;
    if (!a->chunk || a->used + size > a->chunk->size) {
        size_t want = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct reply_chunk *c = mem_alloc(sizeof(*c) + want);

        c->older = a->chunk;
        c->size = want;
        a->chunk = c;
        a->used = 0;
    }
    at = a->chunk->bytes + a->used;
    a->used += size;
    return at;
}

/* Keeps one chunk warm. */
void arena_reset(struct reply_arena *a)
{
    while (a->chunk && a->chunk->older) {
        struct reply_chunk *older = a->chunk->older;

        mem_free(a->chunk);
        a->chunk = older;
    }
    a->used = 0;
}

void arena_free(struct reply_arena *a)
{
    arena_reset(a);
    mem_free(a->chunk);
    a->chunk = NULL;
}

static struct kv_reply *make(struct redis_model *m, enum kv_kind kind)
{
    struct kv_reply *r = arena_take(&m->arena, sizeof(*r));

    *r = (struct kv_reply){.kind = kind};
    return r;
}

struct kv_reply *reply_nil(struct redis_model *m)
{
    return make(m, KV_NIL);
}

struct kv_reply *reply_int(struct redis_model *m, int64_t value)
{
    struct kv_reply *r = make(m, KV_INT);

    r->integer = value;
    return r;
}

struct kv_reply *reply_str(struct redis_model *m, struct slice s)
{
    struct kv_reply *r = make(m, KV_STR);
    char *copy = arena_take(&m->arena, s.len + 1);

    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    r->str = slice_of(copy, s.len);
    return r;
}

struct kv_reply *reply_error(struct redis_model *m, struct slice s)
{
    struct kv_reply *r = reply_str(m, s);

    r->kind = KV_ERROR;
    return r;
}

struct kv_reply *reply_array(struct redis_model *m, size_t count)
{
    struct kv_reply *r = make(m, KV_ARRAY),
                    *elements = arena_take(&m->arena, (count + 1) * sizeof(*elements));

    memset(elements, 0, count * sizeof(*elements));
    r->elements = elements;
    r->count = count;
    return r;
}

struct kv_reply *reply_slot(struct kv_reply *array, size_t i)
{
    return (struct kv_reply *)(uintptr_t)&array->elements[i];
}
