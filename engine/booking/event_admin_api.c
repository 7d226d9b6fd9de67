#include "engine/booking/event_admin_api.h"

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/booking/entry.h"
#include "engine/booking/event_store.h"
#include "engine/booking/hold_request.h"
#include "engine/booking/mirror.h"

#include <inttypes.h>
#include <stdio.h>

#define LAYOUT_BODY_MAX (64 * 1024 * 1024) /* 500,000 seats, 130 bytes each */
#define REQUEST_MS      5000

/* One admin call. */
struct admin {
    struct entry entry;
    struct engine *engine;
    struct http_request *req;
    json_t *body; /* owned */
    struct event_form form;
    struct layout *layout; /* owned, of PUT layout */
    struct event_write write;
    struct mirror_wait mirror;
    struct db_request db;
    struct hold_call call;
    bool block;
    uint32_t seats[HOLD_SEATS_MAX];
    size_t seat_count;
};

static struct admin *admin_new(struct http_request *req, struct engine *e)
{
    struct admin *a = mem_alloc(sizeof(*a));

    a->engine = e;
    a->req = req;
    return a;
}

static void admin_end(struct admin *a)
{
    entry_end(&a->entry);
    event_form_free(&a->form);
    layout_free(a->layout);
    json_decref(a->body);
    mem_free(a);
}

static void refused(struct entry *entry)
{
    admin_end(container_of(entry, struct admin, entry));
}

static void fail(struct admin *a, enum status status)
{
    http_reply_failure(a->req, status);
    admin_end(a);
}

static void invalid(struct admin *a, const char *why)
{
    http_reply_problem(a->req, PROBLEM_INVALID, why);
    admin_end(a);
}

/* An admin call whose body is JSON, or NULL when it is answered. */
static struct admin *admin_new_json(struct http_request *req, struct engine *e)
{
    json_t *body = http_body_json(req);
    struct admin *a;

    if (!body)
        return NULL;
    a = admin_new(req, e);
    a->body = body;
    return a;
}

static void reply_event(struct admin *a, int http_status, uint64_t event_id, uint32_t seat_count)
{
    struct json_out w;

    json_begin(&w, a->req->out);
    json_object_begin(&w);
    json_put_id(&w, "eventId", event_id);
    json_put_int(&w, "seatCount", seat_count);
    json_object_end(&w);
    http_reply(a->req, http_status, "application/json");
    admin_end(a);
}

/* ---- POST /admin/v1/events ---- */

/* The event stands, whatever becomes of its mirror: the first hold would build it, too. */
static void created_mirrored_cb(struct mirror_wait *wait, enum status status)
{
    struct admin *a = container_of(wait, struct admin, mirror);

    (void)status;
    http_headerf(a->req, "Location", "/v1/events/%" PRIu64, a->write.event_id);
    reply_event(a, 201, a->write.event_id, a->form.layout->seat_count);
}

static void created_cb(struct event_write *write, enum status status)
{
    struct admin *a = container_of(write, struct admin, write);

    if (status != STATUS_OK) {
        log_warn("event", "not created", log_status(status),
                 log_str("why", write->request.error.message));
        fail(a, status);
        return;
    }
    log_info("event", "created", log_u64("event", write->event_id),
             log_u64("seats", a->form.layout->seat_count));
    a->mirror.cb = created_mirrored_cb;
    status = mirror_repair(seat_store_mirror(a->engine->seats), write->event_id, false, &a->mirror);
    if (status != STATUS_OK)
        created_mirrored_cb(&a->mirror, status);
}

static void post_event(struct http_request *req, void *ctx)
{
    struct admin *a = admin_new_json(req, ctx);
    char why[300];
    enum status status;

    if (!a)
        return;
    if (event_form_read(a->body, &a->form, why, sizeof(why)) != STATUS_OK) {
        invalid(a, why);
        return;
    }
    a->write.cb = created_cb;
    a->write.form = &a->form;
    status = event_create(a->engine->db, &a->write);
    if (status != STATUS_OK)
        fail(a, status);
}

/* ---- PUT /admin/v1/events/{eventId}/layout ---- */

static void layout_mirrored_cb(struct mirror_wait *wait, enum status status)
{
    struct admin *a = container_of(wait, struct admin, mirror);

    if (status == STATUS_OK)
        reply_event(a, 200, a->write.event_id, a->layout->seat_count);
    else
        fail(a, status);
}

static void replaced_cb(struct event_write *write, enum status status)
{
    struct admin *a = container_of(write, struct admin, write);

    if (status == STATUS_CONFLICT) {
        http_reply_problem(a->req, PROBLEM_CONFLICT, "Something of this layout is sold already.");
        admin_end(a);
        return;
    }
    event_forget(a->engine->events, write->event_id);
    view_forget(a->engine->views, write->event_id);
    a->mirror.cb = layout_mirrored_cb;
    if (status == STATUS_OK)
        status =
            mirror_repair(seat_store_mirror(a->engine->seats), write->event_id, true, &a->mirror);
    if (status != STATUS_OK)
        fail(a, status);
}

static void layout_ready(struct entry *entry)
{
    struct admin *a = container_of(entry, struct admin, entry);
    struct layout_levels levels;
    json_t *arena = json_object_get(a->body, "arena");
    char why[300];
    enum status status;

    event_levels(entry->event, &levels);
    if (arena && (!json_is_object(arena) || json_object_size(a->body) != 1)) {
        invalid(a, "arena must be an object and stand alone");
        return;
    }
    if (layout_form_read(arena ? NULL : a->body, arena, &levels, &a->layout, why, sizeof(why)) !=
        STATUS_OK) {
        invalid(a, why);
        return;
    }
    a->write.cb = replaced_cb;
    a->write.event_id = entry->event_id;
    status = event_replace_layout(a->engine->db, &a->write, a->layout, &levels);
    if (status != STATUS_OK)
        fail(a, status);
}

static void put_layout(struct http_request *req, void *ctx)
{
    struct admin *a;
    uint64_t id;

    if (http_param_id(req, 0, &id) && (a = admin_new_json(req, ctx)))
        entry_begin(&a->entry, ctx, req, id, ENTRY_OPEN, layout_ready, refused);
}

/* ---- POST .../seats/block and /unblock: PostgreSQL first, then Redis; the outbox row does the
 * second if we do not live to ---- */

static const struct db_statement block_seats = {
    .name = "event_block_seats",
    .text =
        "SELECT seat, status, version FROM event_block_seats($1::bigint, $2::int[], $3::boolean)",
    .params = 3,
};

static void reply_blocked(struct admin *a)
{
    struct json_out w;

    json_begin(&w, a->req->out);
    json_object_begin(&w);
    json_put_id(&w, "eventId", a->entry.event_id);
    json_key(&w, "changed");
    json_array_begin(&w);
    for (size_t i = 0; i < a->call.hold.seat_count; i++) {
        char id[16];

        json_str(&w, slice_of(id, (size_t)snprintf(id, sizeof(id), "%u", a->call.hold.seats[i])));
    }
    json_array_end(&w);
    json_object_end(&w);
    http_reply(a->req, 200, "application/json");
    admin_end(a);
}

/* PostgreSQL has it; if Redis could not be told now, the relay tells it from the outbox row. */
static void marked_cb(struct hold_call *call, enum status status)
{
    struct admin *a = container_of(call, struct admin, call);

    if (status != STATUS_OK)
        log_warn("event", "blocked seats are not marked yet", log_u64("event", call->hold.event_id),
                 log_status(status));
    engine_changed(a->engine, call->hold.event_id);
    reply_blocked(a);
}

static bool reply_if_sold(struct admin *a, const struct db_result *r)
{
    struct json_out w;
    bool sold = false;

    for (size_t i = 0; i < r->rows; i++)
        sold = sold || db_i64(r, i, 1) == SEAT_SOLD;
    if (!sold)
        return false;
    w = http_problem_begin(a->req, PROBLEM_SEAT_UNAVAILABLE, "Nothing was changed.");
    json_key(&w, "unavailable");
    json_array_begin(&w);
    for (size_t i = 0; i < r->rows; i++) {
        if (db_i64(r, i, 1) != SEAT_SOLD)
            continue;
        json_object_begin(&w);
        json_put_id(&w, "id", (uint64_t)db_i64(r, i, 0));
        json_put_str(&w, "reason", SLICE_LITERAL("sold"));
        json_object_end(&w);
    }
    json_array_end(&w);
    http_problem_end(a->req, &w, PROBLEM_SEAT_UNAVAILABLE);
    admin_end(a);
    return true;
}

static void blocked_cb(struct db_request *request, enum status status, const struct db_result *r)
{
    struct admin *a = container_of(request, struct admin, db);
    struct hold *h = &a->call.hold;

    if (status != STATUS_OK) {
        fail(a, status);
        return;
    }
    if (reply_if_sold(a, r))
        return;
    for (size_t i = 0; i < r->rows; i++) {
        if (db_null(r, i, 2))
            continue;
        h->seats[h->seat_count] = (uint32_t)db_i64(r, i, 0);
        h->versions[h->seat_count++] = (uint32_t)db_i64(r, i, 2);
    }
    a->call.cb = marked_cb;
    h->event_id = a->entry.event_id;
    if (h->seat_count == 0)
        reply_blocked(a);
    else if ((status = seat_store_set(a->engine->seats, &a->call,
                                      a->block ? SEAT_BLOCKED : SEAT_FREE, "block")) != STATUS_OK)
        marked_cb(&a->call, status);
}

static void block_ready(struct entry *entry)
{
    struct admin *a = container_of(entry, struct admin, entry);
    struct buf seats;
    char id[24];
    enum status status;

    buf_init(&seats, 4096);
    db_array_begin(&seats);
    for (size_t i = 0; i < a->seat_count; i++) {
        if (a->seats[i] >= entry->event->sheet->layout->seat_count) {
            buf_free(&seats);
            invalid(a, "ticketIds names a seat that the event does not have.");
            return;
        }
        db_array_i64(&seats, a->seats[i]);
    }
    db_array_end(&seats);

    struct slice params[] = {
        slice_of(id, (size_t)snprintf(id, sizeof(id), "%" PRIu64, entry->event_id)),
        buf_slice(&seats), slice_str(a->block ? "t" : "f")};

    a->db.cb = blocked_cb;
    status = db_query(a->engine->db, &a->db, &block_seats, params, REQUEST_MS);
    buf_free(&seats);
    if (status != STATUS_OK)
        fail(a, status);
}

static void change_block(struct http_request *req, struct engine *e, bool block)
{
    struct admin *a;
    char why[200];
    uint64_t id;

    if (!http_param_id(req, 0, &id) || !(a = admin_new_json(req, e)))
        return;
    a->block = block;
    if (seat_list_read(a->body, a->seats, &a->seat_count, why, sizeof(why)) != STATUS_OK) {
        invalid(a, why);
        return;
    }
    entry_begin(&a->entry, e, req, id, ENTRY_OPEN, block_ready, refused);
}

static void post_block(struct http_request *req, void *ctx)
{
    change_block(req, ctx, true);
}

static void post_unblock(struct http_request *req, void *ctx)
{
    change_block(req, ctx, false);
}

/* ---- GET .../report ---- */

static const struct db_statement report = {
    .name = "event_report",
    .text = "SELECT json_build_object('eventId', e.event_id::text, 'currency', e.currency, "
            "'capacity', e.seat_count,"
            " 'seats', (SELECT json_build_object('free', count(*) FILTER (WHERE status = 0), "
            "'sold', count(*) FILTER (WHERE status = 2),"
            " 'blocked', count(*) FILTER (WHERE status = 3)) FROM event_seat s WHERE s.event_id = "
            "e.event_id),"
            " 'bookings', (SELECT coalesce(json_object_agg(state, n), '{}') FROM (SELECT state, "
            "count(*) AS n FROM booking b WHERE b.event_id = e.event_id GROUP BY state) x),"
            " 'tickets', (SELECT json_build_object('live', count(*), 'price', coalesce(sum(price), "
            "0)) FROM ticket t WHERE t.event_id = e.event_id AND t.live),"
            " 'money', (SELECT json_build_object('captured', coalesce(sum(captured), 0), "
            "'refunded', coalesce(sum(refunded), 0)) FROM payment p"
            " WHERE p.event_id = e.event_id))::text FROM event e WHERE e.event_id = $1::bigint",
    .params = 1,
    .read_only = true,
};

static void report_cb(struct db_request *request, enum status status, const struct db_result *r)
{
    struct admin *a = container_of(request, struct admin, db);

    if (status == STATUS_OK && r->rows == 0)
        status = STATUS_NOT_FOUND;
    if (status != STATUS_OK) {
        fail(a, status);
        return;
    }
    buf_append_slice(a->req->out, db_value(r, 0, 0));
    http_reply(a->req, 200, "application/json");
    admin_end(a);
}

static void report_ready(struct entry *entry)
{
    struct admin *a = container_of(entry, struct admin, entry);
    char id[24];
    struct slice param =
        slice_of(id, (size_t)snprintf(id, sizeof(id), "%" PRIu64, entry->event_id));
    enum status status;

    a->db.cb = report_cb;
    status = db_query(a->engine->db, &a->db, &report, &param, REQUEST_MS);
    if (status != STATUS_OK)
        fail(a, status);
}

static void get_report(struct http_request *req, void *ctx)
{
    uint64_t id;

    if (http_param_id(req, 0, &id))
        entry_begin(&admin_new(req, ctx)->entry, ctx, req, id, ENTRY_OPEN, report_ready, refused);
}

/* ---- POST .../rebuild ---- */

static void rebuilt_cb(struct mirror_wait *wait, enum status status)
{
    struct admin *a = container_of(wait, struct admin, mirror);

    view_forget(a->engine->views, a->entry.event_id);
    if (status == STATUS_OK)
        reply_event(a, 200, a->entry.event_id, a->entry.event->sheet->layout->seat_count);
    else
        fail(a, status);
}

static void rebuild_ready(struct entry *entry)
{
    struct admin *a = container_of(entry, struct admin, entry);
    enum status status;

    a->mirror.cb = rebuilt_cb;
    status = mirror_repair(seat_store_mirror(a->engine->seats), entry->event_id, true, &a->mirror);
    if (status != STATUS_OK)
        fail(a, status);
}

static void post_rebuild(struct http_request *req, void *ctx)
{
    uint64_t id;

    if (http_param_id(req, 0, &id))
        entry_begin(&admin_new(req, ctx)->entry, ctx, req, id, ENTRY_OPEN, rebuild_ready, refused);
}

/* ---- */

static const struct route routes[] = {
    {HTTP_POST_, "/admin/v1/events", post_event, ROUTE_ADMIN, LAYOUT_BODY_MAX},
    {HTTP_PUT_, "/admin/v1/events/{eventId}/layout", put_layout, ROUTE_ADMIN, LAYOUT_BODY_MAX},
    {HTTP_POST_, "/admin/v1/events/{eventId}/seats/block", post_block, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/events/{eventId}/seats/unblock", post_unblock, ROUTE_ADMIN, 0},
    {HTTP_GET_, "/admin/v1/events/{eventId}/report", get_report, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/events/{eventId}/rebuild", post_rebuild, ROUTE_ADMIN, 0},
};

void event_admin_api_routes(struct router *ops, struct engine *e)
{
    router_add(ops, routes, array_len(routes), e);
}
