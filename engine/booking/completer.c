#include "engine/booking/completer.h"

static void ask(struct completer *c);

/* A full answer may not have been all. */
static void asked(struct completer *c, const struct db_result *result)
{
    if (result && result->rows == LEDGER_RESUME_MAX)
        completer_wake(c);
}

static void purchases_cb(struct db_request *request, enum status status,
                         const struct db_result *result)
{
    struct completer *c = container_of(request, struct completer, purchase_request);

    c->asking_purchases = false;
    for (size_t i = 0; !status && !c->closing && i < result->rows; i++) {
        struct purchase *p = purchase_take(c->purchases);

        if (!p)
            break; /* too many in flight: the lease runs out again */
        purchase_row_read(&p->ledger.row, result, i, 0);
        p->lease = c->lease;
        purchase_resume(p);
    }
    asked(c, result);
}

static void refunds_cb(struct db_request *request, enum status status,
                       const struct db_result *result)
{
    struct completer *c = container_of(request, struct completer, refund_request);

    c->asking_refunds = false;
    for (size_t i = 0; !status && !c->closing && i < result->rows; i++) {
        struct refund *r = refund_take(c->refunds);

        if (!r)
            break;
        refund_row_read(&r->row, result, i, 0);
        refund_resume(r);
    }
    asked(c, result);
}

static void ask(struct completer *c)
{
    struct db *db = c->purchases->db;
    int64_t lease_ms = c->purchases->lease_ms;

    c->purchase_request.cb = purchases_cb;
    c->refund_request.cb = refunds_cb;
    if (!c->asking_purchases) {
        c->lease = purchase_lease_now(c->purchases);
        c->asking_purchases =
            ledger_resume_submit(db, &c->purchase_request, &ledger_resume, lease_ms) == STATUS_OK;
    }
    if (!c->asking_refunds)
        c->asking_refunds = ledger_resume_submit(db, &c->refund_request, &refund_resume_statement,
                                                 lease_ms) == STATUS_OK;
}

static void timer_fired(struct timer *t)
{
    ask(container_of(t, struct completer, timer));
}

void completer_init(struct completer *c, struct purchases *purchases, struct refunds *refunds)
{
    *c = (struct completer){.purchases = purchases, .refunds = refunds};
    timer_init(purchases->loop, &c->timer, timer_fired);
    timer_start(&c->timer, COMPLETER_POLL_MS, COMPLETER_POLL_MS);
}

void completer_wake(struct completer *c)
{
    if (!c->closing)
        timer_start(&c->timer, 0, COMPLETER_POLL_MS);
}

void completer_close(struct completer *c)
{
    if (c->closing)
        return;
    c->closing = true;
    timer_close(&c->timer, NULL);
}
