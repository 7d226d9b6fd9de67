/* Allocation that aborts instead of failing: for everything that is not a pooled hot object. */
#ifndef HOLDFAST_BASE_MEM_H
#define HOLDFAST_BASE_MEM_H

#include <stddef.h>

/* Recovers the object that embeds `member`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define array_len(a)                    (sizeof(a) / sizeof((a)[0]))

/* Zeroed memory; aborts when there is none. The caller frees with mem_free. */
void *mem_alloc(size_t size) __attribute__((returns_nonnull, malloc));
void *mem_resize(void *at, size_t size)
    __attribute__((returns_nonnull)); /* new bytes are not zeroed */
char *mem_strdup(const char *text) __attribute__((returns_nonnull));
char *mem_strndup(const char *text, size_t len) __attribute__((returns_nonnull));
void mem_free(void *at);

#endif
