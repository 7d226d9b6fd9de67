#include "tests/sim/redis_object.h"

#include "engine/base/mem.h"

#include <assert.h>

static struct slice own(struct slice s)
{
    return slice_of(mem_strndup(s.at, s.len), s.len);
}

static void disown(struct slice *s)
{
    mem_free((void *)(uintptr_t)s->at);
    *s = SLICE_NONE;
}

static void object_free(struct redis_object *o)
{
    for (size_t i = 0; i < o->pair_count; i++) {
        disown(&o->pairs[i].name);
        disown(&o->pairs[i].value);
    }
    for (size_t i = 0; i < o->entry_count; i++) {
        for (size_t k = 0; k < o->entries[i].count; k++)
            disown(&o->entries[i].fields[k]);
        mem_free(o->entries[i].fields);
    }
    mem_free(o->pairs);
    mem_free(o->entries);
    mem_free(o->bytes);
    disown(&o->key);
    mem_free(o);
}

/* ---- the keyspace ---- */

void redis_init(struct redis_model *m)
{
    *m = (struct redis_model){.now_ms = 0};
    map_init(&m->objects);
}

void redis_flush(struct redis_model *m)
{
    struct redis_object *o;
    size_t cursor = 0;

    while ((o = map_next(&m->objects, &cursor)))
        redis_drop(m, o);
    m->changes++;
}

void redis_free(struct redis_model *m)
{
    redis_flush(m);
    map_free(&m->objects);
    arena_free(&m->arena);
}

struct redis_object *redis_make(struct redis_model *m, struct slice key, enum redis_kind kind)
{
    struct redis_object *o = mem_alloc(sizeof(*o));

    o->key = own(key);
    o->kind = kind;
    map_put(&m->objects, o->key, o);
    return o;
}

void redis_drop(struct redis_model *m, struct redis_object *o)
{
    map_remove(&m->objects, o->key);
    object_free(o);
}

struct redis_object *redis_find_any(struct redis_model *m, struct slice key)
{
    struct redis_object *o = map_get(&m->objects, key);

    if (o && o->expires_ms && o->expires_ms <= m->now_ms) {
        redis_drop(m, o);
        return NULL;
    }
    return o;
}

struct redis_object *redis_find(struct redis_model *m, struct slice key, enum redis_kind kind)
{
    struct redis_object *o = redis_find_any(m, key);

    assert(!o || o->kind == kind);
    return o;
}

/* ---- what an object holds ---- */

void redis_string_grow(struct redis_object *o, size_t len)
{
    if (len > o->cap) {
        o->bytes = mem_resize(o->bytes, 2 * len);
        o->cap = 2 * len;
    }
    if (len > o->len) {
        memset(o->bytes + o->len, 0, len - o->len);
        o->len = len;
    }
}

void redis_string_set(struct redis_object *o, struct slice value)
{
    redis_string_grow(o, value.len);
    if (value.len)
        memcpy(o->bytes, value.at, value.len);
    o->len = value.len;
}

struct redis_pair *redis_pair_find(const struct redis_object *o, struct slice name)
{
    for (size_t i = 0; o && i < o->pair_count; i++) {
        if (slice_eq(o->pairs[i].name, name))
            return &o->pairs[i];
    }
    return NULL;
}

struct redis_pair *redis_pair_add(struct redis_object *o, struct slice name)
{
    if (o->pair_count == o->pair_cap) {
        o->pair_cap = o->pair_cap ? 2 * o->pair_cap : 8;
        o->pairs = mem_resize(o->pairs, o->pair_cap * sizeof(*o->pairs));
    }
    o->pairs[o->pair_count] = (struct redis_pair){.name = own(name)};
    return &o->pairs[o->pair_count++];
}

void redis_pair_set(struct redis_pair *p, struct slice value)
{
    struct slice old = p->value;

    p->value = own(value);
    disown(&old);
}

void redis_pair_drop(struct redis_object *o, struct redis_pair *p)
{
    size_t at = (size_t)(p - o->pairs);

    disown(&p->name);
    disown(&p->value);
    o->pair_count--;
    memmove(p, p + 1, (o->pair_count - at) * sizeof(*p));
}

static bool before(const struct redis_pair *a, struct slice member, int64_t score)
{
    size_t len = a->name.len < member.len ? a->name.len : member.len;
    int order = memcmp(a->name.at, member.at, len);

    if (a->score != score)
        return a->score < score;
    return order < 0 || (order == 0 && a->name.len < member.len);
}

void redis_zset_put(struct redis_object *o, struct slice member, int64_t score)
{
    struct redis_pair *p = redis_pair_find(o, member), moved;
    size_t at = 0;

    if (p)
        redis_pair_drop(o, p);
    redis_pair_add(o, member)->score = score;
    moved = o->pairs[o->pair_count - 1];
    while (at < o->pair_count - 1 && before(&o->pairs[at], member, score))
        at++;
    memmove(&o->pairs[at + 1], &o->pairs[at], (o->pair_count - 1 - at) * sizeof(moved));
    o->pairs[at] = moved;
}

void redis_stream_add(struct redis_object *o, uint64_t ms, uint64_t seq, const struct slice *fields,
                      size_t count)
{
    struct redis_entry *e;

    if (o->entry_count == o->entry_cap) {
        o->entry_cap = o->entry_cap ? 2 * o->entry_cap : 16;
        o->entries = mem_resize(o->entries, o->entry_cap * sizeof(*o->entries));
    }
    e = &o->entries[o->entry_count++];
    *e = (struct redis_entry){
        .ms = ms, .seq = seq, .fields = mem_alloc(count * sizeof(*fields)), .count = count};
    for (size_t i = 0; i < count; i++)
        e->fields[i] = own(fields[i]);
    o->last_ms = ms;
    o->last_seq = seq;
}

size_t redis_stream_trim(struct redis_object *o, uint64_t ms, uint64_t seq)
{
    size_t gone = 0;

    while (gone < o->entry_count && (o->entries[gone].ms < ms ||
                                     (o->entries[gone].ms == ms && o->entries[gone].seq < seq))) {
        for (size_t k = 0; k < o->entries[gone].count; k++)
            disown(&o->entries[gone].fields[k]);
        mem_free(o->entries[gone++].fields);
    }
    if (!gone)
        return 0;
    o->entry_count -= gone;
    memmove(o->entries, o->entries + gone, o->entry_count * sizeof(*o->entries));
    return gone;
}

/* ---- a copy ---- */

static void copy_object(struct redis_model *to, const struct redis_object *o)
{
    struct redis_object *c = redis_make(to, o->key, o->kind);

    c->expires_ms = o->expires_ms;
    if (o->kind == REDIS_STRING)
        redis_string_set(c, slice_of(o->bytes, o->len));
    for (size_t i = 0; i < o->pair_count; i++) {
        struct redis_pair *p = redis_pair_add(c, o->pairs[i].name);

        p->score = o->pairs[i].score;
        if (o->pairs[i].value.at)
            redis_pair_set(p, o->pairs[i].value);
    }
    for (size_t i = 0; i < o->entry_count; i++)
        redis_stream_add(c, o->entries[i].ms, o->entries[i].seq, o->entries[i].fields,
                         o->entries[i].count);
    c->last_ms = o->last_ms;
    c->last_seq = o->last_seq;
}

void redis_copy(struct redis_model *to, const struct redis_model *from)
{
    const struct redis_object *o;
    size_t cursor = 0;

    redis_flush(to);
    while ((o = map_next(&from->objects, &cursor)))
        copy_object(to, o);
}

/* ---- looking ---- */

static const struct redis_object *look(const struct redis_model *m, const char *key)
{
    const struct redis_object *o = map_get(&m->objects, slice_str(key));

    return o && o->expires_ms && o->expires_ms <= m->now_ms ? NULL : o;
}

struct slice redis_string(const struct redis_model *m, const char *key)
{
    const struct redis_object *o = look(m, key);

    return o ? slice_of(o->bytes, o->len) : SLICE_NONE;
}

struct slice redis_field(const struct redis_model *m, const char *key, const char *field)
{
    const struct redis_pair *p = redis_pair_find(look(m, key), slice_str(field));

    return p ? p->value : SLICE_NONE;
}

size_t redis_zset_size(const struct redis_model *m, const char *key)
{
    const struct redis_object *o = look(m, key);

    return o ? o->pair_count : 0;
}

struct slice redis_zset_member(const struct redis_model *m, const char *key, size_t index,
                               int64_t *ret_score)
{
    const struct redis_object *o = look(m, key);

    *ret_score = o->pairs[index].score;
    return o->pairs[index].name;
}

size_t redis_stream_size(const struct redis_model *m, const char *key)
{
    const struct redis_object *o = look(m, key);

    return o ? o->entry_count : 0;
}

uint64_t redis_stream_entry(const struct redis_model *m, const char *key, size_t index,
                            const struct slice **ret_fields, size_t *ret_count)
{
    const struct redis_entry *e = &look(m, key)->entries[index];

    *ret_fields = e->fields;
    *ret_count = e->count;
    return e->ms;
}
