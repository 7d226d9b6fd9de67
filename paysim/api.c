#include "paysim/api.h"

#include "engine/net/loop.h"
#include "paysim/script.h"

#define PEND_SHORT_MS 200
#define PAGE_MAX      500
#define AMOUNT_MAX    INT64_C(1000000000000)

/* ---- answers ---- */

/* An answer that comes later; the charge is read when it is written. */
struct later {
    struct timer timer;
    struct http_request *req;
    const struct charge *charge;
};

static int charge_http(const struct charge *c)
{
    return c->state == CHARGE_PENDING ? 202 : c->state == CHARGE_DECLINED ? 402 : 200;
}

static void reply_charge(struct http_request *req, const struct charge *c)
{
    struct json_out w;

    json_begin(&w, req->out);
    charge_write(&w, c);
    http_reply(req, charge_http(c), "application/json");
}

static void later_closed(struct timer *t)
{
    mem_free(container_of(t, struct later, timer));
}

static void later_cb(struct timer *t)
{
    struct later *l = container_of(t, struct later, timer);

    reply_charge(l->req, l->charge);
    timer_close(t, later_closed);
}

static void reply_after(struct sim *s, struct http_request *req, const struct charge *c,
                        enum script_delay delay)
{
    struct later *l;

    if (delay == SCRIPT_AT_ONCE) {
        reply_charge(req, c);
        return;
    }
    l = mem_alloc(sizeof(*l));
    l->req = req;
    l->charge = c;
    timer_init(s->loop, &l->timer, later_cb);
    timer_start(&l->timer, (uint64_t)(delay == SCRIPT_SLOW ? s->slow_ms : s->hang_ms), 0);
}

static bool reply_outcome(struct http_request *req, enum charge_outcome outcome)
{
    switch (outcome) {
    case CHARGE_OK: return false;
    case CHARGE_NOT_FOUND: http_reply_problem(req, PROBLEM_NOT_FOUND, NULL); return true;
    case CHARGE_CONFLICT:
        http_reply_problem(req, PROBLEM_CONFLICT, "the charge is not in a state for this");
        return true;
    case CHARGE_KEY_MISMATCH:
        http_reply_problem(req, PROBLEM_IDEMPOTENCY_MISMATCH, NULL);
        return true;
    }
    return false;
}

/* ---- decisions that come later ---- */

struct decision {
    struct timer timer;
    struct sim *sim;
    struct charge *charge;
};

static void decision_closed(struct timer *t)
{
    mem_free(container_of(t, struct decision, timer));
}

static void decide_cb(struct timer *t)
{
    struct decision *d = container_of(t, struct decision, timer);
    struct sim *s = d->sim;
    enum script_webhook webhook = script_of(slice_str(d->charge->token))->webhook;

    if (charge_authorize(&s->book, d->charge) == CHARGE_OK && webhook != SCRIPT_NO_WEBHOOK) {
        webhook_send(&s->webhooks, d->charge, CHARGE_AUTHORIZED);
        if (webhook == SCRIPT_TWICE)
            webhook_send(&s->webhooks, d->charge, CHARGE_AUTHORIZED);
        if (webhook == SCRIPT_REORDERED)
            webhook_send(&s->webhooks, d->charge, CHARGE_PENDING);
    }
    timer_close(t, decision_closed);
}

static void decide_after(struct sim *s, struct charge *c)
{
    struct decision *d = mem_alloc(sizeof(*d));
    bool late = script_of(slice_str(c->token))->decision == SCRIPT_PEND_LATE;

    d->sim = s;
    d->charge = c;
    timer_init(s->loop, &d->timer, decide_cb);
    timer_start(&d->timer, late ? (uint64_t)s->late_ms : PEND_SHORT_MS, 0);
}

/* ---- calls ---- */

static enum charge_state first_state(const struct script *script)
{
    switch (script->decision) {
    case SCRIPT_APPROVE: return CHARGE_AUTHORIZED;
    case SCRIPT_DECLINE: return CHARGE_DECLINED;
    case SCRIPT_PEND_SHORT:
    case SCRIPT_PEND_LATE: break;
    }
    return CHARGE_PENDING;
}

static void create(struct sim *s, struct http_request *req, json_t *body)
{
    struct slice reference, token, currency;
    int64_t amount;
    char why[200];
    struct charge *c;
    bool confirm = true;
    const struct script *script;
    size_t known = s->book.count;
    const struct json_field fields[] = {
        {.key = "reference",
         .kind = JSON_KIND_STR,
         .out = &reference,
         .required = true,
         .min = 1,
         .max = CHARGE_REFERENCE_MAX},
        {.key = "token",
         .kind = JSON_KIND_STR,
         .out = &token,
         .required = true,
         .min = 1,
         .max = 63},
        {.key = "amount",
         .kind = JSON_KIND_INT,
         .out = &amount,
         .required = true,
         .min = 1,
         .max = AMOUNT_MAX},
        {.key = "currency",
         .kind = JSON_KIND_STR,
         .out = &currency,
         .required = true,
         .min = 3,
         .max = 3},
        {.key = "confirm", .kind = JSON_KIND_BOOL, .out = &confirm},
    };

    if (json_read(body, fields, array_len(fields), NULL, why, sizeof(why))) {
        http_reply_problem(req, PROBLEM_INVALID, why);
        return;
    }
    script = script_of(token);
    if (reply_outcome(req, charge_create(&s->book, reference, token, amount, currency,
                                         confirm ? first_state(script) : CHARGE_VOIDED, &c)))
        return;
    if (s->book.count == known || !confirm) { /* asked again: what is known, at once */
        reply_charge(req, c);
        return;
    }
    if (c->state == CHARGE_PENDING)
        decide_after(s, c);
    reply_after(s, req, c, script->authorize);
}

static void create_handler(struct http_request *req, void *ctx)
{
    json_t *body = http_body_json(req);

    if (!body)
        return;
    create(ctx, req, body);
    json_decref(body);
}

static struct charge *charge_of(struct sim *s, struct http_request *req)
{
    struct charge *c = charge_by_id(&s->book, req->params[0]);

    if (!c)
        reply_outcome(req, CHARGE_NOT_FOUND);
    return c;
}

static void capture_handler(struct http_request *req, void *ctx)
{
    struct sim *s = ctx;
    struct charge *c = charge_of(s, req);
    bool before;

    if (!c)
        return;
    before = c->state == CHARGE_CAPTURED;
    if (!reply_outcome(req, charge_capture(&s->book, c)))
        reply_after(s, req, c, before ? SCRIPT_AT_ONCE : script_of(slice_str(c->token))->capture);
}

static void void_handler(struct http_request *req, void *ctx)
{
    struct sim *s = ctx;
    struct charge *c = charge_of(s, req);

    if (c && !reply_outcome(req, charge_void(&s->book, c)))
        reply_charge(req, c);
}

static void refund_handler(struct http_request *req, void *ctx)
{
    struct sim *s = ctx;
    struct charge *c = charge_of(s, req);
    struct slice key = http_header_get(req, "idempotency-key");
    int64_t amount;
    char why[200];
    const struct json_field fields[] = {
        {.key = "amount",
         .kind = JSON_KIND_INT,
         .out = &amount,
         .required = true,
         .min = 1,
         .max = AMOUNT_MAX},
    };
    json_t *body;

    if (!c)
        return;
    if (!key.at || key.len == 0 || key.len > CHARGE_KEY_MAX) {
        http_reply_problem(req, PROBLEM_IDEMPOTENCY_KEY_MISSING, NULL);
        return;
    }
    body = http_body_json(req);
    if (!body)
        return;
    if (json_read(body, fields, array_len(fields), NULL, why, sizeof(why)))
        http_reply_problem(req, PROBLEM_INVALID, why);
    else if (!reply_outcome(req, charge_refund(&s->book, c, key, amount)))
        reply_charge(req, c);
    json_decref(body);
}

static void reply_page(struct sim *s, struct http_request *req, uint64_t after, uint64_t limit)
{
    struct json_out w;
    uint64_t end = after + limit < s->book.count ? after + limit : s->book.count;

    json_begin(&w, req->out);
    json_object_begin(&w);
    json_key(&w, "charges");
    json_array_begin(&w);
    for (uint64_t i = after; i < end; i++)
        charge_write(&w, s->book.all[i]);
    json_array_end(&w);
    json_key(&w, "next");
    if (end < s->book.count)
        json_u64(&w, end);
    else
        json_nil(&w);
    json_object_end(&w);
    http_reply(req, 200, "application/json");
}

static void list_handler(struct http_request *req, void *ctx)
{
    struct sim *s = ctx;
    struct slice reference = http_query_get(req, "reference", NULL);
    struct slice after = http_query_get(req, "after", NULL),
                 limit = http_query_get(req, "limit", NULL);
    const struct charge *c;
    uint64_t from = 0, count = PAGE_MAX;

    if (reference.at) {
        c = charge_by_reference(&s->book, reference);
        if (c)
            reply_charge(req, c);
        else
            reply_outcome(req, CHARGE_NOT_FOUND);
        return;
    }
    if ((after.at && !slice_to_u64(after, &from)) || (limit.at && !slice_to_u64(limit, &count)) ||
        count == 0 || count > PAGE_MAX) {
        http_reply_problem(req, PROBLEM_BAD_REQUEST,
                           "after and limit are numbers, limit at most 500");
        return;
    }
    reply_page(s, req, from < s->book.count ? from : s->book.count, count);
}

static void totals_handler(struct http_request *req, void *ctx)
{
    const struct sim *s = ctx;
    int64_t authorized = 0, captured = 0, refunded = 0;
    struct json_out w;

    for (size_t i = 0; i < s->book.count; i++) {
        const struct charge *c = s->book.all[i];

        authorized += c->state == CHARGE_AUTHORIZED ? c->amount : 0;
        captured += c->captured;
        refunded += c->refunded;
    }
    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_int(&w, "charges", (int64_t)s->book.count);
    json_put_int(&w, "authorized", authorized);
    json_put_int(&w, "captured", captured);
    json_put_int(&w, "refunded", refunded);
    json_object_end(&w);
    http_reply(req, 200, "application/json");
}

static const struct route routes[] = {
    {HTTP_POST_, "/v1/charges", create_handler, 0, 0},
    {HTTP_GET_, "/v1/charges", list_handler, 0, 0},
    {HTTP_POST_, "/v1/charges/{id}/capture", capture_handler, 0, 0},
    {HTTP_POST_, "/v1/charges/{id}/void", void_handler, 0, 0},
    {HTTP_POST_, "/v1/charges/{id}/refunds", refund_handler, 0, 0},
    {HTTP_GET_, "/v1/totals", totals_handler, 0, 0},
};

/* A kill between the creation of a pending charge and its decision must not leave it pending for
 * ever. */
static void resume_decisions(struct sim *s)
{
    for (size_t i = 0; i < s->book.count; i++) {
        if (s->book.all[i]->state == CHARGE_PENDING)
            decide_after(s, s->book.all[i]);
    }
}

void sim_routes(struct sim *s, struct router *r)
{
    router_add(r, routes, array_len(routes), s);
    resume_decisions(s);
}
