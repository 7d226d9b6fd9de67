#include "engine/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *at = calloc(1, size ? size : 1);

    if (!at)
        out_of_memory(size);
    return at;
}

void *mem_resize(void *at, size_t size)
{
    void *moved = realloc(at, size ? size : 1);

    if (!moved)
        out_of_memory(size);
    return moved;
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
    free(at);
}
