/* bookings: durable single-seat bookings through one engine, the holds placed before the clock
 * starts; beside the core alone and pgbench with the identical statements on the same PostgreSQL
 * (bench/core/bookings.sh tells how). With --charge each booking is paid for. */
#include "bench/capacity.h"
#include "bench/scan.h"

#include <stdio.h>

static const char *const step_names[] = {"book", "half", NULL};

enum { SEATS_MAX = 500000 };

/* Purchases with a charge under way at once: the capacity is found without the engine having to
 * refuse any (its limit follows its latency, and a charge waits for the provider twice). */
enum { CHARGED_AT_ONCE = 192 };

struct hold_id {
    char text[48];
};

/* ---- before the clock: one hold a booking ---- */

static void make_hold(struct flood *f, size_t i, struct client_request *r)
{
    struct capacity *c = f->ctx;
    char path[64], key[48], body[64];

    snprintf(path, sizeof(path), "/v1/events/%s/holds", c->event);
    snprintf(key, sizeof(key), "hold-%s-%zu", c->event, i);
    snprintf(body, sizeof(body), "{\"ticketIds\":[\"%zu\"]}", i);
    client_request_begin(f->client, r, "POST", path, NULL, key, body);
}

static void took_hold(struct flood *f, size_t i, int status, struct slice body)
{
    struct capacity *c = f->ctx;
    struct hold_id *ids = c->ctx;
    struct slice id = status == 201 ? scan_str(body, "holdId") : SLICE_NONE;

    c->good += id.len && slice_to_str(id, ids[i].text, sizeof(ids[i].text));
}

static enum bench_exit place_holds(struct capacity *c)
{
    return capacity_prepare(c, make_hold, took_hold);
}

/* ---- the bookings ---- */

static void make_booking(struct flood *f, size_t i, struct client_request *r)
{
    struct capacity *c = f->ctx;
    const struct hold_id *ids = c->ctx;
    char path[64], key[48], body[320];

    snprintf(path, sizeof(path), "/v1/bookings/%s", c->event);
    snprintf(key, sizeof(key), "book-%s-%zu", c->event, i);
    snprintf(
        body, sizeof(body),
        "{\"holdId\":\"%s\",\"expectedTotal\":5000,\"customer\":{\"email\":\"fan@example.org\","
        "\"name\":\"A Fan\"},\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"tok_visa\"}}",
        ids[i].text);
    client_request_begin(f->client, r, "POST", path, NULL, key, body);
}

static enum bench_exit run_bookings(struct run *run)
{
    const struct bench_options *o = run->options;
    size_t total = (size_t)o->users;
    struct capacity c = {.run = run,
                         .what = "bookings",
                         .total = total,
                         .at_once = o->charge ? CHARGED_AT_ONCE : 0,
                         .office = {.seats = total, .charge = o->charge},
                         .prepare = place_holds,
                         .make = make_booking,
                         .took = capacity_took_201};

    if (total > SEATS_MAX) {
        fprintf(stderr, "bench: an event has at most %d seats\n", SEATS_MAX);
        return BENCH_USAGE;
    }
    c.ctx = mem_alloc(total * sizeof(struct hold_id));
    enum bench_exit code = capacity_run(&c);
    mem_free(c.ctx);
    return code;
}

const struct scenario scenario_bookings = {
    .name = "bookings",
    .summary = "capacity of durable bookings of one engine and of the core alone, beside pgbench "
               "with the same statements",
    .steps = step_names,
    .users = 20000,
    .run = run_bookings,
};
