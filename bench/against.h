/* The comparator of a run: a command that prints NAME=VALUE words, run between our own rounds so
 * that both sides see the same machine. */
#ifndef HOLDFAST_BENCH_AGAINST_H
#define HOLDFAST_BENCH_AGAINST_H

#include "engine/base/slice.h"

struct against {
    double rate;   /* operations a second: the word rate=, obligatory */
    double p99_us; /* the word p99_us=, 0 when absent */
};

/* Runs `command` with `arguments` appended through the shell; false when it fails or tells no rate,
 * ret_why says how. */
bool against_run(const char *command, const char *arguments, struct against *ret, char *ret_why,
                 size_t why_size);

#endif
