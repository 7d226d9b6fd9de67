#include "bench/capacity.h"

#include "bench/against.h"
#include "bench/probe.h"
#include "bench/progress.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 100, SIDES_MAX = 4 };

/* One of those who do the same work in turn; `command` NULL: our own flood. */
struct side {
    char name[32];
    const char *command;
    bool ours; /* http and core: what the comparators are for */
    double rates[ROUNDS_MAX], cpu_us[CPU_PARTS][ROUNDS_MAX];
    double half_p99_us;
};

struct contest {
    struct capacity *c;
    struct side sides[SIDES_MAX];
    size_t count, rounds;
};

static enum bench_exit fail(struct capacity *c, const char *why)
{
    progress_end();
    if (c->run->interrupted)
        return BENCH_INTERRUPTED;
    fprintf(stderr, "bench: %s\n", why);
    return BENCH_USAGE;
}

/* ---- our own flood ---- */

void capacity_took_201(struct flood *f, size_t i, int status, struct slice body)
{
    struct capacity *c = f->ctx;

    (void)i;
    (void)body;
    c->good += status == 201;
}

static enum bench_exit all_good(struct capacity *c, const char *what, const char *refused)
{
    if (c->run->interrupted)
        return BENCH_INTERRUPTED;
    if (c->good == c->total)
        return BENCH_OK;
    progress_end();
    fprintf(stderr, "bench: only %zu of %zu %s went well; the first that did not: %s\n", c->good,
            c->total, what, refused);
    return BENCH_GENERATOR;
}

enum bench_exit capacity_prepare(struct capacity *c,
                                 void (*make)(struct flood *f, size_t i, struct client_request *r),
                                 void (*took)(struct flood *f, size_t i, int status,
                                              struct slice body))
{
    struct flood f = {.run = c->run,
                      .client = c->client,
                      .step = FLOOD_UNMEASURED,
                      .total = c->total,
                      .in_flight = (size_t)c->run->options->connections,
                      .make = make,
                      .took = took,
                      .ctx = c};

    c->good = 0;
    flood_run(&f);
    return all_good(c, "preparations", f.refused);
}

static size_t at_once(const struct capacity *c)
{
    size_t connections = (size_t)c->run->options->connections;

    return c->at_once > 0 && c->at_once < connections ? c->at_once : connections;
}

/* One flood on a new event at `rate` (0: flat out). */
static enum bench_exit flood_once(struct capacity *c, size_t step, double rate,
                                  struct against *ret_result)
{
    struct flood f = {.run = c->run,
                      .client = c->client,
                      .step = step,
                      .total = c->total,
                      .in_flight = at_once(c),
                      .rate = rate,
                      .make = c->make,
                      .took = c->took,
                      .ctx = c};
    double before[CPU_PARTS], after[CPU_PARTS];
    char why[320];

    processes_settle(&c->run->processes);
    if (!box_office_event(c->run, &c->office, c->event, why, sizeof(why)))
        return fail(c, why);
    enum bench_exit code = c->prepare ? c->prepare(c) : BENCH_OK;
    if (code != BENCH_OK)
        return code;
    processes_settle(&c->run->processes);
    c->good = 0;
    processes_cpu(&c->run->processes, before);
    double seconds = flood_run(&f);
    processes_cpu(&c->run->processes, after);
    *ret_result = (struct against){.rate = (double)c->good / seconds};
    for (size_t i = 0; i < CPU_PARTS; i++)
        ret_result->cpu_us[i] = (after[i] - before[i]) * 1e6 / (double)c->total;
    if (rate > 0)
        ret_result->p99_us = (double)hist_quantile(&c->run->meter.steps[step].latency, 0.99);
    return all_good(c, c->what, f.refused);
}

/* ---- the rounds ---- */

/* One side's turn, flat out or at `rate`. */
static enum bench_exit take_turn(struct contest *t, struct side *s, double rate,
                                 struct against *ret_result)
{
    char why[4352];

    if (!s->command)
        return flood_once(t->c, rate > 0 ? CAPACITY_HALF : CAPACITY_PEAK, rate, ret_result);
    processes_settle(&t->c->run->processes);
    if (!against_run(s->command, rate, ret_result, why, sizeof(why)))
        return fail(t->c, why);
    if (ret_result->name[0] && rate == 0)
        memcpy(s->name, ret_result->name, sizeof(s->name));
    return BENCH_OK;
}

static void tell_round(const struct contest *t)
{
    char text[256] = "";
    size_t len = 0;

    for (size_t i = 0; i < t->count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %.0f/s", i ? ", " : "",
                                t->sides[i].name, t->sides[i].rates[t->rounds]);
    progress_say(loop_mono_ns(t->c->run->loop), "round %zu of %lld: %s", t->rounds + 1,
                 (long long)t->c->run->options->runs, text);
}

/* Every other round goes backwards, so that nobody always comes after the same neighbour. */
static enum bench_exit compare(struct contest *t)
{
    for (; t->rounds < (size_t)t->c->run->options->runs; t->rounds++) {
        for (size_t k = 0; k < t->count; k++) {
            struct side *s = &t->sides[t->rounds % 2 ? t->count - 1 - k : k];
            struct against result = {0};
            enum bench_exit code = take_turn(t, s, 0, &result);
            if (code != BENCH_OK)
                return code;
            s->rates[t->rounds] = result.rate;
            for (size_t i = 0; i < CPU_PARTS; i++)
                s->cpu_us[i][t->rounds] = result.cpu_us[i];
        }
        tell_round(t);
    }
    return BENCH_OK;
}

/* ---- the report ---- */

/* Medians are taken of copies: rounds belong together until the end. */
static void figure_of(struct contest *t, const double *values, const char *unit, const char *name)
{
    double copy[ROUNDS_MAX];

    memcpy(copy, values, t->rounds * sizeof(*copy));
    run_figure_of(t->c->run, name, copy, t->rounds, unit);
}

static void tell_ratios(struct contest *t, const struct side *of)
{
    double ratios[ROUNDS_MAX];
    char name[80];

    for (size_t i = 0; i < t->count; i++) {
        const struct side *to = &t->sides[i];
        if (to->ours)
            continue;
        for (size_t n = 0; n < t->rounds; n++)
            ratios[n] = of->rates[n] / to->rates[n];
        snprintf(name, sizeof(name), "%s/%s", of->name, to->name);
        figure_of(t, ratios, "", name);
    }
}

static void tell_cpu(struct contest *t, const struct side *s)
{
    char name[64];

    for (size_t i = 0; i < CPU_PARTS; i++) {
        double most = 0;
        for (size_t n = 0; n < t->rounds; n++)
            most = s->cpu_us[i][n] > most ? s->cpu_us[i][n] : most;
        if (most <= 0)
            continue;
        snprintf(name, sizeof(name), "%s: %s cpu each", s->name, cpu_part_names[i]);
        figure_of(t, s->cpu_us[i], "us", name);
    }
}

static void tell(struct contest *t)
{
    char name[64];

    for (size_t i = 0; i < t->count; i++) {
        snprintf(name, sizeof(name), "%s %s/s", t->sides[i].name, t->c->what);
        figure_of(t, t->sides[i].rates, "1/s", name);
    }
    for (size_t i = 0; i < t->count; i++)
        if (t->sides[i].ours)
            tell_ratios(t, &t->sides[i]);
    for (size_t i = 0; i < t->count; i++)
        tell_cpu(t, &t->sides[i]);
}

/* ---- at half of the peak ---- */

static double median_rate(const struct contest *t, const struct side *s)
{
    double copy[ROUNDS_MAX];

    memcpy(copy, s->rates, t->rounds * sizeof(*copy));
    return probe_median(copy, t->rounds);
}

static enum bench_exit half_load(struct contest *t)
{
    const struct side *against = NULL;
    char name[64];

    for (size_t i = 0; i < t->count; i++) {
        struct side *s = &t->sides[i];
        double half = median_rate(t, s) / 2;
        struct against result;
        if (!s->ours && against)
            continue; /* of the second comparator nobody wants the latency */
        enum bench_exit code = take_turn(t, s, half, &result);
        if (code != BENCH_OK)
            return code;
        s->half_p99_us = result.p99_us;
        against = s->ours ? against : s;
        snprintf(name, sizeof(name), "%s half load", s->name);
        run_figure(t->c->run, name, half, "1/s");
        snprintf(name, sizeof(name), "%s half load p99", s->name);
        run_figure(t->c->run, name, result.p99_us / 1000, "ms");
    }
    for (size_t i = 0; against && against->half_p99_us > 0 && i < t->count; i++) {
        if (!t->sides[i].ours)
            continue;
        snprintf(name, sizeof(name), "half load p99 %s/%s", t->sides[i].name, against->name);
        run_figure(t->c->run, name, t->sides[i].half_p99_us / against->half_p99_us, "");
    }
    return BENCH_OK;
}

/* ---- */

static void join(struct contest *t, const char *name, const char *command, bool ours)
{
    struct side *s = &t->sides[t->count++];
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->command = command;
    s->ours = ours;
}

static bool wanted(const char *command)
{
    return command && strcmp(command, "none") != 0;
}

static enum bench_exit contest_run(struct capacity *c)
{
    const struct bench_options *o = c->run->options;
    struct contest *t = mem_alloc(sizeof(*t));
    char operations[24];

    t->c = c;
    join(t, "http", NULL, true);
    if (wanted(o->core))
        join(t, "core", o->core, true);
    if (wanted(o->against))
        join(t, "comparator", o->against, false);
    if (wanted(o->against_batch))
        join(t, "batch comparator", o->against_batch, false);
    snprintf(operations, sizeof(operations), "%zu", c->total);
    setenv("HOLDFAST_BENCH_OPERATIONS", operations, 1);
    enum bench_exit code = compare(t);
    progress_end();
    if (t->rounds)
        tell(t);
    if (t->rounds && code == BENCH_OK)
        code = half_load(t);
    mem_free(t);
    return code;
}

enum bench_exit capacity_run(struct capacity *c)
{
    const struct bench_options *o = c->run->options;
    struct client_options options = {.url = o->engine_url, .connections = (size_t)o->connections};
    char why[160];

    c->client = client_new(c->run->loop, &options, why, sizeof(why));
    if (!c->client)
        return fail(c, why);
    enum bench_exit code = contest_run(c);
    client_free(c->client);
    return code;
}
