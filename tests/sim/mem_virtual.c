/* The memory of the simulation in place of engine/base/mem.c: every block knows the host whose code
 * took it, so that a host can die without a word. And its secrets: from the seed (linked with
 * --wrap=rng_secret). */
#include "tests/sim/world.h"

#include "engine/base/mem.h"

#include <stdlib.h>

struct block {
    struct list link; /* of its host; alone when it is nobody's */
    size_t size, spare;
};

_Static_assert(sizeof(struct block) == 32, "world.c counts on it");

static void *adopt(struct block *b, size_t size)
{
    if (!b)
        abort();
    b->size = size;
    list_init(&b->link);
    if (world.current)
        list_push_back(&world.current->blocks, &b->link);
    return b + 1;
}

void *mem_alloc(size_t size)
{
    return adopt(calloc(1, sizeof(struct block) + size), size);
}

/* A block stays with the host that took it. */
void *mem_resize(void *at, size_t size)
{
    struct block *b;
    struct list *prev;

    if (!at)
        return adopt(malloc(sizeof(struct block) + size), size);
    b = (struct block *)at - 1;
    prev = b->link.prev;
    if (prev == &b->link)
        prev = NULL;
    list_remove(&b->link);
    b = realloc(b, sizeof(*b) + size);
    if (!b)
        abort();
    b->size = size;
    list_init(&b->link);
    if (prev)
        list_insert_(&b->link, prev, prev->next);
    return b + 1;
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void mem_free(void *at)
{
    struct block *b;

    if (!at)
        return;
    b = (struct block *)at - 1;
    list_remove(&b->link);
    free(b);
}

void __wrap_rng_secret(void *ret_bytes, size_t len);
void __wrap_rng_secret(void *ret_bytes, size_t len)
{
    unsigned char *at = ret_bytes;

    for (size_t i = 0; i < len; i++)
        at[i] = (unsigned char)rng_next(&world.rng);
}
