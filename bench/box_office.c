#include "bench/box_office.h"

#include "bench/flood.h"
#include "engine/base/json.h"

#include <stdio.h>

struct order {
    char body[1024], auth[256], event[24], why[256];
    bool good;
};

static void make(struct flood *f, size_t i, struct client_request *r)
{
    struct order *o = f->ctx;

    (void)i;
    client_request_begin(f->client, r, "POST", "/admin/v1/events", o->auth, NULL, o->body);
}

static void took(struct flood *f, size_t i, int status, struct slice body)
{
    struct order *o = f->ctx;
    json_t *root = body.len ? json_loadb(body.at, body.len, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(root, "eventId"));

    (void)i;
    o->good = status == 201 && id && slice_to_str(slice_str(id), o->event, sizeof(o->event));
    if (!o->good)
        snprintf(o->why, sizeof(o->why), "the engine's ops listener at %s answered %d %.*s",
                 f->run->options->engine_ops_url, status, body.len > 120 ? 120 : (int)body.len,
                 body.at ? body.at : "");
    json_decref(root);
}

static void write_layout(const struct box_office *office, char *ret_text, size_t size)
{
    if (office->area)
        snprintf(ret_text, size,
                 "\"layout\":{\"sections\":[],\"areas\":[{\"id\":\"floor\",\"name\":\"Standing\","
                 "\"capacity\":%zu,\"priceLevel\":\"gold\",\"x\":0,\"y\":0,\"w\":30,\"h\":20}]}",
                 office->seats);
    else
        snprintf(ret_text, size, "\"arena\":{\"seats\":%zu}", office->seats);
}

bool box_office_event(struct run *run, const struct box_office *office, char ret_event[24],
                      char *ret_why, size_t why_size)
{
    const struct bench_options *o = run->options;
    struct order order = {.good = false};
    char starts[CLOCK_TEXT_SIZE], layout[256];
    struct client_options options = {.url = o->engine_ops_url, .connections = 1};
    struct client *client = client_new(run->loop, &options, ret_why, why_size);

    if (!client)
        return false;
    clock_format(loop_wall_ms(run->loop) + INT64_C(30) * 86400000, starts);
    snprintf(order.auth, sizeof(order.auth), "Bearer %s", o->admin_token ? o->admin_token : "");
    write_layout(office, layout, sizeof(layout));
    snprintf(
        order.body, sizeof(order.body),
        "{\"name\":\"Bench\",\"venue\":{\"name\":\"Bench\",\"city\":\"Here\"},\"startsAt\":\"%s\","
        "\"currency\":\"EUR\",\"queue\":false,\"charge\":%s,\"holdSeconds\":3600,"
        "\"holdCapSeconds\":3600,%s,\"priceLevels\":["
        "{\"id\":\"gold\",\"name\":\"Gold\",\"amount\":5000},"
        "{\"id\":\"silver\",\"name\":\"Silver\",\"amount\":5000},"
        "{\"id\":\"bronze\",\"name\":\"Bronze\",\"amount\":5000}]}",
        starts, office->charge ? "true" : "false", layout);
    struct flood f = {.run = run,
                      .client = client,
                      .step = FLOOD_UNMEASURED,
                      .total = 1,
                      .in_flight = 1,
                      .make = make,
                      .took = took,
                      .ctx = &order};
    flood_run(&f);
    client_free(client);
    snprintf(ret_event, 24, "%s", order.event);
    if (!order.good)
        snprintf(ret_why, why_size, "%s", order.why);
    return order.good;
}
