/* A copy of some bytes that ends where a page ends, with no page after it: whoever reads one byte
 * too many dies at once. */
#ifndef HOLDFAST_TESTS_GUARD_H
#define HOLDFAST_TESTS_GUARD_H

#include "engine/base/slice.h"

struct guard {
    struct slice bytes; /* the copy */
    void *map;          /* private */
    size_t map_len;
};

/* Never fails (aborts). An empty input gets an address that must not be read either. */
struct guard guard_new(const void *at, size_t len);
void guard_free(struct guard *g);

#endif
