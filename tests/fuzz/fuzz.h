/* What every fuzz target defines (libFuzzer's entry), and a check that is on in every build. */
#ifndef HOLDFAST_TESTS_FUZZ_H
#define HOLDFAST_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static inline void must(int condition)
{
    if (!condition)
        abort();
}

#endif
