/* Hash map from bytes to pointers: open addressing, linear probing, SipHash-1-3 with a random key
 * per process (Aumasson & Bernstein 2012), because the keys come from strangers. */
#ifndef HOLDFAST_BASE_MAP_H
#define HOLDFAST_BASE_MAP_H

#include "engine/base/slice.h"

struct map_entry;

struct map {
    struct map_entry *entries; /* private */
    size_t cap, len, used;     /* private, except len: how many are stored */
};

void map_init(struct map *m);
void map_free(struct map *m); /* the values are the caller's: free them first (map_next) */

/* The map borrows the key: its bytes must live as long as the entry (normally they are inside the
 * value). Replaces an older entry of that key and returns its value, else NULL. `value` is not
 * NULL. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_get(const struct map *m, struct slice key); /* NULL: not there */
void *map_remove(struct map *m, struct slice key);    /* the removed value, or NULL */

/* Visits all values in no order: start with *cursor = 0; NULL at the end. Removing the value just
 * returned is allowed, putting is not. */
void *map_next(const struct map *m, size_t *cursor);

/* The hash itself, for those who shard by it. */
uint64_t map_hash(struct slice key);
/* Fixes the process's key, so that a simulation visits maps in the same order every time. Before
 * the first map is filled; never in a server. */
void map_seed(uint64_t seed);

#endif
