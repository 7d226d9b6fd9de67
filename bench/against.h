/* Those who do the same work as our flood in the same run: a command a side, which prints
 * NAME=VALUE words, so that the harness needs to know neither the booking core nor the stores.
 *
 *   rate=N           operations a second; obligatory
 *   p99_us=N         from the intended instant, when a rate was asked for
 *   <part>_us=N      processor time an operation: generator_us, redis_us, postgres_us, ...
 *   name=WORD        how the side is called in the report
 *
 * It finds in its environment HOLDFAST_BENCH_OPERATIONS (how many) and what ./holdfast up prints.
 */
#ifndef HOLDFAST_BENCH_AGAINST_H
#define HOLDFAST_BENCH_AGAINST_H

#include "bench/processes.h"
#include "engine/base/slice.h"

struct against {
    double rate, p99_us;      /* p99_us: 0 when not told */
    double cpu_us[CPU_PARTS]; /* 0 when not told */
    char name[32];            /* "" when not told */
};

/* Runs `command` through the shell, flat out, or with `--rate N` appended when rate is not 0. False
 * when it fails or tells no rate, ret_why says how. */
bool against_run(const char *command, double rate, struct against *ret, char *ret_why,
                 size_t why_size);

#endif
