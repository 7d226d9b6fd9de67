/* holds: four places a hold through one engine, every hold granted; beside the core alone and the
 * identical EVALSHA sent by redis-benchmark (bench/core/holds.sh tells how). The places are of a
 * general-admission area, for that is what redis-benchmark can ask for with its random numbers;
 * with --named they are four seats by name. */
#include "bench/capacity.h"

#include <stdio.h>

static const char *const step_names[] = {"hold", "half", NULL};

enum { SEATS_EACH = 4, SEATS_MAX = 500000 };

static void make(struct flood *f, size_t i, struct client_request *r)
{
    struct capacity *c = f->ctx;
    char path[64], key[48], body[128];
    size_t n = i * SEATS_EACH;

    snprintf(path, sizeof(path), "/v1/events/%s/holds", c->event);
    snprintf(key, sizeof(key), "hold-%s-%zu", c->event, i);
    if (c->office.area)
        snprintf(body, sizeof(body), "{\"area\":{\"id\":\"floor\",\"quantity\":%d}}", SEATS_EACH);
    else
        snprintf(body, sizeof(body), "{\"ticketIds\":[\"%zu\",\"%zu\",\"%zu\",\"%zu\"]}", n, n + 1,
                 n + 2, n + 3);
    client_request_begin(f->client, r, "POST", path, NULL, key, body);
}

static enum bench_exit run_holds(struct run *run)
{
    const struct bench_options *o = run->options;
    size_t total = (size_t)o->users;
    /* An area twice as large as what is taken: nobody has to search long for a free place. */
    struct box_office office = {.seats = total * SEATS_EACH * (o->named ? 1 : 2),
                                .area = !o->named};
    struct capacity c = {.run = run,
                         .what = "holds",
                         .total = total,
                         .office = office,
                         .make = make,
                         .took = capacity_took_201};

    if (office.seats > SEATS_MAX) {
        fprintf(stderr, "bench: %zu holds want %zu seats, and an event has at most %d\n", total,
                office.seats, SEATS_MAX);
        return BENCH_USAGE;
    }
    return capacity_run(&c);
}

const struct scenario scenario_holds = {
    .name = "holds",
    .summary = "capacity of 4-seat holds of one engine and of the core alone, all granted, beside "
               "redis-benchmark with the same script",
    .steps = step_names,
    .users = 20000,
    .run = run_holds,
};
