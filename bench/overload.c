/* overload: purchases through one engine (hold a seat, buy it, the payment simulator included),
 * open arrivals at a multiple of what it can do, for a minute. The capacity is found before and
 * after in the same way with as many buyers at once as serve best; refused buyers (503) go away.
 * What counts: how much of the capacity is still sold under the load, how long those who were let
 * in took, and whether the engine's memory stays flat. */
#include "bench/box_office.h"
#include "bench/probe.h"
#include "bench/progress.h"
#include "bench/rush.h"

#include "engine/base/mem.h"

#include <stdio.h>
#include <sys/resource.h>

enum { STEP_BUY, STEP_REFUSED, STEP_CAPACITY };
static const char *const step_names[] = {"buy", "refused", "capacity", NULL};

/* Who finds no connection is not sent, and who is let in keeps his for a second or two: 10 times
 * 1,500 arrivals a second want some 4,000. */
enum { CONNECTIONS_LEAST = 8000 };

enum {
    EVENTS = 16,
    SEATS_LEAST = 20000, /* of each: what is sold must never be short */
    CAPACITY_S = 10,
    WARM_S = 2,
    DURATION_S = 60,
    SETTLED_S = 10, /* into the load: from here on the memory should be flat */
};

/* Buyers at once that are tried for the capacity; the best counts. */
static const size_t widths[] = {64, 192};

struct overload {
    struct run *run;
    char events[EVENTS][24];
    struct rush_seats seats;
    struct sockaddr_in address;
    double before, after, capacity;
    double rss_before, rss_settled, rss_after; /* MiB */
    char why[320];
};

static double own_cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double rss_mib(const struct overload *o)
{
    return probe_metric(o->run->options->engine_ops_url, "process_resident_memory_bytes") /
           (1024 * 1024);
}

static bool open_events(struct overload *o)
{
    const struct box_office office = {.seats = o->seats.each, .charge = true};

    for (size_t i = 0; i < EVENTS; i++) {
        progress_say(loop_mono_ns(o->run->loop), "making event %zu of %d", i + 1, EVENTS);
        if (!box_office_event(o->run, &office, o->events[i], o->why, sizeof(o->why)))
            return false;
    }
    o->seats.events = o->events;
    o->seats.event_count = EVENTS;
    return true;
}

/* ---- the capacity ---- */

static bool capacity_at(struct overload *o, size_t width, double *ret_rate)
{
    struct rush r = {.run = o->run,
                     .seats = &o->seats,
                     .address = o->address,
                     .connections = width,
                     .seconds = CAPACITY_S,
                     .warm_seconds = WARM_S,
                     .measured = true,
                     .step_bought = STEP_CAPACITY,
                     .step_refused = STEP_REFUSED};
    bool good = rush_run(&r, o->why, sizeof(o->why));

    *ret_rate = r.goodput;
    progress_say(loop_mono_ns(o->run->loop), "capacity: %zu buyers at once buy %.0f/s", width,
                 r.goodput);
    return good;
}

static bool find_capacity(struct overload *o, double *ret_rate)
{
    *ret_rate = 0;
    for (size_t i = 0; i < array_len(widths) && !o->run->interrupted; i++) {
        double rate;

        if (!capacity_at(o, widths[i], &rate))
            return false;
        *ret_rate = rate > *ret_rate ? rate : *ret_rate;
    }
    if (*ret_rate > 0)
        return true;
    snprintf(o->why, sizeof(o->why), "nothing could be bought");
    return false;
}

/* ---- the load ---- */

static void tell(struct rush *r, double second)
{
    struct overload *o = container_of(r->seats, struct overload, seats);

    progress_say(loop_mono_ns(o->run->loop),
                 "%3.0f s  arrived %llu  bought %llu  refused %llu  unsent %llu  other %llu",
                 second, (unsigned long long)r->arrived, (unsigned long long)r->bought,
                 (unsigned long long)r->refused, (unsigned long long)r->unsent,
                 (unsigned long long)r->other);
    if (o->rss_settled <= 0 && second >= SETTLED_S)
        o->rss_settled = rss_mib(o);
}

static void figures(struct overload *o, const struct rush *r, double engine_cpu, double own_cpu)
{
    struct run *run = o->run;
    double sent = (double)(r->arrived - r->unsent);

    run_figure(run, "capacity/s", o->capacity, "1/s");
    run_figure(run, "capacity before", o->before, "1/s");
    run_figure(run, "offered/s", r->rate, "1/s");
    run_figure(run, "sent/s", sent / r->seconds, "1/s");
    run_figure(run, "unsent share", (double)r->unsent / (double)r->arrived, "");
    run_figure(run, "goodput/s", r->goodput, "1/s");
    run_figure(run, "refused share", sent > 0 ? (double)r->refused / sent : 0, "");
    run_figure(run, "refused without Retry-After", (double)r->bare_refusals, "");
    run_figure(run, "neither bought nor refused", (double)r->other, "");
    run_figure(run, "connections broken", (double)r->broken, "");
    run_figure(run, "engine rss before", o->rss_before, "MiB");
    run_figure(run, "engine rss settled", o->rss_settled, "MiB");
    run_figure(run, "engine rss after", o->rss_after, "MiB");
    run_figure(run, "engine rss growth", o->rss_after - o->rss_settled, "MiB");
    run_figure(run, "engine cpu", engine_cpu / r->seconds, "cores");
    run_figure(run, "generator cpu", own_cpu / r->seconds, "cores");
    run_figure(run, "generator lag", r->worst_lag_ms, "ms");
}

static bool load(struct overload *o, struct rush *r)
{
    const struct bench_options *options = o->run->options;
    double engine_cpu = probe_cpu_seconds(options->engine_ops_url), own_cpu = own_cpu_seconds();
    bool good;

    *r = (struct rush){
        .run = o->run,
        .seats = &o->seats,
        .address = o->address,
        .connections = options->connections > CONNECTIONS_LEAST ? (size_t)options->connections
                                                                : CONNECTIONS_LEAST,
        .rate = options->rate ? (double)options->rate : o->before * (double)options->multiple,
        .seconds = options->duration_s ? (double)options->duration_s : DURATION_S,
        .warm_seconds = WARM_S,
        .measured = true,
        .step_bought = STEP_BUY,
        .step_refused = STEP_REFUSED,
        .tell = tell};
    hist_reset(&o->run->meter.steps[STEP_REFUSED].latency);
    o->rss_before = rss_mib(o);
    good = rush_run(r, o->why, sizeof(o->why));
    o->rss_after = rss_mib(o);
    engine_cpu = probe_cpu_seconds(options->engine_ops_url) - engine_cpu;
    own_cpu = own_cpu_seconds() - own_cpu;
    if (o->rss_settled <= 0)
        o->rss_settled = o->rss_before;
    if (good)
        figures(o, r, engine_cpu, own_cpu);
    return good;
}

static enum bench_exit judge(struct overload *o, const struct rush *r)
{
    if (o->run->interrupted)
        return BENCH_INTERRUPTED;
    if (r->unsent * 20 > r->arrived) {
        fprintf(stderr,
                "bench: %.0f %% of the arrivals found no connection or no processor time: "
                "the generator was the limit\n",
                100 * (double)r->unsent / (double)r->arrived);
        return BENCH_GENERATOR;
    }
    return BENCH_OK;
}

static enum bench_exit overload(struct overload *o)
{
    struct rush r = {.arrived = 0};

    if (!open_events(o) || !find_capacity(o, &o->before))
        return BENCH_GENERATOR;
    o->capacity = o->before;
    if (o->run->interrupted)
        return BENCH_INTERRUPTED;
    if (!load(o, &r))
        return BENCH_GENERATOR;
    if (!o->run->interrupted && find_capacity(o, &o->after)) {
        /* The machine drifts: the load lay between the two. */
        o->capacity = (o->before + o->after) / 2;
        run_figure(o->run, "capacity after", o->after, "1/s");
        o->run->figures[0].value = o->capacity;
    }
    run_figure(o->run, "goodput share", r.goodput / o->capacity, "");
    return judge(o, &r);
}

static enum bench_exit run_overload(struct run *run)
{
    int64_t each = run->options->seats > SEATS_LEAST ? run->options->seats : SEATS_LEAST;
    struct overload o = {.run = run, .seats = {.each = (uint32_t)each}};
    enum bench_exit code;

    if (!probe_address(run->options->engine_url, &o.address)) {
        fprintf(stderr, "bench: '%s' is not an http:// URL of a loopback address\n",
                run->options->engine_url);
        return BENCH_USAGE;
    }
    code = overload(&o);
    progress_end();
    if (o.why[0])
        fprintf(stderr, "bench: %s\n", o.why);
    mem_free(o.seats.back);
    return code;
}

const struct scenario scenario_overload = {
    .name = "overload",
    .summary = "open arrivals at ten times (--multiple) what one engine can sell, for a minute: "
               "goodput, refusals, memory",
    .steps = step_names,
    .run = run_overload,
};
