/* GET, PATCH and DELETE /v1/holds/{holdId}. */
#include "engine/booking/hold_api.h"

#include "engine/base/mem.h"
#include "engine/booking/hold_exchange.h"
#include "engine/booking/hold_json.h"

#include <stdio.h>

/* The exchange of a call about a hold, or NULL when it is answered: an id that is none names no
 * hold. */
static struct hold_exchange *exchange_for_hold(struct http_request *req, struct engine *e,
                                               uint64_t *ret_event_id)
{
    struct hold_exchange *x;

    if (!hold_id_event(req->params[0], ret_event_id)) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, "There is no such hold.");
        return NULL;
    }
    x = hold_exchange_new(req, e);
    if (x)
        (void)!slice_to_str(req->params[0], x->hold_id, sizeof(x->hold_id));
    return x;
}

static void got_cb(struct hold_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, call);

    if (status != STATUS_OK) {
        hold_exchange_fail(x, status);
    } else if (call->outcome == HOLD_GRANTED || call->outcome == HOLD_REPLAYED) {
        if (x->req->method == HTTP_PATCH_)
            engine_changed(x->engine, x->entry.event_id);
        hold_reply(x->req, 200, x->entry.event, &call->hold, call->server_ms);
        hold_exchange_end(x);
    } else if (call->outcome == HOLD_SEATS_TAKEN) {
        x->engine->metrics.holds_refused_total++;
        hold_reply_taken(x->req, call, NULL, 0);
        hold_exchange_end(x);
    } else {
        hold_exchange_refuse(x);
    }
}

static void get_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    enum status status;

    hold_exchange_call(x, got_cb);
    status = seat_store_get(x->engine->seats, &x->call);
    if (status != STATUS_OK)
        hold_exchange_fail(x, status);
}

static void get_hold(struct http_request *req, void *ctx)
{
    uint64_t event_id;
    struct hold_exchange *x = exchange_for_hold(req, ctx, &event_id);

    if (x)
        entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, get_ready, hold_exchange_refused);
}

static bool seats_exist(const struct hold_exchange *x)
{
    uint32_t count = x->entry.event->sheet->layout->seat_count;
    const struct hold_change_wish *w = &x->change;

    return (w->add_count == 0 || w->add[w->add_count - 1] < count) &&
           (w->remove_count == 0 || w->remove[w->remove_count - 1] < count);
}

static void patch_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    const struct hold_change_wish *w = &x->change;
    char about[HOLD_ID_SIZE + 8];
    enum status status;

    if (!seats_exist(x)) {
        hold_exchange_invalid(x, "A seat is named that the event does not have.");
        return;
    }
    hold_exchange_terms(x);
    hold_exchange_call(x, got_cb);
    snprintf(about, sizeof(about), "change %s", x->hold_id);
    hold_change_fingerprint(w, about, x->terms.fingerprint);
    if (w->extend_seconds)
        status = seat_store_extend(x->engine->seats, &x->call, &x->terms, w->extend_seconds * 1000);
    else
        status = seat_store_swap(x->engine->seats, &x->call, &x->terms, w->add, w->add_count,
                                 w->remove, w->remove_count);
    if (status != STATUS_OK)
        hold_exchange_fail(x, status);
}

static void patch_hold(struct http_request *req, void *ctx)
{
    struct hold_change_wish change;
    struct hold_exchange *x;
    struct slice key;
    uint64_t event_id;
    char why[200];
    json_t *body;
    enum status status;

    if (!idempotency_key(req, &key) || !(body = http_body_json(req)))
        return;
    status = hold_change_read(body, &change, why, sizeof(why));
    json_decref(body);
    if (status != STATUS_OK) {
        http_reply_problem(req, PROBLEM_INVALID, why);
        return;
    }
    x = exchange_for_hold(req, ctx, &event_id);
    if (!x)
        return;
    x->key = key;
    x->change = change;
    entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, patch_ready, hold_exchange_refused);
}

static void released_cb(struct hold_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, call);

    if (status != STATUS_OK) {
        hold_exchange_fail(x, status);
    } else if (call->outcome == HOLD_GRANTED) {
        x->engine->metrics.holds_released_total++;
        engine_changed(x->engine, x->entry.event_id);
        http_reply_empty(x->req, 204);
        hold_exchange_end(x);
    } else {
        hold_exchange_refuse(x);
    }
}

static void delete_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    enum status status;

    hold_exchange_call(x, released_cb);
    status = seat_store_release(x->engine->seats, &x->call);
    if (status != STATUS_OK)
        hold_exchange_fail(x, status);
}

/* Needs no Idempotency-Key: deleting twice is deleting. */
static void delete_hold(struct http_request *req, void *ctx)
{
    uint64_t event_id;
    struct hold_exchange *x = exchange_for_hold(req, ctx, &event_id);

    if (x)
        entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, delete_ready,
                    hold_exchange_refused);
}

static const struct route routes[] = {
    {HTTP_GET_, "/v1/holds/{holdId}", get_hold, 0, 0},
    {HTTP_PATCH_, "/v1/holds/{holdId}", patch_hold, 0, 0},
    {HTTP_DELETE_, "/v1/holds/{holdId}", delete_hold, 0, 0},
};

void hold_change_api_routes(struct router *r, struct engine *e)
{
    router_add(r, routes, array_len(routes), e);
}
