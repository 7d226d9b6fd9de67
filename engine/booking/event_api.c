#include "engine/booking/event_api.h"

#include "engine/base/mem.h"
#include "engine/booking/entry.h"

#include <inttypes.h>
#include <stdio.h>

/* A read that has to wait for the event or the view; what is cached is answered without one. */
struct event_read {
    struct entry entry;
    void (*answer)(struct http_request *req, struct engine *e, struct event *event);
    struct view_wait view_wait;
};

static void read_refused(struct entry *entry)
{
    entry_end(entry);
    mem_free(container_of(entry, struct event_read, entry));
}

static void read_ready(struct entry *entry)
{
    struct event_read *r = container_of(entry, struct event_read, entry);

    r->answer(entry->req, entry->engine, entry->event);
    read_refused(entry);
}

static void read_event(struct http_request *req, struct engine *e,
                       void (*answer)(struct http_request *, struct engine *, struct event *))
{
    struct event_read *r;
    struct event *event;
    uint64_t id;

    if (!http_param_id(req, 0, &id))
        return;
    event = event_peek(e->events, id);
    if (event) {
        answer(req, e, event);
        return;
    }
    r = mem_alloc(sizeof(*r));
    r->answer = answer;
    entry_begin(&r->entry, e, req, id, ENTRY_OPEN, read_ready, read_refused);
}

/* Whether If-None-Match names the tag (RFC 9110 section 13.1.2, weak comparison). */
static bool none_match(struct http_request *req, const char *etag)
{
    struct slice list = http_header_get(req, "if-none-match");

    while (list.at) {
        struct slice tag = slice_trim(slice_cut(&list, ','));

        if (slice_starts_with(tag, SLICE_LITERAL("W/")))
            tag = slice_of(tag.at + 2, tag.len - 2);
        if (slice_is(tag, etag) || slice_is(tag, "*"))
            return true;
    }
    return false;
}

/* ---- GET /v1/events/{eventId} ---- */

static const char *sale_state(struct engine *e, const struct event *event)
{
    const struct view *view = view_any(e->views, event->id);

    if (!event->on_sale)
        return "closed";
    return view && view->rev && view->counts[SEAT_FREE] + view->counts[SEAT_HELD] == 0 ? "sold_out"
                                                                                       : "on_sale";
}

static void write_levels(struct json_out *w, const struct event *event)
{
    json_key(w, "priceLevels");
    json_array_begin(w);
    for (size_t i = 0; i < event->level_count; i++) {
        json_object_begin(w);
        json_put_str(w, "id", slice_str(event->levels[i].id));
        json_put_str(w, "name", slice_str(event->levels[i].name));
        json_put_int(w, "amount", event->levels[i].amount);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_url(struct json_out *w, const char *key, const char *collection, uint64_t id,
                      const char *rest)
{
    char url[160];

    json_put_str(w, key,
                 slice_of(url, (size_t)snprintf(url, sizeof(url), "/v1/%s/%" PRIu64 "%s",
                                                collection, id, rest)));
}

static void write_event(struct json_out *w, struct engine *e, const struct event *event)
{
    char layout[LAYOUT_HASH_SIZE + 16];

    json_object_begin(w);
    json_put_id(w, "eventId", event->id);
    json_put_str(w, "name", slice_str(event->name));
    json_put_str(w, "type", slice_str(event->type));
    json_put_time(w, "startsAt", event->starts_ms);
    json_put_str(w, "currency", slice_str(event->currency));
    json_key(w, "venue");
    json_raw(w, slice_str(event->venue));
    json_key(w, "performers");
    json_raw(w, slice_str(event->performers));
    write_levels(w, event);
    json_key(w, "sale");
    json_object_begin(w);
    json_put_str(w, "state", slice_str(sale_state(e, event)));
    json_put_bool(w, "charge", event->charge);
    json_object_end(w);
    json_put_bool(w, "queue", event->has_queue);
    json_key(w, "limits");
    json_object_begin(w);
    json_put_int(w, "maxSeats", event->max_seats);
    json_put_int(w, "maxHolds", event->max_holds);
    json_put_int(w, "holdSeconds", event->hold_ms / 1000);
    json_object_end(w);
    json_put_int(w, "seatCount", event->sheet->layout->seat_count);
    snprintf(layout, sizeof(layout), "/layout?hash=%s", event->sheet->hash);
    write_url(w, "layoutUrl", "events", event->id, layout);
    write_url(w, "availabilityUrl", "events", event->id, "/availability");
    write_url(w, "seatmapUrl", "seatmaps", event->id, "");
    json_object_end(w);
}

static void answer_event(struct http_request *req, struct engine *e, struct event *event)
{
    struct json_out w;

    json_begin(&w, req->out);
    write_event(&w, e, event);
    http_header(req, "Cache-Control", "public, max-age=2");
    http_reply(req, 200, "application/json");
}

static void get_event(struct http_request *req, void *ctx)
{
    read_event(req, ctx, answer_event);
}

/* ---- GET .../layout ---- */

/* Accept-Encoding names gzip without q=0. */
static bool takes_gzip(struct http_request *req)
{
    struct slice list = http_header_get(req, "accept-encoding");

    while (list.at) {
        struct slice item = slice_cut(&list, ',');
        struct slice coding = slice_trim(slice_cut(&item, ';'));

        if (slice_eq_nocase(coding, SLICE_LITERAL("gzip"))) {
            item = item.at ? slice_trim(item) : SLICE_NONE;
            return !slice_is(item, "q=0") && !slice_is(item, "q=0.0") &&
                   !slice_is(item, "q=0.00") && !slice_is(item, "q=0.000");
        }
    }
    return false;
}

static void release_sheet(void *arg)
{
    sheet_unref(arg);
}

/* The address that names a hash is kept for good; a layout that was replaced has another address.
 * Where the hash is not this layout's, one of us is behind: such an answer must not be kept. */
static void answer_layout(struct http_request *req, struct engine *e, struct event *event)
{
    struct sheet *sheet = event->sheet;
    struct slice named = http_query_get(req, "hash", NULL);
    bool current = !named.at || slice_is(named, sheet->hash);
    struct slice body = takes_gzip(req) ? sheet_gzip(sheet) : SLICE_NONE;
    char etag[LAYOUT_HASH_SIZE + 8];

    (void)e;
    /* Strong: the two encodings are two representations (RFC 9110 section 8.8.3.3). */
    snprintf(etag, sizeof(etag), "\"%s%s\"", sheet->hash, body.at ? "-gzip" : "");
    http_header(req, "ETag", etag);
    http_header(req, "Cache-Control", current ? "public, max-age=31536000, immutable" : "no-cache");
    http_header(req, "Vary", "Accept-Encoding");
    if (none_match(req, etag)) {
        http_reply_empty(req, 304);
        return;
    }
    if (body.at)
        http_header(req, "Content-Encoding", "gzip");
    else
        body = buf_slice(&sheet->document);
    http_reply_shared(req, 200, "application/json", body, release_sheet, sheet_ref(sheet));
}

static void get_layout(struct http_request *req, void *ctx)
{
    read_event(req, ctx, answer_layout);
}

/* ---- GET .../availability ---- */

/* A qvalue in thousandths (RFC 9110 section 12.4.2). */
static int weight_of(struct slice text)
{
    int value = 0;

    if (text.len == 0 || text.at[0] != '0')
        return 1000;
    for (int i = 2, unit = 100; (size_t)i < text.len && unit > 0; i++, unit /= 10) {
        if (text.at[i] >= '0' && text.at[i] <= '9')
            value += (text.at[i] - '0') * unit;
    }
    return value;
}

/* The quality of a media range that covers `type`, in thousandths; -1 when none does (RFC 9110
 * section 12.5.1). */
static int accepts(struct slice list, const char *type)
{
    static const char *const everything[] = {"*/*", "application/*"};
    int best = list.at ? -1 : 1000;

    while (list.at) {
        struct slice item = slice_cut(&list, ',');
        struct slice range = slice_trim(slice_cut(&item, ';'));
        int quality = 1000;

        while (item.at) {
            struct slice parameter = slice_trim(slice_cut(&item, ';'));

            if (slice_starts_with(parameter, SLICE_LITERAL("q=")))
                quality = weight_of(slice_of(parameter.at + 2, parameter.len - 2));
        }
        if (slice_eq_nocase(range, slice_str(type)))
            return quality == 0 ? -1 : quality;
        for (size_t i = 0; i < array_len(everything); i++) {
            if (slice_is(range, everything[i]) && quality > 0 && quality - 1 > best)
                best = quality - 1; /* what is named comes before what is meant too */
        }
    }
    return best;
}

static void reply_view(struct http_request *req, struct view *view)
{
    struct slice accept = http_header_get(req, "accept");
    int json = accepts(accept, "application/json"),
        frame = accepts(accept, "application/octet-stream");
    struct view_body *body;
    char etag[40];

    if (json < 0 && frame < 0) {
        http_reply_problem(req, PROBLEM_NOT_ACCEPTABLE,
                           "There is application/json and application/octet-stream.");
        return;
    }
    snprintf(etag, sizeof(etag), "\"%" PRIu64 "\"", view->rev);
    http_header(req, "ETag", etag);
    http_header(req, "Cache-Control", "no-cache");
    http_header(req, "Vary", "Accept");
    if (none_match(req, etag)) {
        http_reply_empty(req, 304);
        return;
    }
    body = view_body_ref(frame > json ? view_frame(view) : view_json(view));
    http_reply_shared(req, 200, frame > json ? "application/octet-stream" : "application/json",
                      buf_slice(&body->bytes), view_body_unref, body);
}

static void view_got_cb(struct view_wait *wait, enum status status, struct view *view)
{
    struct event_read *r = container_of(wait, struct event_read, view_wait);

    if (status == STATUS_OK)
        reply_view(r->entry.req, view);
    else
        http_reply_failure(r->entry.req, status);
    read_refused(&r->entry);
}

static void availability_ready(struct entry *entry)
{
    struct event_read *r = container_of(entry, struct event_read, entry);
    enum status status = STATUS_TIMEOUT;

    r->view_wait.cb = view_got_cb;
    if (!http_late(entry->req))
        status = view_get(entry->engine->views, entry->event_id, &r->view_wait);
    if (status != STATUS_OK) {
        http_reply_failure(entry->req, status);
        read_refused(entry);
    }
}

static void get_availability(struct http_request *req, void *ctx)
{
    struct event_read *r;
    uint64_t id;

    if (!http_param_id(req, 0, &id))
        return;
    r = mem_alloc(sizeof(*r));
    entry_begin(&r->entry, ctx, req, id, ENTRY_OPEN, availability_ready, read_refused);
}

static const struct route routes[] = {
    {HTTP_GET_, "/v1/events/{eventId}", get_event, 0, 0},
    {HTTP_GET_, "/v1/events/{eventId}/layout", get_layout, 0, 0},
    {HTTP_GET_, "/v1/events/{eventId}/availability", get_availability, 0, 0},
};

void event_api_routes(struct router *r, struct engine *e)
{
    router_add(r, routes, array_len(routes), e);
}
