#include "engine/base/pool.h"

#include "engine/base/poison.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define POOL_ALIGN 16

/* What a free object holds. Under AddressSanitizer the whole object is poisoned while it is free.
 */
struct free_object {
    struct free_object *next;
};

void pool_init(struct pool *p, size_t object_size, size_t capacity)
{
    size_t size = (object_size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN, bytes;

    assert(object_size > 0 && capacity > 0);
    *p = (struct pool){.object_size = size, .capacity = capacity};
    /* malloc's memory, not mmap's: the leak checker looks for pointers there. Large blocks come
     * untouched from the kernel. */
    if (__builtin_mul_overflow(size, capacity, &bytes) ||
        !(p->slab = aligned_alloc(POOL_ALIGN, bytes))) {
        fprintf(stderr, "out of memory: a pool of %zu objects of %zu bytes\n", capacity, size);
        abort();
    }
    poison(p->slab, bytes);
}

void pool_free(struct pool *p)
{
    assert(p->in_use == 0);
    if (p->slab)
        unpoison(p->slab, p->object_size * p->capacity);
    free(p->slab);
    *p = (struct pool){0};
}

void *pool_take(struct pool *p)
{
    struct free_object *object = p->free_list;

    if (object) {
        unpoison(object, p->object_size);
        p->free_list = object->next;
    } else if (p->fresh < p->capacity) {
        object = (void *)(p->slab + p->fresh++ * p->object_size);
        unpoison(object, p->object_size);
    } else {
        p->refused++;
        return NULL;
    }
    p->in_use++;
    return object;
}

void pool_give(struct pool *p, void *object)
{
    struct free_object *f = object;
    size_t offset = (size_t)((char *)object - p->slab);

    assert(p->in_use > 0);
    assert(offset < p->fresh * p->object_size && offset % p->object_size == 0);
    f->next = p->free_list;
    p->free_list = f;
    p->in_use--;
    poison(object, p->object_size);
}
