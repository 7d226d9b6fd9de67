#include "tests/sim/arena.h"

#include "engine/base/mem.h"

enum { CHUNK_FIRST = 1024 - 32, CHUNK_MOST = 65536 };

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
        struct arena_chunk *c;
        size_t want = !a->chunk                     ? CHUNK_FIRST
                      : a->chunk->size < CHUNK_MOST ? 2 * a->chunk->size
                                                    : a->chunk->size;

        want = size > want ? size : want;
        c = mem_alloc(sizeof(*c) + want);
        c->older = a->chunk;
        c->size = want;
        a->chunk = c;
        a->used = 0;
    }
    at = a->chunk->bytes + a->used;
    a->used += size;
    return at;
}

/* Keeps the newest chunk, which is the largest. */
void arena_reset(struct arena *a)
{
    while (a->chunk && a->chunk->older) {
        struct arena_chunk *older = a->chunk->older;

        a->chunk->older = older->older;
        mem_free(older);
    }
    a->used = 0;
}

void arena_free(struct arena *a)
{
    arena_reset(a);
    mem_free(a->chunk);
    a->chunk = NULL;
}
