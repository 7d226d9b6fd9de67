/* The steps of a purchase that write its record, and where it goes on from what the record says. */
#include "engine/booking/purchase_steps.h"

/* ---- where the record stands ---- */

bool purchase_hold_is_over(const struct purchase *p)
{
    return p->ledger.row.expires_ms <= loop_wall_ms(p->all->loop);
}

enum step purchase_next_step(struct purchase *p)
{
    const struct purchase_row *row = purchase_row(p);

    switch (row->charge) {
    case CHARGE_AUTHORIZING: return purchase_hold_is_over(p) ? STEP_LOOK_UP : STEP_AUTHORIZE;
    case CHARGE_PENDING: return STEP_LOOK_UP;
    case CHARGE_AUTHORIZED: return purchase_hold_is_over(p) ? STEP_RETAKE : STEP_COMMIT;
    case CHARGE_CAPTURING: return STEP_CAPTURE;
    case CHARGE_VOIDING: return STEP_FIND_CHARGE;
    /* What has ended is fenced at the provider. Where the fence does not hold, as when a provider
     * has forgotten the key or an engine of before fences ended it, who was frozen past its lease
     * and authorised gives its charge back itself. */
    case CHARGE_VOIDED: return p->charged ? STEP_FIND_CHARGE : STEP_END;
    case CHARGE_NONE:
    case CHARGE_DECLINED:
    case CHARGE_CAPTURED: break;
    }
    return STEP_END;
}

/* After a move: the row tells where it really stands, which is where another worker may have
 * brought it. */
void purchase_moved_cb(struct ledger_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, ledger);

    if (status || call->verdict == LEDGER_NONE) {
        purchase_put_off(p, status ? status : STATUS_INTERNAL);
        return;
    }
    switch (purchase_row(p)->state) {
    case BOOKING_PENDING:
        if (purchase_row(p)->charge == CHARGE_PENDING) { /* recorded: answered with 202 */
            p->all->metrics.payments_pending_total++;
            purchase_decide(p, STATUS_OK);
            purchase_go(p, STEP_END);
            return;
        }
        break;
    case BOOKING_DECLINED:
        purchase_count_end(p);
        purchase_decide(p, STATUS_OK);
        purchase_go(p, STEP_RELEASE);
        return;
    case BOOKING_AUTHORIZED: break;
    case BOOKING_CONFIRMED:
    case BOOKING_CANCELLED:
    case BOOKING_REFUNDED:
    case BOOKING_LOST:
    case BOOKING_EXPIRED: purchase_decide(p, STATUS_OK); break;
    }
    purchase_go(p, purchase_next_step(p));
}

static void move(struct purchase *p, enum ledger_move to, int64_t lease_ms)
{
    enum status status;

    p->ledger.cb = purchase_moved_cb;
    status = ledger_move(p->all->db, &p->ledger, to, p->why, lease_ms);
    if (status)
        purchase_put_off(p, status);
}

static void begin_cb(struct ledger_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, ledger);
    bool ended = call->row.outcome != OUTCOME_SOLD;

    if (status == STATUS_CONFLICT) { /* the key was claimed this very moment: now it is on record */
        purchase_go(p, STEP_BEGIN);
        return;
    }
    p->verdict = call->verdict;
    if (status || call->verdict == LEDGER_BUSY || call->verdict == LEDGER_KNOWN) {
        purchase_decide(p, status);
        purchase_go(p, STEP_END);
    } else if (call->verdict == LEDGER_TAKEN_OVER) {
        purchase_resume(p);
    } else if (ended) {
        purchase_count_end(p);
        purchase_decide(p, STATUS_OK);
        purchase_go(p, STEP_RELEASE);
    } else {
        purchase_go(p, STEP_AUTHORIZE);
    }
}

void purchase_run_begin(struct purchase *p)
{
    enum status status;

    p->ledger.cb = begin_cb;
    p->lease = purchase_lease_now(p->all);
    status = ledger_begin(p->all->db, &p->ledger, p->all->lease_ms,
                          due_left_ms(p->due, loop_mono_ns(p->all->loop), LEDGER_DEADLINE_MS));
    if (status) {
        purchase_decide(p, status);
        purchase_go(p, STEP_END);
    }
}

/* ---- the moves of every charged sale, gathered ---- */

/* What was not where it may be moved from is moved by itself: the answer tells why. */
static void gathered_cb(struct commit_item *item, enum status status)
{
    struct purchase *p = container_of(item, struct purchase, item);
    struct purchase_row *row = purchase_row(p);
    bool authorized = item->lane == COMMIT_AUTHORIZED;

    if (status) {
        purchase_put_off(p, status);
    } else if (!item->moved) {
        move(p, authorized ? MOVE_AUTHORIZED : MOVE_CAPTURED, authorized ? p->all->lease_ms : 0);
    } else {
        row->state = authorized ? BOOKING_AUTHORIZED : row->state;
        row->charge = authorized ? CHARGE_AUTHORIZED : CHARGE_CAPTURED;
        row->captured = authorized ? row->captured : row->total;
        purchase_go(p, purchase_next_step(p));
    }
}

static void gather(struct purchase *p, enum commit_lane lane)
{
    enum status status;

    p->item = (struct commit_item){.cb = gathered_cb, .row = purchase_row(p), .lane = lane};
    status = commit_submit(p->all->commit, &p->item);
    if (status)
        purchase_put_off(p, status);
}

void purchase_run_authorized(struct purchase *p)
{
    gather(p, COMMIT_AUTHORIZED);
}

void purchase_run_captured(struct purchase *p)
{
    gather(p, COMMIT_CAPTURED);
}

/* ---- */

/* Asked again sooner while it is young. */
static int64_t poll_ms(const struct purchase *p)
{
    int64_t age = loop_wall_ms(p->all->loop) - p->ledger.row.created_ms,
            most = 30 * p->all->poll_ms;
    int64_t wait = age / 4;

    return wait < p->all->poll_ms ? p->all->poll_ms : wait > most ? most : wait;
}

void purchase_run_pend(struct purchase *p)
{
    move(p, MOVE_PENDING, poll_ms(p));
}

void purchase_run_declined(struct purchase *p)
{
    p->why = OUTCOME_DECLINED;
    move(p, MOVE_DECLINED, 0);
}

void purchase_run_expire(struct purchase *p)
{
    move(p, MOVE_EXPIRED, p->all->lease_ms);
}

void purchase_run_voided(struct purchase *p)
{
    p->all->metrics.payments_voided_total++;
    move(p, MOVE_VOIDED, 0);
}

static void later_cb(struct ledger_call *call, enum status status)
{
    (void)status; /* the lease runs out by itself then */
    purchase_go(container_of(call, struct purchase, ledger), STEP_END);
}

void purchase_run_later(struct purchase *p)
{
    p->ledger.cb = later_cb;
    if (ledger_move(p->all->db, &p->ledger, MOVE_LATER, OUTCOME_SOLD, poll_ms(p)))
        purchase_go(p, STEP_END);
}

/* A commit without an answer: what became of it is on record. */
void purchase_run_read(struct purchase *p)
{
    enum status status;

    p->ledger.cb = purchase_moved_cb;
    status = ledger_read(p->all->db, &p->ledger, LEDGER_DEADLINE_MS);
    if (status)
        purchase_put_off(p, status);
}
