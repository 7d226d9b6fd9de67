#include "engine/booking/hold_api.h"

#include "engine/base/mem.h"
#include "engine/booking/best_available.h"
#include "engine/booking/hold_exchange.h"
#include "engine/booking/hold_json.h"

#include <inttypes.h>
#include <stdio.h>

/* POST /v1/events/{eventId}/holds
 *
 *   parse -> entry (event, pass) -> check names -> choose -> place -> answer
 *                                   wait for the view --^  ^            |
 *             best available: a rival was faster, CHOICES_MAX times ----+
 *
 * A replay is found by the script, first of all: so even a request for which nothing can be chosen
 * any more asks it. */

#define CHOICES_MAX 8

static void choose(struct hold_exchange *x);

/* The substitute is what a fresh enough view offers; without one the answer does not wait. */
static void reply_taken(struct hold_exchange *x)
{
    struct view *view = view_any(x->engine->views, x->entry.event_id);
    uint32_t block[HOLD_SEATS_MAX];
    bool found = false;

    for (size_t i = 0; view && i < x->call.refused_count; i++) {
        if (x->call.refused_why[i] != SEAT_FREE)
            view_learn(view, x->call.refused[i], x->call.refused_why[i]);
    }
    if (view)
        found = best_alternative(x->entry.event->sheet->layout, view, x->wish.seats,
                                 x->wish.seat_count, &x->rng, block);
    x->engine->metrics.holds_refused_total++;
    hold_reply_taken(x->req, &x->call, found ? block : NULL, x->wish.seat_count);
    hold_exchange_end(x);
}

static void view_for_alternative_cb(struct view_wait *wait, enum status status, struct view *view)
{
    (void)status;
    (void)view;
    reply_taken(container_of(wait, struct hold_exchange, view_wait));
}

static void seats_taken(struct hold_exchange *x)
{
    if (!view_any(x->engine->views, x->entry.event_id) && !http_late(x->req)) {
        x->view_wait.cb = view_for_alternative_cb;
        if (view_get(x->engine->views, x->entry.event_id, &x->view_wait) == STATUS_OK)
            return;
    }
    reply_taken(x);
}

/* A rival was faster: what the refusal taught goes into the next choice. */
static void choose_again(struct hold_exchange *x)
{
    struct view *view = view_any(x->engine->views, x->entry.event_id);

    x->engine->metrics.best_available_lost_total++;
    for (size_t i = 0; view && i < x->call.refused_count; i++)
        view_learn(view, x->call.refused[i], x->call.refused_why[i]);
    x->attempt++;
    choose(x);
}

static void reply_nothing(struct hold_exchange *x)
{
    x->engine->metrics.holds_refused_total++;
    http_reply_problem(x->req, x->nothing, x->nothing_detail);
    hold_exchange_end(x);
}

static void reply_granted(struct hold_exchange *x)
{
    struct engine *e = x->engine;
    struct view *view = view_any(e->views, x->entry.event_id);

    for (size_t i = 0; view && i < x->call.hold.seat_count && x->call.outcome == HOLD_GRANTED; i++)
        view_learn(view, x->call.hold.seats[i], SEAT_HELD);
    if (x->call.outcome == HOLD_GRANTED)
        e->metrics.holds_granted_total++;
    else
        e->metrics.holds_replayed_total++;
    if (x->call.outcome == HOLD_GRANTED)
        engine_changed(e, x->entry.event_id);
    if (e->metrics.hold_us.counts)
        hist_record(&e->metrics.hold_us,
                    (uint64_t)(loop_mono_ns(e->loop) - x->req->started_ns) / 1000);
    http_headerf(x->req, "Location", "/v1/holds/%s", x->call.hold.id);
    hold_reply(x->req, 201, x->entry.event, &x->call.hold, x->call.server_ms);
    hold_exchange_end(x);
}

static void placed_cb(struct hold_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, call);

    if (x->picked_in)
        view_unpick(x->picked_in, x->wish.seats, x->wish.seat_count);
    x->picked_in = NULL;
    if (status != STATUS_OK)
        hold_exchange_fail(x, status);
    else if (call->outcome == HOLD_GRANTED || call->outcome == HOLD_REPLAYED)
        reply_granted(x);
    else if (call->outcome == HOLD_SEATS_TAKEN && x->wish.kind == HOLD_BEST_AVAILABLE)
        choose_again(x);
    else if (call->outcome == HOLD_SEATS_TAKEN)
        seats_taken(x);
    else if (call->outcome == HOLD_EMPTY)
        reply_nothing(x);
    else
        hold_exchange_refuse(x);
}

static void place(struct hold_exchange *x)
{
    struct hold *h = &x->call.hold;
    enum status status;

    hold_exchange_call(x, placed_cb);
    h->seat_count = x->wish.seat_count;
    memcpy(h->seats, x->wish.seats, x->wish.seat_count * sizeof(*h->seats));
    status = seat_store_place(x->engine->seats, &x->call, &x->terms);
    if (status != STATUS_OK)
        placed_cb(&x->call, status);
}

static void choose_in(struct hold_exchange *x, struct view *view)
{
    const struct event *event = x->entry.event;
    const struct best_request request = {
        .quantity = x->wish.quantity,
        .level = x->wish.level[0] ? event_level_find(event, slice_str(x->wish.level)) : -1,
        .section = x->wish.section[0]
                       ? layout_section_find(event->sheet->layout, slice_str(x->wish.section))
                       : -1,
        .accessible = x->wish.accessible,
        .attempt = x->attempt,
    };

    x->engine->metrics.best_available_total++;
    x->wish.seat_count = 0;
    if (x->attempt < CHOICES_MAX &&
        best_available(event->sheet->layout, view, &request, &x->rng, x->wish.seats)) {
        x->wish.seat_count = x->wish.quantity;
        x->picked_in = view;
        view_pick(view, x->wish.seats, x->wish.seat_count);
    }
    place(x);
}

static void view_for_choice_cb(struct view_wait *wait, enum status status, struct view *view)
{
    struct hold_exchange *x = container_of(wait, struct hold_exchange, view_wait);

    if (status == STATUS_OK)
        choose_in(x, view);
    else
        hold_exchange_fail(x, status);
}

static void choose(struct hold_exchange *x)
{
    struct view *view = view_peek(x->engine->views, x->entry.event_id);
    enum status status = STATUS_TIMEOUT;

    if (view) {
        choose_in(x, view);
        return;
    }
    x->view_wait.cb = view_for_choice_cb;
    if (!http_late(x->req))
        status = view_get(x->engine->views, x->entry.event_id, &x->view_wait);
    if (status != STATUS_OK)
        hold_exchange_fail(x, status);
}

/* NULL, or what of the wish this event does not have. */
static const char *unknown_name(struct hold_exchange *x)
{
    const struct event *event = x->entry.event;
    const struct layout *layout = event->sheet->layout;
    const struct hold_wish *w = &x->wish;

    for (size_t i = 0; i < w->seat_count; i++) {
        if (w->seats[i] >= layout->seat_count)
            return "ticketIds names a seat that the event does not have.";
    }
    if (w->level[0] && event_level_find(event, slice_str(w->level)) < 0)
        return "bestAvailable.priceLevel is not one of the event's.";
    if (w->section[0] && layout_section_find(layout, slice_str(w->section)) < 0)
        return "bestAvailable.section is not one of the event's.";
    if (w->kind == HOLD_AREA && !layout_area_find(layout, slice_str(w->area)))
        return "area.id is not one of the event's.";
    return NULL;
}

static void place_in_area(struct hold_exchange *x)
{
    const struct layout_area *area =
        layout_area_find(x->entry.event->sheet->layout, slice_str(x->wish.area));

    x->terms.area_first = area->first;
    x->terms.area_capacity = area->capacity;
    x->terms.area_quantity = x->wish.quantity;
    x->terms.area_hint = area->first + (uint32_t)rng_below(&x->rng, area->capacity);
    place(x);
}

static void post_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    const char *unknown = unknown_name(x);
    char about[64];

    if (unknown) {
        hold_exchange_invalid(x, unknown);
        return;
    }
    hold_exchange_terms(x);
    snprintf(about, sizeof(about), "hold %" PRIu64, entry->event_id);
    hold_wish_fingerprint(&x->wish, about, x->terms.fingerprint);
    hold_id_make(entry->event_id, x->hold_id);
    rng_seed(&x->rng, rng_next(&x->engine->rng));
    x->nothing = PROBLEM_NO_BLOCK;
    if (!entry->event->on_sale) {
        x->nothing = PROBLEM_CONFLICT;
        x->nothing_detail = "This event is not on sale.";
        x->wish.seat_count = 0;
        place(x);
    } else if (x->wish.kind == HOLD_BEST_AVAILABLE) {
        choose(x);
    } else if (x->wish.kind == HOLD_AREA) {
        place_in_area(x);
    } else {
        place(x);
    }
}

static void post_hold(struct http_request *req, void *ctx)
{
    struct engine *e = ctx;
    struct hold_exchange *x;
    struct hold_wish wish;
    struct slice key;
    char why[200];
    uint64_t event_id;
    json_t *body;
    enum status status;

    if (!http_param_id(req, 0, &event_id) || !idempotency_key(req, &key) ||
        !(body = http_body_json(req)))
        return;
    status = hold_wish_read(body, &wish, why, sizeof(why));
    json_decref(body);
    if (status != STATUS_OK) {
        http_reply_problem(req, PROBLEM_INVALID, why);
        return;
    }
    if (!(x = hold_exchange_new(req, e)))
        return;
    x->key = key;
    x->wish = wish;
    entry_begin(&x->entry, e, req, event_id, ENTRY_SHOPPER, post_ready, hold_exchange_refused);
}

/* ---- */

static const struct route routes[] = {
    {HTTP_POST_, "/v1/events/{eventId}/holds", post_hold, ROUTE_NEW_WORK, 0},
};

void hold_api_init(struct engine *e, size_t requests)
{
    pool_init(&e->hold_requests, sizeof(struct hold_exchange), requests);
}

void hold_api_free(struct engine *e)
{
    pool_free(&e->hold_requests);
}

void hold_api_routes(struct router *r, struct engine *e)
{
    router_add(r, routes, array_len(routes), e);
    hold_change_api_routes(r, e);
    session_api_routes(r, e);
}
