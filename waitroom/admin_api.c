/* request -> ledger (PostgreSQL: it is decided) -> line (Redis: it is in effect) -> answer
 *
 * Answered only when it is in effect. When Redis does not take it the answer is 503 and the call
 * may be repeated; what PostgreSQL has comes into effect with the next write to the ledger, or when
 * the line is rebuilt. */
#include "waitroom/admin_api.h"

#include "engine/base/mem.h"
#include "waitroom/queue.h"

#include <stdio.h>

struct admin_call {
    struct waitroom *room;
    struct http_request *req;
    uint64_t event_id;
    struct ledger_call ledger;
    struct line_call line;
    bool reset;
    enum ledger_act act;
};

/* ---- answers ---- */

static void put_time(struct json_out *w, const char *key, int64_t ms)
{
    if (ms > 0)
        json_put_time(w, key, ms);
    else
        json_put_null(w, key);
}

static void answer_queue(struct http_request *req, uint64_t event_id,
                         const struct line_record *record, int64_t now_ms)
{
    const struct line_settings *s = &record->settings;
    struct json_out w;

    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_id(&w, "eventId", event_id);
    json_put_str(&w, "phase", slice_str(line_phase_name(line_phase(s, now_ms))));
    json_put_int(&w, "epoch", record->epoch);
    json_put_int(&w, "ratePerMinute", s->rate_per_minute);
    json_put_int(&w, "maxActive", s->max_active);
    json_put_int(&w, "claimSeconds", s->claim_ms / 1000);
    put_time(&w, "prequeueAt", s->prequeue_ms);
    put_time(&w, "opensAt", s->opens_ms);
    put_time(&w, "closesAt", s->closes_ms);
    json_put_str(&w, "proof", SLICE_LITERAL("off"));
    json_put_null(&w, "beacon");
    json_put_bool(&w, "paused", s->paused);
    json_put_int(&w, "numberHigh", (int64_t)record->number_high);
    json_put_int(&w, "watermark", (int64_t)record->watermark);
    json_object_end(&w);
    http_header(req, "Cache-Control", "no-store");
    http_reply(req, 200, "application/json");
}

static void end_call(struct admin_call *call, enum status status)
{
    struct queue *q = queue_find(call->room, call->event_id);
    const struct line_record *record = &call->ledger.record;

    if (status != STATUS_OK)
        http_reply_failure(call->req, status);
    else
        answer_queue(call->req, call->event_id, record, loop_wall_ms(call->room->loop));
    if (q)
        queue_look_again(q);
    mem_free(call);
}

/* A line that is not there yet is built from PostgreSQL on its first use: nothing to push. */
static void line_cb(struct line_call *line, enum status status)
{
    end_call(container_of(line, struct admin_call, line), status);
}

static void put_into_effect(struct admin_call *call)
{
    enum status status;

    call->line.cb = line_cb;
    if (call->reset)
        status = line_store_forget(call->room->kv, &call->line, call->event_id);
    else
        status = line_store_settings(call->room->kv, &call->line, call->event_id,
                                     &call->ledger.record.settings);
    if (status != STATUS_OK)
        end_call(call, status);
}

static void refuse(struct admin_call *call, enum problem problem, const char *detail)
{
    http_reply_problem(call->req, problem, detail);
    mem_free(call);
}

static void ledger_cb(struct ledger_call *ledger, enum status status)
{
    struct admin_call *call = container_of(ledger, struct admin_call, ledger);

    if (status == STATUS_INVALID)
        refuse(call, PROBLEM_INVALID,
               "prequeueAt, opensAt and closesAt must follow in this order.");
    else if (status == STATUS_OK && ledger->no_event)
        refuse(call, PROBLEM_NOT_FOUND, "There is no such event.");
    else if (status == STATUS_OK && !ledger->found)
        refuse(call, PROBLEM_NOT_FOUND, "There is no such queue.");
    else if (status != STATUS_OK)
        end_call(call, status);
    else
        put_into_effect(call);
}

static struct admin_call *call_new(struct http_request *req, struct waitroom *w)
{
    struct admin_call *call;
    uint64_t event_id;

    if (!http_param_id(req, 0, &event_id))
        return NULL;
    if (event_id == 0 || event_id > INT64_MAX) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, "There is no such event.");
        return NULL;
    }
    call = mem_alloc(sizeof(*call));
    call->room = w;
    call->req = req;
    call->event_id = event_id;
    call->ledger.cb = ledger_cb;
    return call;
}

/* ---- PUT /admin/v1/queues/{eventId} ---- */

struct put_body {
    struct ledger_change change;
    struct slice proof, beacon;
};

/* A time that may be given as null: none. */
static bool read_time(json_t *body, const char *key, bool *ret_given, int64_t *ret_ms)
{
    json_t *value = json_object_get(body, key);

    *ret_given = value != NULL;
    *ret_ms = 0;
    if (!value || json_is_null(value))
        return true;
    return json_is_string(value) &&
           clock_parse(slice_of(json_string_value(value), json_string_length(value)), ret_ms) &&
           *ret_ms > 0;
}

static void read_to(struct json_field *field, int64_t *out, bool *given)
{
    field->out = out;
    field->ret_present = given;
}

static enum status read_put(json_t *body, struct put_body *b, char *why, size_t why_size)
{
    struct ledger_change *c = &b->change;
    int64_t ignored;
    struct json_field fields[] = {
        {.key = "ratePerMinute", .kind = JSON_KIND_INT, .max = 10000000},
        {.key = "maxActive", .kind = JSON_KIND_INT, .max = 10000000},
        {.key = "claimSeconds", .kind = JSON_KIND_INT, .min = 1, .max = 86400},
        {.key = "prequeueAt", .kind = JSON_KIND_TIME, .out = &ignored},
        {.key = "opensAt", .kind = JSON_KIND_TIME, .out = &ignored},
        {.key = "closesAt", .kind = JSON_KIND_TIME, .out = &ignored},
        {.key = "proof", .kind = JSON_KIND_STR, .out = &b->proof, .max = 16},
        {.key = "beacon", .kind = JSON_KIND_STR, .out = &b->beacon, .max = 1024},
    };
    enum status status;

    read_to(&fields[0], &c->rate_per_minute, &c->rate_given);
    read_to(&fields[1], &c->max_active, &c->active_given);
    read_to(&fields[2], &c->claim_seconds, &c->claim_given);
    status = json_read(body, fields, array_len(fields), NULL, why, why_size);
    if (status != STATUS_OK)
        return status;
    if (read_time(body, "prequeueAt", &c->prequeue_given, &c->prequeue_ms) &&
        read_time(body, "opensAt", &c->opens_given, &c->opens_ms) &&
        read_time(body, "closesAt", &c->closes_given, &c->closes_ms))
        return STATUS_OK;
    snprintf(why, why_size, "a time must be after 1970");
    return STATUS_INVALID;
}

/* What this version of the line cannot do is refused, not ignored. */
static const char *unsupported(const struct put_body *b)
{
    if (b->proof.at && !slice_is(b->proof, "off"))
        return "proof: this server asks for no proof of work, only \"off\" is possible.";
    if (b->beacon.at)
        return "beacon: this server gives numbers in the order of arrival, there is no draw.";
    return NULL;
}

enum status queue_change_read(json_t *body, struct ledger_change *ret_change, char *ret_why,
                              size_t why_size)
{
    struct put_body b = {.proof = SLICE_NONE, .beacon = SLICE_NONE};
    enum status status = read_put(body, &b, ret_why, why_size);

    *ret_change = b.change;
    if (status == STATUS_OK && unsupported(&b)) {
        snprintf(ret_why, why_size, "%s", unsupported(&b));
        status = STATUS_INVALID;
    }
    return status;
}

static bool parse_put(struct http_request *req, struct ledger_change *ret_change)
{
    json_t *body = http_body_json(req);
    enum status status;
    char why[200];

    if (!body)
        return false;
    status = queue_change_read(body, ret_change, why, sizeof(why));
    json_decref(body);
    if (status != STATUS_OK)
        http_reply_problem(req, PROBLEM_INVALID, why);
    return status == STATUS_OK;
}

static void put_queue(struct http_request *req, void *ctx)
{
    struct ledger_change change;
    struct admin_call *call;
    enum status status;

    if (!parse_put(req, &change))
        return;
    call = call_new(req, ctx);
    if (!call)
        return;
    status = ledger_put(call->room->db, &call->ledger, call->event_id, &change);
    if (status != STATUS_OK)
        end_call(call, status);
}

/* ---- POST /admin/v1/queues/{eventId}/... ---- */

static void start_act(struct admin_call *call)
{
    enum status status;

    call->ledger.cb = ledger_cb;
    call->reset = call->act == LEDGER_RESET;
    status = ledger_act(call->room->db, &call->ledger, call->event_id, call->act);
    if (status != STATUS_OK)
        end_call(call, status);
}

static void closed_cb(struct ledger_call *ledger, enum status status)
{
    struct admin_call *call = container_of(ledger, struct admin_call, ledger);
    int64_t now_ms = loop_wall_ms(call->room->loop);

    if (status == STATUS_OK && ledger->found &&
        line_phase(&ledger->record.settings, now_ms) == LINE_CLOSED)
        refuse(call, PROBLEM_CONFLICT, "The queue is closed: open it first.");
    else if (status == STATUS_OK && ledger->found)
        start_act(call);
    else
        ledger_cb(ledger, status);
}

static void act(struct http_request *req, struct waitroom *w, enum ledger_act what)
{
    struct admin_call *call = call_new(req, w);
    enum status status;

    if (!call)
        return;
    call->act = what;
    if (what != LEDGER_PAUSE && what != LEDGER_RESUME) {
        start_act(call);
        return;
    }
    call->ledger.cb = closed_cb;
    status = ledger_find(w->db, &call->ledger, call->event_id);
    if (status != STATUS_OK)
        end_call(call, status);
}

static void post_pause(struct http_request *req, void *ctx)
{
    act(req, ctx, LEDGER_PAUSE);
}

static void post_resume(struct http_request *req, void *ctx)
{
    act(req, ctx, LEDGER_RESUME);
}

static void post_open(struct http_request *req, void *ctx)
{
    act(req, ctx, LEDGER_OPEN);
}

static void post_close(struct http_request *req, void *ctx)
{
    act(req, ctx, LEDGER_CLOSE);
}

static void post_reset(struct http_request *req, void *ctx)
{
    act(req, ctx, LEDGER_RESET);
}

static const struct route routes[] = {
    {HTTP_PUT_, "/admin/v1/queues/{eventId}", put_queue, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/queues/{eventId}/pause", post_pause, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/queues/{eventId}/resume", post_resume, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/queues/{eventId}/open", post_open, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/queues/{eventId}/close", post_close, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/admin/v1/queues/{eventId}/reset", post_reset, ROUTE_ADMIN, 0},
};

void admin_api_add(struct router *router, struct waitroom *w)
{
    router_add(router, routes, array_len(routes), w);
}
