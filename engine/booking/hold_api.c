#include "engine/booking/hold_api.h"

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/booking/best_available.h"
#include "engine/booking/entry.h"
#include "engine/booking/hold_json.h"
#include "engine/booking/hold_request.h"

#include <inttypes.h>
#include <stdio.h>

/*   POST holds: parse -> entry (event, pass) -> check names -> choose -> place -> answer
 *                                                 ^  \-- wait for the view    |
 *                                                 \------- a rival was faster-/     (best
 * available, CHOICES_MAX times)
 *
 *   A replay is found by the script, first of all: so even a request for which nothing can be
 * chosen any more asks it. */

#define CHOICES_MAX 8

struct hold_exchange {
    struct entry entry;
    struct engine *engine;
    struct http_request *req;
    struct hold_call call;
    struct hold_terms terms;
    struct slice key;
    char hold_id[HOLD_ID_SIZE];
    enum problem nothing; /* what it means when nothing was chosen and nothing is replayed */
    const char *nothing_detail;
    struct view_wait view_wait;
    struct view *picked_in; /* the view that has our seats marked as chosen, NULL: none */
    struct rng rng;
    unsigned attempt;
    union {
        struct hold_wish wish;
        struct hold_change_wish change;
    };
    struct session_call session;
};

static struct hold_exchange *exchange_new(struct http_request *req, struct engine *e)
{
    struct hold_exchange *x = pool_take(&e->hold_requests);

    if (!x) {
        http_reply_problem(req, PROBLEM_OVERLOADED, NULL);
        return NULL;
    }
    memset(x, 0, sizeof(*x));
    x->engine = e;
    x->req = req;
    e->metrics.hold_requests++;
    return x;
}

/* The last thing of every exchange: the request was answered. */
static void exchange_end(struct hold_exchange *x)
{
    struct engine *e = x->engine;

    entry_end(&x->entry);
    e->metrics.hold_requests--;
    pool_give(&e->hold_requests, x);
}

static void refused(struct entry *entry)
{
    exchange_end(container_of(entry, struct hold_exchange, entry));
}

static void fail(struct hold_exchange *x, enum status status)
{
    http_reply_failure(x->req, status);
    exchange_end(x);
}

static void invalid(struct hold_exchange *x, const char *why)
{
    http_reply_problem(x->req, PROBLEM_INVALID, why);
    exchange_end(x);
}

static void refuse_outcome(struct hold_exchange *x)
{
    if (x->call.outcome == HOLD_LIMIT)
        x->engine->metrics.holds_limited_total++;
    hold_reply_refusal(x->req, &x->call);
    exchange_end(x);
}

static void prepare_call(struct hold_exchange *x, hold_call_cb cb)
{
    struct hold *h = &x->call.hold;

    x->call.cb = cb;
    x->call.trace = x->req->traceparent;
    h->event_id = x->entry.event_id;
    memcpy(h->session, x->entry.session, sizeof(h->session));
    memcpy(h->customer, x->entry.customer, sizeof(h->customer));
    memcpy(h->id, x->hold_id, sizeof(h->id));
}

static void prepare_terms(struct hold_exchange *x)
{
    const struct event *event = x->entry.event;

    x->terms.ttl_ms = event->hold_ms;
    x->terms.cap_ms = event->cap_ms;
    x->terms.max_seats = event->max_seats;
    x->terms.max_holds = event->max_holds;
    x->terms.session_expires_ms = x->entry.session_expires_ms;
    entry_key(&x->entry, x->key, x->terms.key);
}

/* ---- POST /v1/events/{eventId}/holds ---- */

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
    exchange_end(x);
}

static void view_for_alternative_cb(struct view_wait *wait, enum status status, struct view *view)
{
    (void)status;
    (void)view;
    reply_taken(container_of(wait, struct hold_exchange, view_wait));
}

static void seats_taken(struct hold_exchange *x)
{
    if (!view_any(x->engine->views, x->entry.event_id)) {
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
    exchange_end(x);
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
    exchange_end(x);
}

static void placed_cb(struct hold_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, call);

    if (x->picked_in)
        view_unpick(x->picked_in, x->wish.seats, x->wish.seat_count);
    x->picked_in = NULL;
    if (status != STATUS_OK)
        fail(x, status);
    else if (call->outcome == HOLD_GRANTED || call->outcome == HOLD_REPLAYED)
        reply_granted(x);
    else if (call->outcome == HOLD_SEATS_TAKEN && x->wish.kind == HOLD_BEST_AVAILABLE)
        choose_again(x);
    else if (call->outcome == HOLD_SEATS_TAKEN)
        seats_taken(x);
    else if (call->outcome == HOLD_EMPTY)
        reply_nothing(x);
    else
        refuse_outcome(x);
}

static void place(struct hold_exchange *x)
{
    struct hold *h = &x->call.hold;
    enum status status;

    prepare_call(x, placed_cb);
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
        fail(x, status);
}

static void choose(struct hold_exchange *x)
{
    struct view *view = view_peek(x->engine->views, x->entry.event_id);
    enum status status;

    if (view) {
        choose_in(x, view);
        return;
    }
    x->view_wait.cb = view_for_choice_cb;
    status = view_get(x->engine->views, x->entry.event_id, &x->view_wait);
    if (status != STATUS_OK)
        fail(x, status);
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
        invalid(x, unknown);
        return;
    }
    prepare_terms(x);
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
    if (!(x = exchange_new(req, e)))
        return;
    x->key = key;
    x->wish = wish;
    entry_begin(&x->entry, e, req, event_id, ENTRY_SHOPPER, post_ready, refused);
}

/* ---- /v1/holds/{holdId} ---- */

/* The exchange of a call about a hold, or NULL when it is answered: an id that is none names no
 * hold. */
static struct hold_exchange *hold_exchange_new(struct http_request *req, struct engine *e,
                                               uint64_t *ret_event_id)
{
    struct hold_exchange *x;

    if (!hold_id_event(req->params[0], ret_event_id)) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, "There is no such hold.");
        return NULL;
    }
    x = exchange_new(req, e);
    if (x)
        (void)!slice_to_str(req->params[0], x->hold_id, sizeof(x->hold_id));
    return x;
}

static void got_cb(struct hold_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, call);

    if (status != STATUS_OK) {
        fail(x, status);
    } else if (call->outcome == HOLD_GRANTED || call->outcome == HOLD_REPLAYED) {
        if (x->req->method == HTTP_PATCH_)
            engine_changed(x->engine, x->entry.event_id);
        hold_reply(x->req, 200, x->entry.event, &call->hold, call->server_ms);
        exchange_end(x);
    } else if (call->outcome == HOLD_SEATS_TAKEN) {
        x->engine->metrics.holds_refused_total++;
        hold_reply_taken(x->req, call, NULL, 0);
        exchange_end(x);
    } else {
        refuse_outcome(x);
    }
}

static void get_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    enum status status;

    prepare_call(x, got_cb);
    status = seat_store_get(x->engine->seats, &x->call);
    if (status != STATUS_OK)
        fail(x, status);
}

static void get_hold(struct http_request *req, void *ctx)
{
    uint64_t event_id;
    struct hold_exchange *x = hold_exchange_new(req, ctx, &event_id);

    if (x)
        entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, get_ready, refused);
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
        invalid(x, "A seat is named that the event does not have.");
        return;
    }
    prepare_terms(x);
    prepare_call(x, got_cb);
    snprintf(about, sizeof(about), "change %s", x->hold_id);
    hold_change_fingerprint(w, about, x->terms.fingerprint);
    if (w->extend_seconds)
        status = seat_store_extend(x->engine->seats, &x->call, &x->terms, w->extend_seconds * 1000);
    else
        status = seat_store_swap(x->engine->seats, &x->call, &x->terms, w->add, w->add_count,
                                 w->remove, w->remove_count);
    if (status != STATUS_OK)
        fail(x, status);
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
    x = hold_exchange_new(req, ctx, &event_id);
    if (!x)
        return;
    x->key = key;
    x->change = change;
    entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, patch_ready, refused);
}

static void released_cb(struct hold_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, call);

    if (status != STATUS_OK) {
        fail(x, status);
    } else if (call->outcome == HOLD_GRANTED) {
        x->engine->metrics.holds_released_total++;
        engine_changed(x->engine, x->entry.event_id);
        http_reply_empty(x->req, 204);
        exchange_end(x);
    } else {
        refuse_outcome(x);
    }
}

static void delete_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    enum status status;

    prepare_call(x, released_cb);
    status = seat_store_release(x->engine->seats, &x->call);
    if (status != STATUS_OK)
        fail(x, status);
}

/* Needs no Idempotency-Key: deleting twice is deleting. */
static void delete_hold(struct http_request *req, void *ctx)
{
    uint64_t event_id;
    struct hold_exchange *x = hold_exchange_new(req, ctx, &event_id);

    if (x)
        entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, delete_ready, refused);
}

/* ---- /v1/events/{eventId}/session ---- */

static void session_failed(struct hold_exchange *x, enum status status)
{
    if (status != STATUS_OK)
        http_reply_failure(x->req, status);
    else
        http_reply_problem(
            x->req, x->session.outcome == HOLD_PAYING ? PROBLEM_CONFLICT : PROBLEM_PASS_SPENT,
            x->session.outcome == HOLD_PAYING ? "A payment of this session is under way." : NULL);
    exchange_end(x);
}

static void session_cb(struct session_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, session);
    struct json_out w;

    if (status != STATUS_OK || call->outcome != HOLD_GRANTED) {
        session_failed(x, status);
        return;
    }
    json_begin(&w, x->req->out);
    json_object_begin(&w);
    json_put_time(&w, "expiresAt", x->entry.session_expires_ms);
    json_put_time(&w, "serverNow", call->server_ms);
    json_key(&w, "holds");
    json_array_begin(&w);
    for (size_t i = 0; i < call->hold_count; i++)
        hold_write(&w, x->entry.event, &call->holds[i], call->server_ms);
    json_array_end(&w);
    json_key(&w, "limits");
    json_object_begin(&w);
    json_put_int(&w, "maxSeats", x->entry.event->max_seats);
    json_put_int(&w, "maxHolds", x->entry.event->max_holds);
    json_object_end(&w);
    json_object_end(&w);
    http_header(x->req, "Cache-Control", "no-store");
    http_reply(x->req, 200, "application/json");
    exchange_end(x);
}

static void session_ended_cb(struct session_call *call, enum status status)
{
    struct hold_exchange *x = container_of(call, struct hold_exchange, session);

    if (status != STATUS_OK || call->outcome != HOLD_GRANTED) {
        session_failed(x, status);
        return;
    }
    engine_changed(x->engine, x->entry.event_id);
    http_reply_empty(x->req, 204);
    exchange_end(x);
}

static void session_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    bool end = x->req->method == HTTP_DELETE_;
    enum status status;

    if (!entry->event->has_queue) {
        http_reply_problem(x->req, PROBLEM_NOT_FOUND,
                           "This event has no queue, so it has no sessions.");
        exchange_end(x);
        return;
    }
    x->session.event_id = entry->event_id;
    memcpy(x->session.session, entry->session, sizeof(x->session.session));
    x->session.expires_ms = entry->session_expires_ms;
    x->session.call.trace = x->req->traceparent;
    x->session.cb = end ? session_ended_cb : session_cb;
    status = end ? session_end(x->engine->seats, &x->session)
                 : session_read(x->engine->seats, &x->session);
    if (status != STATUS_OK)
        fail(x, status);
}

static void any_session(struct http_request *req, void *ctx)
{
    struct hold_exchange *x;
    uint64_t event_id;

    if (http_param_id(req, 0, &event_id) && (x = exchange_new(req, ctx)))
        entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, session_ready, refused);
}

/* ---- */

static const struct route routes[] = {
    {HTTP_POST_, "/v1/events/{eventId}/holds", post_hold, 0, 0},
    {HTTP_GET_, "/v1/events/{eventId}/session", any_session, 0, 0},
    {HTTP_DELETE_, "/v1/events/{eventId}/session", any_session, 0, 0},
    {HTTP_GET_, "/v1/holds/{holdId}", get_hold, 0, 0},
    {HTTP_PATCH_, "/v1/holds/{holdId}", patch_hold, 0, 0},
    {HTTP_DELETE_, "/v1/holds/{holdId}", delete_hold, 0, 0},
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
}
