/* GET and DELETE /v1/events/{eventId}/session. */
#include "engine/booking/hold_api.h"

#include "engine/base/mem.h"
#include "engine/booking/hold_exchange.h"
#include "engine/booking/hold_json.h"

static void session_failed(struct hold_exchange *x, enum status status)
{
    if (status != STATUS_OK)
        http_reply_failure(x->req, status);
    else
        http_reply_problem(
            x->req, x->session.outcome == HOLD_PAYING ? PROBLEM_CONFLICT : PROBLEM_PASS_SPENT,
            x->session.outcome == HOLD_PAYING ? "A payment of this session is under way." : NULL);
    hold_exchange_end(x);
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
    hold_exchange_end(x);
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
    hold_exchange_end(x);
}

static void session_ready(struct entry *entry)
{
    struct hold_exchange *x = container_of(entry, struct hold_exchange, entry);
    bool end = x->req->method == HTTP_DELETE_;
    enum status status;

    if (!entry->event->has_queue) {
        http_reply_problem(x->req, PROBLEM_NOT_FOUND,
                           "This event has no queue, so it has no sessions.");
        hold_exchange_end(x);
        return;
    }
    x->session.event_id = entry->event_id;
    memcpy(x->session.session, entry->session, sizeof(x->session.session));
    x->session.expires_ms = entry->session_expires_ms;
    x->session.call.trace = x->req->traceparent;
    x->session.call.due = x->req->due;
    x->session.cb = end ? session_ended_cb : session_cb;
    status = end ? session_end(x->engine->seats, &x->session)
                 : session_read(x->engine->seats, &x->session);
    if (status != STATUS_OK)
        hold_exchange_fail(x, status);
}

static void any_session(struct http_request *req, void *ctx)
{
    struct hold_exchange *x;
    uint64_t event_id;

    if (http_param_id(req, 0, &event_id) && (x = hold_exchange_new(req, ctx)))
        entry_begin(&x->entry, ctx, req, event_id, ENTRY_SHOPPER, session_ready,
                    hold_exchange_refused);
}

static const struct route routes[] = {
    {HTTP_GET_, "/v1/events/{eventId}/session", any_session, 0, 0},
    {HTTP_DELETE_, "/v1/events/{eventId}/session", any_session, 0, 0},
};

void session_api_routes(struct router *r, struct engine *e)
{
    router_add(r, routes, array_len(routes), e);
}
