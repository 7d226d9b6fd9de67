/* What the harness was asked to do: flags, environment (as ./holdfast up prints it), defaults. */
#ifndef HOLDFAST_BENCH_OPTIONS_H
#define HOLDFAST_BENCH_OPTIONS_H

#include "engine/base/config.h"

struct bench_options {
    const char *scenario;
    const char *url, *waitroom_url, *engine_url, *waitroom_ops_url, *engine_ops_url, *admin_token,
        *database, *redis;
    const char *event, *out, *thresholds, *core, *against, *against_batch, *processes, *commit;
    int64_t users, rate, duration_s, seed, connections, arrive_ms, think_ms, runs, seats, multiple;
    bool quiet, named, charge, until_settled, board;
};

extern const struct config_option bench_option_table[];
extern const size_t bench_option_count;

#endif
