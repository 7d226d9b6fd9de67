/* The steps of a purchase that ask the payment provider. */
#include "engine/base/log.h"
#include "engine/booking/purchase_steps.h"

static void ask(struct purchase *p, enum payment_op op, const char *step, payment_cb cb)
{
    const struct purchase_row *row = purchase_row(p);
    struct payment_provider *provider = purchases_provider(p->all, slice_str(row->provider));
    enum status status = STATUS_UNAVAILABLE;

    purchase_row_payment(row, op, step, cb, &p->payment);
    if (provider)
        status = payment_submit(provider, &p->payment);
    if (status)
        purchase_put_off(p, status);
}

static void keep_ref(struct purchase *p)
{
    memcpy(purchase_row(p)->provider_ref, p->payment.provider_ref, sizeof(p->payment.provider_ref));
}

/* How the charge stands, learnt by authorising or by asking. */
static void learnt(struct purchase *p)
{
    switch (p->payment.outcome) {
    case PAYMENT_AUTHORIZED:
    case PAYMENT_CAPTURED:
        p->charged = true;
        purchase_go(p, purchase_hold_is_over(p) ? STEP_RETAKE : STEP_AUTHORIZED);
        return;
    case PAYMENT_DECLINED:
    case PAYMENT_VOIDED:
    case PAYMENT_REFUSED: purchase_go(p, STEP_DECLINED); return;
    case PAYMENT_PENDING:
        p->why = OUTCOME_HOLD_EXPIRED;
        purchase_go(p, purchase_hold_is_over(p) ? STEP_EXPIRE : STEP_PEND);
        return;
    case PAYMENT_UNKNOWN:
        p->why = OUTCOME_HOLD_EXPIRED;
        if (purchase_hold_is_over(p))
            purchase_go(p, STEP_EXPIRE);
        else if (p->answer_lost) /* it was asked to authorise a moment ago, and did not: not again
                                    at once */
            purchase_put_off(p, STATUS_UNAVAILABLE);
        else
            purchase_go(p, STEP_AUTHORIZE);
        return;
    }
}

static void authorize_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (status == STATUS_CANCELED) {
        purchase_put_off(p, status);
    } else if (status) { /* the answer was lost, the authorisation perhaps not */
        p->answer_lost = true;
        purchase_go(p, STEP_LOOK_UP);
    } else {
        keep_ref(p);
        learnt(p);
    }
}

/* By both clocks: one stands still while the machine is suspended, the other may be set back. */
static bool lease_is_over(const struct purchase *p)
{
    const struct purchases *all = p->all;
    int64_t counted_ms = all->lease_ms - all->lease_ms / PURCHASE_LEASE_MARGIN;
    struct purchase_lease now = purchase_lease_now(all);

    return now.mono_ns - p->lease.mono_ns >= counted_ms * 1000000 ||
           now.wall_ms - p->lease.wall_ms >= counted_ms;
}

/* No card is asked by who may be the second to work on the purchase. Nothing is put off either: the
 * lease, somebody else's perhaps by now, runs out by itself. */
void purchase_run_authorize(struct purchase *p)
{
    if (!lease_is_over(p)) {
        ask(p, PAYMENT_AUTHORIZE, "authorize", authorize_cb);
        return;
    }
    p->all->metrics.purchases_late_total++;
    purchase_decide(p, STATUS_TIMEOUT);
    purchase_go(p, STEP_END);
}

static void look_up_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (status) {
        purchase_put_off(p, status);
        return;
    }
    keep_ref(p);
    learnt(p);
}

static void fenced_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (!status && call->outcome == PAYMENT_REFUSED) {
        ask(p, PAYMENT_LOOKUP, "authorize", look_up_cb);
    } else if (!status && (call->outcome == PAYMENT_UNKNOWN || call->outcome == PAYMENT_VOIDED)) {
        keep_ref(p);
        p->why = OUTCOME_HOLD_EXPIRED;
        purchase_go(p, STEP_EXPIRE);
    } else {
        look_up_cb(call, status);
    }
}

/* A charge that there is not when the hold has ended is not made any more. */
void purchase_run_look_up(struct purchase *p)
{
    bool last_call = purchase_hold_is_over(p) && !purchase_row(p)->provider_ref[0];

    p->all->metrics.payments_asked_total++;
    ask(p, last_call ? PAYMENT_FENCE : PAYMENT_LOOKUP, "authorize",
        last_call ? fenced_cb : look_up_cb);
}

static void capture_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (!status && call->outcome == PAYMENT_CAPTURED) {
        purchase_go(p, STEP_CAPTURED);
        return;
    }
    if (!status)
        log_error("purchase", "capture refused", log_str("reference", call->reference),
                  log_i64("outcome", call->outcome));
    purchase_put_off(p, status ? status : STATUS_CONFLICT);
}

void purchase_run_capture(struct purchase *p)
{
    ask(p, PAYMENT_CAPTURE, "capture", capture_cb);
}

static void find_charge_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (status) {
        purchase_put_off(p, status);
    } else if (call->op == PAYMENT_FENCE && call->outcome == PAYMENT_REFUSED) {
        ask(p, PAYMENT_LOOKUP, "authorize", find_charge_cb);
    } else {
        keep_ref(p);
        purchase_go(p, call->outcome == PAYMENT_DECLINED || call->outcome == PAYMENT_VOIDED ||
                               !call->provider_ref[0]
                           ? STEP_VOIDED
                           : STEP_VOID);
    }
}

/* Before a void: a charge whose id is not known is looked for by its reference. That there is none
 * is true of this moment only, another worker's authorisation may be on its way: the fence makes it
 * true for good. */
void purchase_run_find_charge(struct purchase *p)
{
    p->charged = false;
    if (purchase_row(p)->provider_ref[0])
        purchase_go(p, STEP_VOID);
    else
        ask(p, PAYMENT_FENCE, "authorize", find_charge_cb);
}

static void void_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (!status && (call->outcome == PAYMENT_VOIDED || call->outcome == PAYMENT_DECLINED)) {
        purchase_go(p, STEP_VOIDED);
        return;
    }
    if (!status)
        log_error("purchase", "void refused", log_str("reference", call->reference),
                  log_i64("outcome", call->outcome));
    purchase_put_off(p, status ? status : STATUS_CONFLICT);
}

void purchase_run_void(struct purchase *p)
{
    ask(p, PAYMENT_VOID, "void", void_cb);
}
