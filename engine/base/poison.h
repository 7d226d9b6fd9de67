/* Marks memory that nobody may touch, for AddressSanitizer; nothing in other builds. */
#ifndef HOLDFAST_BASE_POISON_H
#define HOLDFAST_BASE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISON_WORKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_WORKS 1
#endif
#endif

#ifdef POISON_WORKS

#include <sanitizer/asan_interface.h>

static inline void poison(const void *at, size_t size)
{
    __asan_poison_memory_region(at, size);
}

static inline void unpoison(const void *at, size_t size)
{
    __asan_unpoison_memory_region(at, size);
}

#else

static inline void poison(const void *at, size_t size)
{
    (void)at;
    (void)size;
}

static inline void unpoison(const void *at, size_t size)
{
    (void)at;
    (void)size;
}

#endif

#endif
