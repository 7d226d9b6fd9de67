#include "bench/capacity.h"

#include "bench/against.h"
#include "bench/box_office.h"
#include "bench/probe.h"
#include "bench/progress.h"

#include <stdio.h>

struct rounds {
    double ours[CAPACITY_ROUNDS_MAX], theirs[CAPACITY_ROUNDS_MAX], ratios[CAPACITY_ROUNDS_MAX],
        cpu_us[CAPACITY_ROUNDS_MAX];
    size_t count;
};

static enum bench_exit fail(const char *why)
{
    progress_end();
    fprintf(stderr, "bench: %s\n", why);
    return BENCH_USAGE;
}

/* One flood on a new event at `rate` (0: flat out); operations a second in *ret_rate. */
static enum bench_exit flood_once(struct capacity *c, size_t step, double rate, double *ret_rate,
                                  double *ret_cpu_us)
{
    const struct bench_options *o = c->run->options;
    char why[320];
    enum bench_exit code = BENCH_OK;

    if (!box_office_event(c->run, (uint32_t)(c->total * c->seats_each), c->event, why, sizeof(why)))
        return fail(why);
    if (c->prepare && (code = c->prepare(c)) != BENCH_OK)
        return code;
    struct flood f = {.run = c->run,
                      .client = c->client,
                      .step = step,
                      .total = c->total,
                      .in_flight = (size_t)o->connections,
                      .rate = rate,
                      .make = c->make,
                      .took = c->took,
                      .ctx = c};
    double cpu = probe_cpu_seconds(o->engine_ops_url);
    c->good = 0;
    double seconds = flood_run(&f);
    *ret_cpu_us =
        (probe_cpu_seconds(o->engine_ops_url) - cpu) * 1e6 / (double)(c->good ? c->good : 1);
    *ret_rate = (double)c->good / seconds;
    if (c->run->interrupted)
        return BENCH_INTERRUPTED;
    if (c->good * 100 < c->total * 99) {
        snprintf(why, sizeof(why), "only %zu of %zu %s went well: see the answers", c->good,
                 c->total, c->what);
        fail(why);
        return BENCH_GENERATOR;
    }
    return BENCH_OK;
}

static enum bench_exit compare(struct capacity *c, struct rounds *r)
{
    const struct bench_options *o = c->run->options;
    struct against against;
    char why[4352];

    for (; r->count < (size_t)o->runs; r->count++) {
        size_t n = r->count;
        enum bench_exit code = flood_once(c, c->step_peak, 0, &r->ours[n], &r->cpu_us[n]);
        if (code != BENCH_OK)
            return code;
        if (o->against && !against_run(o->against, "", &against, why, sizeof(why)))
            return fail(why);
        r->theirs[n] = o->against ? against.rate : 0;
        r->ratios[n] = o->against ? r->ours[n] / against.rate : 0;
        progress_say(loop_mono_ns(c->run->loop),
                     "round %zu of %lld: %.0f %s/s, comparator %.0f/s, ratio %.2f", n + 1,
                     (long long)o->runs, r->ours[n], c->what, r->theirs[n], r->ratios[n]);
    }
    return BENCH_OK;
}

static void tell(struct capacity *c, struct rounds *r)
{
    char name[48];

    snprintf(name, sizeof(name), "%s/s", c->what);
    run_figure(c->run, name, probe_median(r->ours, r->count), "1/s");
    run_figure(c->run, "engine cpu each", probe_median(r->cpu_us, r->count), "us");
    if (c->run->options->against) {
        run_figure(c->run, "comparator/s", probe_median(r->theirs, r->count), "1/s");
        run_figure(c->run, "ratio", probe_median(r->ratios, r->count), "");
    }
}

/* The latency at half of the peak, ours and the comparator's at half of its own. */
static enum bench_exit half_load(struct capacity *c, struct rounds *r)
{
    const struct bench_options *o = c->run->options;
    double half = probe_median(r->ours, r->count) / 2, rate, cpu_us;
    struct against against;
    char arguments[64], why[4352];
    enum bench_exit code = flood_once(c, c->step_half, half, &rate, &cpu_us);

    if (code != BENCH_OK)
        return code;
    double p99_us = (double)hist_quantile(&c->run->meter.steps[c->step_half].latency, 0.99);
    run_figure(c->run, "half load", half, "1/s");
    run_figure(c->run, "half load p99", p99_us / 1000, "ms");
    if (!o->against)
        return BENCH_OK;
    snprintf(arguments, sizeof(arguments), "--rate %.0f", probe_median(r->theirs, r->count) / 2);
    if (!against_run(o->against, arguments, &against, why, sizeof(why)))
        return fail(why);
    run_figure(c->run, "comparator half load p99", against.p99_us / 1000, "ms");
    if (against.p99_us > 0)
        run_figure(c->run, "p99 ratio", p99_us / against.p99_us, "");
    return BENCH_OK;
}

enum bench_exit capacity_run(struct capacity *c)
{
    struct rounds rounds = {.count = 0};
    enum bench_exit code = compare(c, &rounds);

    progress_end();
    if (rounds.count == 0)
        return code;
    tell(c, &rounds);
    return code == BENCH_OK ? half_load(c, &rounds) : code;
}
