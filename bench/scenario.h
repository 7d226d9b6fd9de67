/* A scenario: what users do, what is measured, what came of it. A new one is a new file and a line
 * in the table of main.c. */
#ifndef HOLDFAST_BENCH_SCENARIO_H
#define HOLDFAST_BENCH_SCENARIO_H

#include "bench/meter.h"
#include "bench/options.h"
#include "bench/processes.h"
#include "engine/net/loop.h"

/* Exit codes of the wire contract. */
enum bench_exit {
    BENCH_OK = 0,
    BENCH_USAGE = 2,
    BENCH_GENERATOR = 97, /* the generator was the limit */
    BENCH_INVARIANT = 98,
    BENCH_THRESHOLD = 99,
    BENCH_INTERRUPTED = 130,
};

#define RUN_FIGURES_MAX 96

/* A named figure of a run, for the summary and the report: funnel counts, ratios. */
struct run_figure {
    char name[48];
    double value;     /* of several rounds: their median */
    const char *unit; /* static */
    size_t rounds;    /* 0: there is one value only */
    double min, max;  /* of the rounds */
};

struct run {
    const struct bench_options *options;
    struct processes processes; /* --processes */
    struct loop *loop;
    struct meter meter;
    struct run_figure figures[RUN_FIGURES_MAX];
    size_t figure_count;
    bool interrupted; /* SIGINT: finish at once, the report is still written */
    struct buf
        confirmed; /* booking ids that were told confirmed, a line each: for the audit's I2 */
    double generator_lag_ms; /* the worst delay between an intended instant and its sending that was
                                our own */
};

void run_figure(struct run *r, const char *name, double value, const char *unit);
/* The median of several rounds' values, with the lowest and the highest. Sorts them. */
void run_figure_of(struct run *r, const char *name, double *values, size_t count, const char *unit);

struct scenario {
    const char *name, *summary;
    const char *const *steps; /* NULL-terminated */
    int64_t users;            /* unless --users says */
    enum bench_exit (*run)(struct run *run);
};

extern const struct scenario scenario_bookings, scenario_holds, scenario_onsale, scenario_overload,
    scenario_polls;

#endif
