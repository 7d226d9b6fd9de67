#include "engine/booking/booking_api.h"

#include "engine/booking/booking_json.h"
#include "engine/booking/booking_request.h"
#include "engine/booking/entry.h"

#include <stdio.h>

/* What the answer needs beside the refund itself. */
struct refund_exchange {
    struct till *till;
    struct http_request *req;
    struct uuid fingerprint;
};

static void reply(struct refund_exchange *x, const struct refund_row *row)
{
    struct json_out w;

    json_begin(&w, x->req->out);
    refund_json(&w, row);
    http_reply(x->req, row->cancel ? 200 : 201, "application/json");
}

static void decided_cb(struct refund *r, enum status status)
{
    struct refund_exchange *x = r->decided_ctx;

    if (status)
        http_reply_failure(x->req, status);
    else if (r->verdict == LEDGER_NONE)
        http_reply_problem(x->req, PROBLEM_NOT_FOUND, NULL);
    else if (r->verdict == LEDGER_NOT_REFUNDABLE)
        http_reply_problem(x->req, PROBLEM_NOT_REFUNDABLE, NULL);
    else if (memcmp(&r->row.fingerprint, &x->fingerprint, sizeof(x->fingerprint)) != 0)
        http_reply_problem(x->req, PROBLEM_IDEMPOTENCY_MISMATCH, NULL);
    else
        reply(x, &r->row);
    mem_free(x);
}

static struct uuid fingerprint_of(const struct refund_row *row)
{
    struct buf b;
    struct uuid u;

    buf_init(&b, 4096);
    buf_append_str(&b, row->cancel ? "cancel" : "refund");
    for (size_t i = 0; i < row->seat_count; i++)
        buf_printf(&b, " %u", row->seats[i]);
    if (row->asked_amount)
        buf_printf(&b, " amount %lld", (long long)row->asked_amount);
    u = idempotency_name(buf_slice(&b), SLICE_LITERAL(""));
    buf_free(&b);
    return u;
}

/* `principal` says whose the key is, in front of the booking's id: buyer and box office may choose
 * the same one. */
static void begin(struct till *t, struct http_request *req, const struct refund_row *asked,
                  const char *principal, struct slice key)
{
    struct refund *r = refund_take(&t->refunds);
    struct refund_exchange *x;
    char id[UUID_TEXT_SIZE], whose[UUID_TEXT_SIZE + 16];

    if (!r) {
        http_reply_problem(req, PROBLEM_OVERLOADED, NULL);
        return;
    }
    uuid_format(&asked->booking_id, id);
    r->row = *asked;
    r->row.refund_id = uuid_v7(loop_wall_ms(t->engine->loop), &t->engine->rng);
    snprintf(whose, sizeof(whose), "%s%s", principal, id);
    r->row.idem = idempotency_name(slice_str(whose), key);
    r->row.fingerprint = fingerprint_of(asked);
    slice_to_str(req->traceparent, r->trace, sizeof(r->trace));
    x = mem_alloc(sizeof(*x));
    *x = (struct refund_exchange){.till = t, .req = req, .fingerprint = r->row.fingerprint};
    r->decided = decided_cb;
    r->decided_ctx = x;
    r->due = req->due;
    refund_begin(r);
}

/* A body is optional. */
static bool read_body(struct http_request *req, struct refund_row *row, bool office)
{
    char why[200];
    json_t *body;
    enum status status;

    if (req->body.len == 0)
        return true;
    body = http_body_json(req);
    if (!body)
        return false;
    status = refund_wish_read(body, row->seats, &row->seat_count,
                              office ? &row->asked_amount : NULL, why, sizeof(why));
    if (!status && row->cancel && row->seat_count) {
        snprintf(why, sizeof(why),
                 "a cancellation returns all tickets; for some of them ask for a refund");
        status = STATUS_INVALID;
    }
    if (status)
        http_reply_problem(req, PROBLEM_INVALID, why);
    json_decref(body);
    return status == STATUS_OK;
}

static void handle(struct till *t, struct http_request *req, bool cancel)
{
    struct refund_row row = {.cancel = cancel};
    struct slice key;

    if (!booking_access(t, req, &row.event_id, &row.booking_id) || !idempotency_key(req, &key) ||
        !read_body(req, &row, false))
        return;
    begin(t, req, &row, "", key);
}

void booking_cancel(struct http_request *req, void *till)
{
    handle(till, req, true);
}

void booking_refund(struct http_request *req, void *till)
{
    handle(till, req, false);
}

/* POST /admin/v1/events/{eventId}/bookings/{bookingId}/refunds */
void office_refund(struct http_request *req, void *till)
{
    struct refund_row row = {.cancel = false};
    struct slice key;

    if (!http_param_id(req, 0, &row.event_id))
        return;
    if (!uuid_parse(req->params[1], &row.booking_id))
        http_reply_problem(req, PROBLEM_NOT_FOUND, NULL);
    else if (idempotency_key(req, &key) && read_body(req, &row, true))
        begin(till, req, &row, "office ", key);
}
