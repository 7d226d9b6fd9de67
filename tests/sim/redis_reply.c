#include "tests/sim/redis_object.h"

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
