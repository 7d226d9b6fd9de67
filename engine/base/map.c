#include "engine/base/map.h"

#include "engine/base/mem.h"
#include "engine/base/rng.h"

#include <assert.h>

#define MAP_FIRST_CAP 16 /* a power of two, as every capacity */

/* value NULL: never used, or removed (then key.at is `removed`, so that probing goes on past it).
 */
struct map_entry {
    struct slice key;
    void *value;
    uint64_t hash;
};

static const char removed[1];

static uint64_t hash_key[2];

/* Before main, so that no call has to ask whether it is set. */
__attribute__((constructor)) static void draw_hash_key(void)
{
    rng_secret(hash_key, sizeof(hash_key));
}

void map_seed(uint64_t seed)
{
    hash_key[0] = seed;
    hash_key[1] = 0;
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: one round a word, three at the end. */
static uint64_t siphash(const uint64_t key[2], const char *at, size_t len)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    uint64_t word, last = (uint64_t)len << 56;
    size_t i;

    for (i = 0; i + 8 <= len; i += 8) {
        memcpy(&word, at + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t k = 0; i + k < len; k++)
        last |= (uint64_t)(uint8_t)at[i + k] << (8 * k);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int k = 0; k < 3; k++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t map_hash(struct slice key)
{
    return siphash(hash_key, key.at, key.len);
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_free(struct map *m)
{
    mem_free(m->entries);
    map_init(m);
}

static struct map_entry *find(const struct map *m, struct slice key, uint64_t hash)
{
    size_t mask = m->cap - 1;

    if (m->cap == 0)
        return NULL;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_entry *e = &m->entries[i];

        if (!e->value && e->key.at != removed)
            return NULL;
        if (e->value && e->hash == hash && slice_eq(e->key, key))
            return e;
    }
}

/* The first slot that is free or was freed; there always is one. */
static struct map_entry *free_slot(const struct map *m, uint64_t hash)
{
    size_t mask = m->cap - 1, i = hash & mask;

    while (m->entries[i].value)
        i = (i + 1) & mask;
    return &m->entries[i];
}

static void store(struct map *m, const struct map_entry *entry)
{
    struct map_entry *e = free_slot(m, entry->hash);

    if (e->key.at != removed)
        m->used++;
    *e = *entry;
    m->len++;
}

/* Into a table that is at most half full: so removed slots are dropped, and the table shrinks when
 * it should. */
static void rehash(struct map *m)
{
    struct map old = *m;
    size_t cap = MAP_FIRST_CAP;

    while (cap / 2 < old.len + 1)
        cap *= 2;
    *m = (struct map){.entries = mem_alloc(cap * sizeof(*m->entries)), .cap = cap};
    for (size_t i = 0; i < old.cap; i++) {
        if (old.entries[i].value)
            store(m, &old.entries[i]);
    }
    mem_free(old.entries);
}

void *map_put(struct map *m, struct slice key, void *value)
{
    uint64_t hash = map_hash(key);
    struct map_entry *e = find(m, key, hash);

    assert(value);
    if (e) {
        void *older = e->value;

        e->key = key;
        e->value = value;
        return older;
    }
    if (m->used + 1 > m->cap / 4 * 3)
        rehash(m);
    store(m, &(struct map_entry){.key = key, .value = value, .hash = hash});
    return NULL;
}

void *map_get(const struct map *m, struct slice key)
{
    struct map_entry *e = find(m, key, map_hash(key));

    return e ? e->value : NULL;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry *e = find(m, key, map_hash(key));
    void *value;

    if (!e)
        return NULL;
    value = e->value;
    *e = (struct map_entry){.key = {.at = removed}};
    m->len--;
    return value;
}

void *map_next(const struct map *m, size_t *cursor)
{
    while (*cursor < m->cap) {
        struct map_entry *e = &m->entries[(*cursor)++];

        if (e->value)
            return e->value;
    }
    return NULL;
}
