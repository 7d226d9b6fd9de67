/* Memory that is given back all at once. */
#ifndef HOLDFAST_TESTS_SIM_ARENA_H
#define HOLDFAST_TESTS_SIM_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* owned */
    size_t used;
};

void *arena_take(struct arena *a, size_t size); /* 16 bytes aligned, not zeroed */
void arena_reset(struct arena *a);              /* keeps one chunk */
void arena_free(struct arena *a);

#endif
