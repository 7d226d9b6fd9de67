#include "engine/booking/booking_api.h"

#include <stdio.h>

/* POST /v1/payments/webhooks/{provider}: signature over the raw body, then durable, then 200, then
 * the purchase it names is looked after. The news itself is believed by nobody: whoever looks after
 * the purchase asks the provider. So it may come twice, late, in any order, or not at all. */

const struct db_statement webhook_receive_statement = {
    .name = "webhook_receive",
    .text = "SELECT webhook_receive($1::text, $2::text, $3::text, $4::bigint, $5::uuid)",
    .params = 5,
};

struct webhook_exchange {
    struct db_request request;
    struct till *till;
    struct http_request *req;
};

static void received_cb(struct db_request *request, enum status status,
                        const struct db_result *result)
{
    struct webhook_exchange *x = container_of(request, struct webhook_exchange, request);

    if (status) {
        http_reply_failure(x->req, status);
    } else {
        if (db_bool(result, 0, 0)) {
            x->till->purchases.metrics.webhooks_total++;
            completer_wake(&x->till->completer);
        }
        buf_append_str(x->req->out, "{}");
        http_reply(x->req, 200, "application/json");
    }
    mem_free(x);
}

static void store(struct till *t, struct http_request *req, const struct payment_provider *p,
                  const struct payment_webhook *hook)
{
    struct webhook_exchange *x = mem_alloc(sizeof(*x));
    char event[24], booking[UUID_TEXT_SIZE];
    enum status status;

    snprintf(event, sizeof(event), "%llu", (unsigned long long)hook->event_id);
    uuid_format(&hook->booking_id, booking);
    x->till = t;
    x->req = req;
    x->request.cb = received_cb;
    const struct slice params[] = {
        slice_str(p->ops->name),
        slice_str(hook->id),
        req->body,
        hook->event_id ? slice_str(event) : SLICE_NONE,
        hook->event_id ? slice_str(booking) : SLICE_NONE,
    };
    status = db_query(t->engine->db, &x->request, &webhook_receive_statement, params,
                      http_left_ms(req, LEDGER_DEADLINE_MS));
    if (status)
        received_cb(&x->request, status, NULL);
}

void webhook_post(struct http_request *req, void *till)
{
    struct till *t = till;
    struct payment_provider *p = purchases_provider(&t->purchases, req->params[0]);
    struct payment_webhook hook = {.event_id = 0};
    struct slice signature;

    if (!p) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, "There is no such provider.");
        return;
    }
    signature = http_header_get(req, p->ops->signature_header);
    if (!signature.at ||
        !payment_signature_ok(p->webhook_secret, signature, req->body,
                              loop_wall_ms(t->engine->loop) / 1000, PAYMENT_WEBHOOK_TOLERANCE_S)) {
        t->purchases.metrics.webhooks_refused_total++;
        http_reply_problem(req, PROBLEM_SIGNATURE_INVALID, NULL);
        return;
    }
    if (p->ops->webhook(req->body, &hook)) {
        http_reply_problem(req, PROBLEM_BAD_REQUEST, "The body is not a webhook of this provider.");
        return;
    }
    store(t, req, p, &hook);
}
