/* A fixed pool of equal objects: all memory is taken at start, an empty pool is an answer (NULL),
 * not an allocation. */
#ifndef HOLDFAST_BASE_POOL_H
#define HOLDFAST_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
    char *slab; /* owned */
    void *free_list;
    size_t object_size, capacity, in_use;
    size_t fresh;     /* private: how many were ever taken, the rest of the slab is untouched */
    uint64_t refused; /* how often it was empty */
};

/* Objects are aligned to 16 bytes. The pages are touched on first use only. Aborts when memory
 * cannot be reserved. */
void pool_init(struct pool *p, size_t object_size, size_t capacity);
void pool_free(struct pool *p); /* asserts that nothing is in use */

void *pool_take(struct pool *p); /* NULL when empty; not zeroed */
void pool_give(struct pool *p, void *object);

#endif
