#include "engine/booking/hold_exchange.h"

#include "engine/base/mem.h"
#include "engine/booking/hold_json.h"

struct hold_exchange *hold_exchange_new(struct http_request *req, struct engine *e)
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

void hold_exchange_end(struct hold_exchange *x)
{
    struct engine *e = x->engine;

    entry_end(&x->entry);
    e->metrics.hold_requests--;
    pool_give(&e->hold_requests, x);
}

void hold_exchange_refused(struct entry *entry)
{
    hold_exchange_end(container_of(entry, struct hold_exchange, entry));
}

void hold_exchange_fail(struct hold_exchange *x, enum status status)
{
    http_reply_failure(x->req, status);
    hold_exchange_end(x);
}

void hold_exchange_invalid(struct hold_exchange *x, const char *why)
{
    http_reply_problem(x->req, PROBLEM_INVALID, why);
    hold_exchange_end(x);
}

void hold_exchange_refuse(struct hold_exchange *x)
{
    if (x->call.outcome == HOLD_LIMIT)
        x->engine->metrics.holds_limited_total++;
    hold_reply_refusal(x->req, &x->call);
    hold_exchange_end(x);
}

void hold_exchange_call(struct hold_exchange *x, hold_call_cb cb)
{
    struct hold *h = &x->call.hold;

    x->call.cb = cb;
    x->call.trace = x->req->traceparent;
    x->call.due = x->req->due;
    h->event_id = x->entry.event_id;
    memcpy(h->session, x->entry.session, sizeof(h->session));
    memcpy(h->customer, x->entry.customer, sizeof(h->customer));
    memcpy(h->id, x->hold_id, sizeof(h->id));
}

void hold_exchange_terms(struct hold_exchange *x)
{
    const struct event *event = x->entry.event;

    x->terms.ttl_ms = event->hold_ms;
    x->terms.cap_ms = event->cap_ms;
    x->terms.max_seats = event->max_seats;
    x->terms.max_holds = event->max_holds;
    x->terms.session_expires_ms = x->entry.session_expires_ms;
    entry_key(&x->entry, x->key, x->terms.key);
}
