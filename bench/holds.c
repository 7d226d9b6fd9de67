/* holds: four named seats a hold through one engine, every hold granted; alternating with a
 * comparator, normally redis-benchmark with the script alone. */
#include "bench/capacity.h"

#include <stdio.h>

enum { STEP_HOLD, STEP_HALF };
static const char *const step_names[] = {"hold", "half", NULL};

enum { SEATS_EACH = 4 };

static void make(struct flood *f, size_t i, struct client_request *r)
{
    struct capacity *c = f->ctx;
    char path[64], key[48], body[128];
    size_t n = i * SEATS_EACH;

    snprintf(path, sizeof(path), "/v1/events/%s/holds", c->event);
    snprintf(key, sizeof(key), "hold-%s-%zu", c->event, i);
    snprintf(body, sizeof(body), "{\"ticketIds\":[\"%zu\",\"%zu\",\"%zu\",\"%zu\"]}", n, n + 1,
             n + 2, n + 3);
    client_request_begin(f->client, r, "POST", path, NULL, key, body);
}

static void took(struct flood *f, size_t i, int status, struct slice body)
{
    struct capacity *c = f->ctx;

    (void)i;
    (void)body;
    c->good += status == 201;
}

static enum bench_exit run_holds(struct run *run)
{
    const struct bench_options *o = run->options;
    struct client_options options = {.url = o->engine_url, .connections = (size_t)o->connections};
    char why[160];
    struct client *client = client_new(run->loop, &options, why, sizeof(why));

    if (!client) {
        fprintf(stderr, "bench: %s\n", why);
        return BENCH_USAGE;
    }
    struct capacity c = {.run = run,
                         .client = client,
                         .what = "holds",
                         .total = (size_t)o->users,
                         .seats_each = SEATS_EACH,
                         .step_peak = STEP_HOLD,
                         .step_half = STEP_HALF,
                         .make = make,
                         .took = took};
    enum bench_exit code = capacity_run(&c);
    client_free(client);
    return code;
}

const struct scenario scenario_holds = {
    .name = "holds",
    .summary = "capacity of 4-seat holds of one engine, all granted, and the latency at half of it",
    .steps = step_names,
    .run = run_holds,
};
