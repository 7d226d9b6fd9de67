#include "engine/booking/reconciler.h"

#include "engine/base/log.h"

#include <stdio.h>

/*   due payments -> look up --same--> compared
 *        |            |  \--still authorised, nothing sold--> void --> compared
 *        |            |--different--> told --> compared
 *        |            \--no answer--> due again in a minute (payment_reconcile has set that)
 *        \-ended, no charge known-> fence: as look up, and what is not there does not come later */

const struct db_statement reconciler_due_statement = {
    .name = "payment_reconcile",
    .text = "SELECT * FROM payment_reconcile($1::integer, $2::bigint)",
    .params = 2,
};
const struct db_statement reconciler_compared_statement = {
    .name = "payment_compared",
    .text = "UPDATE payment SET reconcile_due = NULL WHERE event_id = $1::bigint AND booking_id = "
            "$2::uuid",
    .params = 2,
};

static void job_end(struct reconciler_job *j)
{
    j->busy = false;
    j->reconciler->busy--;
}

static void compared_cb(struct db_request *request, enum status status,
                        const struct db_result *result)
{
    (void)status; /* not recorded: it is compared once more */
    (void)result;
    job_end(container_of(request, struct reconciler_job, request));
}

static void compared(struct reconciler_job *j)
{
    char event[24], booking[UUID_TEXT_SIZE];
    const struct slice params[] = {
        slice_of(event, (size_t)snprintf(event, sizeof(event), "%llu",
                                         (unsigned long long)j->row.event_id)),
        slice_of(booking, UUID_TEXT_SIZE - 1)};

    uuid_format(&j->row.booking_id, booking);
    j->request.cb = compared_cb;
    if (j->reconciler->closing ||
        db_query(j->reconciler->purchases->db, &j->request, &reconciler_compared_statement, params,
                 LEDGER_DEADLINE_MS))
        job_end(j);
}

static void tell(const struct reconciler_job *j)
{
    j->reconciler->purchases->metrics.reconciled_total++;
    log_error(
        "reconciler", "the provider has it otherwise", log_str("reference", j->payment.reference),
        log_i64("our_state", j->row.charge), log_i64("provider_outcome", j->payment.outcome),
        log_i64("our_captured", j->row.captured), log_i64("provider_captured", j->payment.captured),
        log_i64("our_refunded", j->row.refunded),
        log_i64("provider_refunded", j->payment.refunded));
}

static void ask(struct reconciler_job *j, enum payment_op op, const char *step, payment_cb cb)
{
    struct payment_provider *provider =
        purchases_provider(j->reconciler->purchases, slice_str(j->row.provider));

    purchase_row_payment(&j->row, op, step, cb, &j->payment);
    if (j->reconciler->closing || !provider || payment_submit(provider, &j->payment))
        job_end(j);
}

static void voided_cb(struct payment_call *call, enum status status)
{
    struct reconciler_job *j = container_of(call, struct reconciler_job, payment);

    if (status || call->outcome != PAYMENT_VOIDED)
        job_end(j);
    else
        compared(j);
}

static bool agrees(const struct purchase_row *row, const struct payment_call *call)
{
    if (row->charge == CHARGE_CAPTURED)
        return call->outcome == PAYMENT_CAPTURED && call->captured == row->captured &&
               (call->refunded_unknown || call->refunded == row->refunded);
    return call->outcome == PAYMENT_VOIDED || call->outcome == PAYMENT_DECLINED ||
           call->outcome == PAYMENT_UNKNOWN ||
           (call->outcome == PAYMENT_REFUSED && !call->provider_ref[0]); /* nothing came of it */
}

static void looked_up_cb(struct payment_call *call, enum status status)
{
    struct reconciler_job *j = container_of(call, struct reconciler_job, payment);

    if (status) {
        job_end(j);
        return;
    }
    if (agrees(&j->row, call)) {
        compared(j);
        return;
    }
    tell(j);
    if (j->row.charge != CHARGE_CAPTURED &&
        (call->outcome == PAYMENT_AUTHORIZED || call->outcome == PAYMENT_PENDING)) {
        memcpy(j->row.provider_ref, call->provider_ref, sizeof(j->row.provider_ref));
        ask(j, PAYMENT_VOID, "void", voided_cb);
    } else {
        compared(j);
    }
}

static void fenced_cb(struct payment_call *call, enum status status)
{
    struct reconciler_job *j = container_of(call, struct reconciler_job, payment);

    if (!status && call->outcome == PAYMENT_REFUSED)
        ask(j, PAYMENT_LOOKUP, "authorize", looked_up_cb);
    else
        looked_up_cb(call, status);
}

/* That a provider knows of no charge now does not tell that none is on its way. */
static void compare(struct reconciler_job *j)
{
    if (j->row.charge == CHARGE_CAPTURED || j->row.provider_ref[0])
        ask(j, PAYMENT_LOOKUP, "authorize", looked_up_cb);
    else
        ask(j, PAYMENT_FENCE, "authorize", fenced_cb);
}

static void due_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct reconciler *r = container_of(request, struct reconciler, request);

    r->asking = false;
    for (size_t i = 0; !status && !r->closing && i < result->rows; i++) {
        struct reconciler_job *j = &r->jobs[i];

        j->busy = true;
        r->busy++;
        purchase_row_read(&j->row, result, i, 0);
        compare(j);
    }
    if (r->busy && !r->closing)
        timer_start(&r->timer, 20, (uint64_t)r->timer_ms);
}

static void timer_fired(struct timer *t)
{
    struct reconciler *r = container_of(t, struct reconciler, timer);

    if (r->asking || r->busy)
        return;
    r->request.cb = due_cb;
    r->asking = ledger_resume_submit(r->purchases->db, &r->request, &reconciler_due_statement,
                                     r->rest_ms) == STATUS_OK;
}

void reconciler_init(struct reconciler *r, struct purchases *purchases, int64_t poll_ms,
                     int64_t rest_ms)
{
    *r = (struct reconciler){.purchases = purchases, .rest_ms = rest_ms, .timer_ms = poll_ms};
    for (size_t i = 0; i < LEDGER_RESUME_MAX; i++) {
        purchase_row_init(&r->jobs[i].row);
        r->jobs[i].reconciler = r;
    }
    timer_init(purchases->loop, &r->timer, timer_fired);
    timer_start(&r->timer, (uint64_t)poll_ms, (uint64_t)poll_ms);
}

void reconciler_close(struct reconciler *r)
{
    r->closing = true;
    timer_close(&r->timer, NULL);
}

void reconciler_free(struct reconciler *r)
{
    for (size_t i = 0; i < LEDGER_RESUME_MAX; i++)
        purchase_row_free(&r->jobs[i].row);
}
