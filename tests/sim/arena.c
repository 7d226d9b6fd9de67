#include "tests/sim/arena.h"

#include "engine/base/mem.h"

#define CHUNK_SIZE ((size_t)8 * 1024)

struct arena_chunk {
    struct arena_chunk *older;
    size_t size;
    _Alignas(16) char bytes[];
};

void *arena_take(struct arena *a, size_t size)
{
    void *at;

    size = (size + 15) & ~(size_t)15;
    if (!a->chunk || a->used + size > a->chunk->size) {
        size_t want = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct arena_chunk *c = mem_alloc(sizeof(*c) + want);

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
void arena_reset(struct arena *a)
{
    while (a->chunk && a->chunk->older) {
        struct arena_chunk *older = a->chunk->older;

        mem_free(a->chunk);
        a->chunk = older;
    }
    a->used = 0;
}

void arena_free(struct arena *a)
{
    arena_reset(a);
    mem_free(a->chunk);
    a->chunk = NULL;
}
