/* bookings: durable single-seat bookings through one engine, on an event without charge; the holds
 * are placed before the clock starts. Alternating with a comparator, normally pgbench with the
 * single-seat statement on the same durability. */
#include "bench/capacity.h"

#include "engine/base/json.h"

#include <stdio.h>

enum { STEP_BOOK, STEP_HALF };
static const char *const step_names[] = {"book", "half", NULL};

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
    json_t *root = status == 201 ? json_loadb(body.at, body.len, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(root, "holdId"));

    ids[i].text[0] = 0;
    if (id && slice_to_str(slice_str(id), ids[i].text, sizeof(ids[i].text)))
        c->good++;
    json_decref(root);
}

static enum bench_exit place_holds(struct capacity *c)
{
    struct flood f = {.run = c->run,
                      .client = c->client,
                      .step = FLOOD_UNMEASURED,
                      .total = c->total,
                      .in_flight = (size_t)c->run->options->connections,
                      .make = make_hold,
                      .took = took_hold,
                      .ctx = c};

    c->good = 0;
    flood_run(&f);
    if (c->good == c->total || c->run->interrupted)
        return c->run->interrupted ? BENCH_INTERRUPTED : BENCH_OK;
    fprintf(stderr, "bench: only %zu of %zu holds were granted\n", c->good, c->total);
    return BENCH_GENERATOR;
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

static void took_booking(struct flood *f, size_t i, int status, struct slice body)
{
    struct capacity *c = f->ctx;

    (void)i;
    (void)body;
    c->good += status == 201;
}

static enum bench_exit run_bookings(struct run *run)
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
                         .what = "bookings",
                         .total = (size_t)o->users,
                         .seats_each = 1,
                         .step_peak = STEP_BOOK,
                         .step_half = STEP_HALF,
                         .prepare = place_holds,
                         .make = make_booking,
                         .took = took_booking,
                         .ctx = mem_alloc((size_t)o->users * sizeof(struct hold_id))};
    enum bench_exit code = capacity_run(&c);
    client_free(client);
    mem_free(c.ctx);
    return code;
}

const struct scenario scenario_bookings = {
    .name = "bookings",
    .summary =
        "capacity of durable bookings of one engine without charge, and the latency at half of it",
    .steps = step_names,
    .run = run_bookings,
};
