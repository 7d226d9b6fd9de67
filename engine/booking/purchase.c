#include "engine/booking/purchase_steps.h"

#include <assert.h>

/* ---- what is known to the buyer, and when ---- */

void purchase_decide(struct purchase *p, enum status status)
{
    purchase_cb decided = p->decided;

    p->decided = NULL;
    if (decided)
        decided(p, status);
}

void purchase_count_end(struct purchase *p)
{
    struct purchase_metrics *m = &p->all->metrics;
    const struct purchase_row *row = purchase_row(p);

    if (row->state == BOOKING_CONFIRMED)
        m->bookings_confirmed_total++;
    else if (row->outcome == OUTCOME_DECLINED)
        m->payments_declined_total++;
    else if (row->outcome != OUTCOME_SOLD)
        m->bookings_refused_total++;
}

/* A dependency did not answer: the completer will look after it. */
void purchase_put_off(struct purchase *p, enum status why)
{
    p->all->metrics.purchases_put_off_total++;
    purchase_decide(p, why);
    purchase_go(p, why == STATUS_CANCELED ? STEP_END : STEP_LATER);
}

/* ---- the ledger ---- */

bool purchase_hold_is_over(const struct purchase *p)
{
    return p->ledger.row.expires_ms <= loop_wall_ms(p->all->loop);
}

/* Where a purchase goes on from what is on record. */
static enum step next_step(struct purchase *p)
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
    purchase_go(p, next_step(p));
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

static void run_begin(struct purchase *p)
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
        purchase_go(p, next_step(p));
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

static void run_authorized(struct purchase *p)
{
    gather(p, COMMIT_AUTHORIZED);
}

static void run_captured(struct purchase *p)
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

static void run_pend(struct purchase *p)
{
    move(p, MOVE_PENDING, poll_ms(p));
}

static void run_declined(struct purchase *p)
{
    p->why = OUTCOME_DECLINED;
    move(p, MOVE_DECLINED, 0);
}

static void run_expire(struct purchase *p)
{
    move(p, MOVE_EXPIRED, p->all->lease_ms);
}

static void run_voided(struct purchase *p)
{
    p->all->metrics.payments_voided_total++;
    move(p, MOVE_VOIDED, 0);
}

static void later_cb(struct ledger_call *call, enum status status)
{
    (void)status; /* the lease runs out by itself then */
    purchase_go(container_of(call, struct purchase, ledger), STEP_END);
}

static void run_later(struct purchase *p)
{
    p->ledger.cb = later_cb;
    if (ledger_move(p->all->db, &p->ledger, MOVE_LATER, OUTCOME_SOLD, poll_ms(p)))
        purchase_go(p, STEP_END);
}

/* A commit without an answer: what became of it is on record. */
static void run_read(struct purchase *p)
{
    enum status status;

    p->ledger.cb = purchase_moved_cb;
    status = ledger_read(p->all->db, &p->ledger, LEDGER_DEADLINE_MS);
    if (status)
        purchase_put_off(p, status);
}

static void run_end(struct purchase *p)
{
    purchase_drop(p);
}

/* ---- the table ---- */

#define TO(step) (1u << (step))

static const struct {
    const char *name;
    void (*run)(struct purchase *p);
    unsigned
        next; /* where it may purchase_go on; STEP_END always, STEP_LATER from what asks others */
} steps[] = {
    [STEP_BEGIN] = {"begin", run_begin,
                    TO(STEP_BEGIN) | TO(STEP_AUTHORIZE) | TO(STEP_LOOK_UP) | TO(STEP_COMMIT) |
                        TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                        TO(STEP_RELEASE)},
    [STEP_BUY] = {"buy", purchase_run_buy, TO(STEP_SOLD)},
    [STEP_AUTHORIZE] = {"authorize", purchase_run_authorize,
                        TO(STEP_AUTHORIZED) | TO(STEP_RETAKE) | TO(STEP_LOOK_UP) |
                            TO(STEP_DECLINED) | TO(STEP_PEND) | TO(STEP_EXPIRE) | TO(STEP_LATER)},
    [STEP_AUTHORIZED] = {"authorized", run_authorized,
                         TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) |
                             TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_LOOK_UP] = {"look_up", purchase_run_look_up,
                      TO(STEP_AUTHORIZE) | TO(STEP_AUTHORIZED) | TO(STEP_RETAKE) |
                          TO(STEP_DECLINED) | TO(STEP_PEND) | TO(STEP_EXPIRE) | TO(STEP_LATER)},
    [STEP_PEND] = {"pend", run_pend,
                   TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                       TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_RETAKE] = {"retake", purchase_run_retake,
                     TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_EXPIRE) | TO(STEP_CAPTURE) |
                         TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_DECLINED] = {"declined", run_declined,
                       TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                           TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_EXPIRE] = {"expire", run_expire,
                     TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_COMMIT] = {"commit", purchase_run_commit,
                     TO(STEP_SOLD) | TO(STEP_FIND_CHARGE) | TO(STEP_EXPIRE) | TO(STEP_READ) |
                         TO(STEP_LATER)},
    [STEP_READ] = {"read", run_read,
                   TO(STEP_AUTHORIZE) | TO(STEP_LOOK_UP) | TO(STEP_COMMIT) | TO(STEP_RETAKE) |
                       TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_SOLD] = {"sold", purchase_run_sold, TO(STEP_CAPTURE)},
    [STEP_CAPTURE] = {"capture", purchase_run_capture, TO(STEP_CAPTURED) | TO(STEP_LATER)},
    [STEP_CAPTURED] = {"captured", run_captured, TO(STEP_LATER)},
    [STEP_FIND_CHARGE] = {"find_charge", purchase_run_find_charge,
                          TO(STEP_VOID) | TO(STEP_VOIDED) | TO(STEP_LATER)},
    [STEP_VOID] = {"void", purchase_run_void, TO(STEP_VOIDED) | TO(STEP_LATER)},
    [STEP_VOIDED] = {"voided", run_voided, TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_RELEASE] = {"release", purchase_run_release, 0},
    [STEP_LATER] = {"later", run_later, 0},
    [STEP_END] = {"end", run_end, 0},
};

/* When the answer is due the buyer is told what is on record; the purchase goes on. */
static void let_the_buyer_go(struct purchase *p)
{
    bool on_record = p->verdict == LEDGER_BEGUN || p->verdict == LEDGER_TAKEN_OVER;

    if (!p->decided || !on_record || !due_over(p->due, loop_mono_ns(p->all->loop)))
        return;
    p->all->metrics.purchases_outlasting_total++;
    purchase_decide(p, purchase_row(p)->state == BOOKING_PENDING ? STATUS_OK : STATUS_TIMEOUT);
}

static void enter(struct purchase *p, enum step step)
{
    struct purchases *all = p->all;

    if (all->stopped && step != STEP_END) { /* what is left is on record */
        purchase_decide(p, STATUS_CANCELED);
        step = STEP_END;
    }
    let_the_buyer_go(p);
    p->step = step;
    if (all->point)
        all->point(all->ctx, steps[step].name);
    steps[step].run(p);
}

void purchase_go(struct purchase *p, enum step step)
{
    assert(step == STEP_END || steps[p->step].next & TO(step));
    enter(p, step);
}

void purchase_begin(struct purchase *p)
{
    enter(p, STEP_BEGIN);
}

void purchase_buy(struct purchase *p)
{
    enter(p, STEP_BUY);
}

void purchase_resume(struct purchase *p)
{
    enum step step = next_step(p);

    p->all->metrics.purchases_resumed_total++;
    if (purchase_row(p)->state != BOOKING_PENDING && purchase_row(p)->state != BOOKING_AUTHORIZED)
        purchase_decide(p, STATUS_OK); /* what is left concerns the provider only */
    enter(p, step);
}

/* ---- life ---- */

#define METRIC_ROW_TAG purchase_metrics
static const struct metric_desc descs[] = {PURCHASE_METRICS(METRIC_ROW_)};

void purchases_init(struct purchases *all, size_t in_flight_max)
{
    pool_init(&all->pool, sizeof(struct purchase), in_flight_max);
    memset(&all->metrics, 0, sizeof(all->metrics));
    all->group =
        (struct metric_group){.descs = descs, .count = array_len(descs), .base = &all->metrics};
    list_init(&all->group.link);
}

void purchases_stop(struct purchases *all)
{
    all->stopped = true;
}

void purchases_free(struct purchases *all)
{
    metric_group_free(&all->group);
    pool_free(&all->pool);
}

struct metric_group *purchases_metrics(struct purchases *all)
{
    return &all->group;
}

struct payment_provider *purchases_provider(struct purchases *all, struct slice name)
{
    for (size_t i = 0; i < PURCHASE_PROVIDERS_MAX; i++) {
        if (all->providers[i].ops && slice_is(name, all->providers[i].ops->name))
            return &all->providers[i];
    }
    return NULL;
}

struct purchase_lease purchase_lease_now(const struct purchases *all)
{
    return (struct purchase_lease){.mono_ns = loop_mono_ns(all->loop),
                                   .wall_ms = loop_wall_ms(all->loop)};
}

struct purchase *purchase_take(struct purchases *all)
{
    struct purchase *p = pool_take(&all->pool);

    if (!p)
        return NULL;
    memset(p, 0, sizeof(*p));
    p->all = all;
    p->lease = purchase_lease_now(all);
    purchase_row_init(&p->ledger.row);
    all->metrics.purchases_in_flight++;
    return p;
}

void purchase_drop(struct purchase *p)
{
    struct purchases *all = p->all;

    purchase_row_free(&p->ledger.row);
    all->metrics.purchases_in_flight--;
    pool_give(&all->pool, p);
}
