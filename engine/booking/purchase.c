#include "engine/booking/purchase.h"

#include "engine/base/log.h"

#include <assert.h>
#include <stdio.h>

enum step {
    STEP_BEGIN,
    STEP_BUY,
    STEP_AUTHORIZE,
    STEP_AUTHORIZED,
    STEP_LOOK_UP,
    STEP_PEND,
    STEP_RETAKE,
    STEP_DECLINED,
    STEP_EXPIRE,
    STEP_COMMIT,
    STEP_READ,
    STEP_SOLD,
    STEP_CAPTURE,
    STEP_CAPTURED,
    STEP_FIND_CHARGE,
    STEP_VOID,
    STEP_VOIDED,
    STEP_RELEASE,
    STEP_LATER,
    STEP_END,
};

#define RETAKE_MS 10000 /* how long the hold of a late payment lasts: its commit is next */

static void go(struct purchase *p, enum step step);

/* ---- what is known to the buyer, and when ---- */

static void decide(struct purchase *p, enum status status)
{
    purchase_cb decided = p->decided;

    p->decided = NULL;
    if (decided)
        decided(p, status);
}

static void count_end(struct purchase *p)
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
static void put_off(struct purchase *p, enum status why)
{
    p->all->metrics.purchases_put_off_total++;
    decide(p, why);
    go(p, why == STATUS_CANCELED ? STEP_END : STEP_LATER);
}

/* ---- the ledger ---- */

static bool hold_is_over(const struct purchase *p)
{
    return p->ledger.row.expires_ms <= loop_wall_ms(p->all->loop);
}

/* Where a purchase goes on from what is on record. */
static enum step next_step(struct purchase *p)
{
    const struct purchase_row *row = purchase_row(p);

    switch (row->charge) {
    case CHARGE_AUTHORIZING: return hold_is_over(p) ? STEP_LOOK_UP : STEP_AUTHORIZE;
    case CHARGE_PENDING: return STEP_LOOK_UP;
    case CHARGE_AUTHORIZED: return hold_is_over(p) ? STEP_RETAKE : STEP_COMMIT;
    case CHARGE_CAPTURING: return STEP_CAPTURE;
    case CHARGE_VOIDING: return STEP_FIND_CHARGE;
    case CHARGE_NONE:
    case CHARGE_DECLINED:
    case CHARGE_CAPTURED:
    case CHARGE_VOIDED: break;
    }
    return STEP_END;
}

/* After a move: the row tells where it really stands, which is where another worker may have
 * brought it. */
static void moved_cb(struct ledger_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, ledger);

    if (status || call->verdict == LEDGER_NONE) {
        put_off(p, status ? status : STATUS_INTERNAL);
        return;
    }
    switch (purchase_row(p)->state) {
    case BOOKING_PENDING:
        if (purchase_row(p)->charge == CHARGE_PENDING) { /* recorded: answered with 202 */
            p->all->metrics.payments_pending_total++;
            decide(p, STATUS_OK);
            go(p, STEP_END);
            return;
        }
        break;
    case BOOKING_DECLINED:
        count_end(p);
        decide(p, STATUS_OK);
        go(p, STEP_RELEASE);
        return;
    case BOOKING_AUTHORIZED: break;
    case BOOKING_CONFIRMED:
    case BOOKING_CANCELLED:
    case BOOKING_REFUNDED:
    case BOOKING_LOST:
    case BOOKING_EXPIRED: decide(p, STATUS_OK); break;
    }
    go(p, next_step(p));
}

static void move(struct purchase *p, enum ledger_move to, int64_t lease_ms)
{
    enum status status;

    p->ledger.cb = moved_cb;
    status = ledger_move(p->all->db, &p->ledger, to, p->why, lease_ms);
    if (status)
        put_off(p, status);
}

static void begin_cb(struct ledger_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, ledger);
    bool ended = call->row.outcome != OUTCOME_SOLD;

    if (status == STATUS_CONFLICT) { /* the key was claimed this very moment: now it is on record */
        go(p, STEP_BEGIN);
        return;
    }
    p->verdict = call->verdict;
    if (status || call->verdict == LEDGER_BUSY || call->verdict == LEDGER_KNOWN) {
        decide(p, status);
        go(p, STEP_END);
    } else if (call->verdict == LEDGER_TAKEN_OVER) {
        purchase_resume(p);
    } else if (ended) {
        count_end(p);
        decide(p, STATUS_OK);
        go(p, STEP_RELEASE);
    } else {
        go(p, STEP_AUTHORIZE);
    }
}

static void run_begin(struct purchase *p)
{
    enum status status;

    p->ledger.cb = begin_cb;
    status = ledger_begin(p->all->db, &p->ledger, p->all->lease_ms);
    if (status) {
        decide(p, status);
        go(p, STEP_END);
    }
}

static void run_authorized(struct purchase *p)
{
    move(p, MOVE_AUTHORIZED, p->all->lease_ms);
}

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

static void run_captured(struct purchase *p)
{
    move(p, MOVE_CAPTURED, 0);
}

static void run_voided(struct purchase *p)
{
    p->all->metrics.payments_voided_total++;
    move(p, MOVE_VOIDED, 0);
}

static void later_cb(struct ledger_call *call, enum status status)
{
    (void)status; /* the lease runs out by itself then */
    go(container_of(call, struct purchase, ledger), STEP_END);
}

static void run_later(struct purchase *p)
{
    p->ledger.cb = later_cb;
    if (ledger_move(p->all->db, &p->ledger, MOVE_LATER, OUTCOME_SOLD, poll_ms(p)))
        go(p, STEP_END);
}

/* A commit without an answer: what became of it is on record. */
static void run_read(struct purchase *p)
{
    enum status status;

    p->ledger.cb = moved_cb;
    status = ledger_read(p->all->db, &p->ledger);
    if (status)
        put_off(p, status);
}

/* ---- the provider ---- */

static void ask(struct purchase *p, enum payment_op op, const char *step, payment_cb cb)
{
    const struct purchase_row *row = purchase_row(p);
    struct payment_provider *provider = purchases_provider(p->all, slice_str(row->provider));
    char id[UUID_TEXT_SIZE];
    enum status status = STATUS_UNAVAILABLE;

    p->payment = (struct payment_call){.cb = cb, .op = op, .amount = row->total};
    payment_reference(row->event_id, &row->booking_id, p->payment.reference);
    uuid_format(&row->booking_id, id);
    snprintf(p->payment.key, sizeof(p->payment.key), "%s-%s", id, step);
    memcpy(p->payment.token, row->token, sizeof(p->payment.token));
    memcpy(p->payment.currency, row->currency, sizeof(p->payment.currency));
    memcpy(p->payment.provider_ref, row->provider_ref, sizeof(p->payment.provider_ref));
    if (provider)
        status = payment_submit(provider, &p->payment);
    if (status)
        put_off(p, status);
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
    case PAYMENT_CAPTURED: go(p, hold_is_over(p) ? STEP_RETAKE : STEP_AUTHORIZED); return;
    case PAYMENT_DECLINED:
    case PAYMENT_VOIDED:
    case PAYMENT_REFUSED: go(p, STEP_DECLINED); return;
    case PAYMENT_PENDING:
        p->why = OUTCOME_HOLD_EXPIRED;
        go(p, hold_is_over(p) ? STEP_EXPIRE : STEP_PEND);
        return;
    case PAYMENT_UNKNOWN:
        p->why = OUTCOME_HOLD_EXPIRED;
        if (hold_is_over(p))
            go(p, STEP_EXPIRE);
        else if (p->answer_lost) /* it was asked to authorise a moment ago, and did not: not again
                                    at once */
            put_off(p, STATUS_UNAVAILABLE);
        else
            go(p, STEP_AUTHORIZE);
        return;
    }
}

static void authorize_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (status == STATUS_CANCELED) {
        put_off(p, status);
    } else if (status) { /* the answer was lost, the authorisation perhaps not */
        p->answer_lost = true;
        go(p, STEP_LOOK_UP);
    } else {
        keep_ref(p);
        learnt(p);
    }
}

static void run_authorize(struct purchase *p)
{
    ask(p, PAYMENT_AUTHORIZE, "authorize", authorize_cb);
}

static void look_up_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (status) {
        put_off(p, status);
        return;
    }
    keep_ref(p);
    learnt(p);
}

static void run_look_up(struct purchase *p)
{
    p->all->metrics.payments_asked_total++;
    ask(p, PAYMENT_LOOKUP, "authorize", look_up_cb);
}

static void capture_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (!status && call->outcome == PAYMENT_CAPTURED) {
        go(p, STEP_CAPTURED);
        return;
    }
    if (!status)
        log_error("purchase", "capture refused", log_str("reference", call->reference),
                  log_i64("outcome", call->outcome));
    put_off(p, status ? status : STATUS_CONFLICT);
}

static void run_capture(struct purchase *p)
{
    ask(p, PAYMENT_CAPTURE, "capture", capture_cb);
}

static void find_charge_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (status) {
        put_off(p, status);
        return;
    }
    keep_ref(p);
    go(p, call->outcome == PAYMENT_UNKNOWN || call->outcome == PAYMENT_DECLINED ||
                  call->outcome == PAYMENT_VOIDED
              ? STEP_VOIDED
              : STEP_VOID);
}

/* Before a void: a charge whose id is not known is looked for by its reference. */
static void run_find_charge(struct purchase *p)
{
    if (purchase_row(p)->provider_ref[0])
        go(p, STEP_VOID);
    else
        ask(p, PAYMENT_LOOKUP, "authorize", find_charge_cb);
}

static void void_cb(struct payment_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, payment);

    if (!status && (call->outcome == PAYMENT_VOIDED || call->outcome == PAYMENT_DECLINED)) {
        go(p, STEP_VOIDED);
        return;
    }
    if (!status)
        log_error("purchase", "void refused", log_str("reference", call->reference),
                  log_i64("outcome", call->outcome));
    put_off(p, status ? status : STATUS_CONFLICT);
}

static void run_void(struct purchase *p)
{
    ask(p, PAYMENT_VOID, "void", void_cb);
}

/* ---- the commit ---- */

static struct slice trace_of(const struct purchase *p)
{
    return slice_str(p->trace);
}

static void committed(struct purchase *p)
{
    struct purchase_row *row = purchase_row(p);

    row->state = p->item.state;
    row->outcome = p->item.outcome;
    if (row->state == BOOKING_CONFIRMED) {
        memset(row->live, true, sizeof(row->live));
        row->confirmed_ms = loop_wall_ms(p->all->loop);
    }
}

static void commit_done_cb(struct commit_item *item, enum status status)
{
    struct purchase *p = container_of(item, struct purchase, item);
    struct purchase_row *row = purchase_row(p);

    if (status) {
        if (status == STATUS_CANCELED)
            put_off(p, status);
        else
            go(p, STEP_READ);
        return;
    }
    committed(p);
    if (row->state == BOOKING_AUTHORIZED) { /* the unique index refused what the guards let pass */
        p->why = item->outcome;
        go(p, STEP_EXPIRE);
        return;
    }
    row->charge = row->state == BOOKING_CONFIRMED ? CHARGE_CAPTURING : CHARGE_VOIDING;
    count_end(p);
    decide(p, STATUS_OK);
    go(p, row->state == BOOKING_CONFIRMED ? STEP_SOLD : STEP_FIND_CHARGE);
}

static void submit_commit(struct purchase *p, enum commit_lane lane, commit_cb cb)
{
    enum status status;

    p->item =
        (struct commit_item){.cb = cb, .row = purchase_row(p), .lane = lane, .trace = trace_of(p)};
    status = commit_submit(p->all->commit, &p->item);
    if (status)
        put_off(p, status);
}

static void run_commit(struct purchase *p)
{
    submit_commit(p, COMMIT_PAID, commit_done_cb);
}

static void buy_cb(struct commit_item *item, enum status status)
{
    struct purchase *p = container_of(item, struct purchase, item);
    struct purchase_row *row = purchase_row(p);

    if (status) {
        decide(p, status);
        go(p, STEP_END);
        return;
    }
    p->verdict = item->known ? LEDGER_KNOWN : LEDGER_BEGUN;
    if (item->known) {
        row->booking_id = item->booking_id;
        row->fingerprint = item->fingerprint;
    }
    committed(p);
    if (!item->known) {
        buf_clear(&row->labels);
        buf_append_slice(&row->labels, item->labels);
        count_end(p);
    }
    decide(p, STATUS_OK);
    go(p, !item->known && row->state == BOOKING_CONFIRMED ? STEP_SOLD : STEP_END);
}

static void run_buy(struct purchase *p)
{
    submit_commit(p, COMMIT_NEW, buy_cb);
}

/* ---- the seats in Redis ---- */

static void fill_hold(struct purchase *p)
{
    const struct purchase_row *row = purchase_row(p);
    struct hold *h = &p->hold.hold;

    p->hold = (struct hold_call){.trace = trace_of(p)};
    h->event_id = row->event_id;
    memcpy(h->id, row->hold_id, sizeof(h->id));
    memcpy(h->session, row->session, sizeof(h->session));
    h->fence = row->fence;
    h->seat_count = row->seat_count;
    memcpy(h->seats, row->seats, sizeof(h->seats));
    memcpy(h->versions, row->versions, sizeof(h->versions));
}

static void sold_cb(struct hold_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, hold);

    if (!status && p->all->changed)
        p->all->changed(p->all->ctx, purchase_row(p)->event_id);
    go(p, purchase_row(p)->charge == CHARGE_CAPTURING ? STEP_CAPTURE : STEP_END);
}

static void run_sold(struct purchase *p)
{
    enum status status;

    fill_hold(p);
    p->hold.cb = sold_cb;
    status = seat_store_sold(p->all->seats, &p->hold);
    if (status)
        sold_cb(&p->hold, status);
}

/* The payment came after its hold had ended: the same seats again, if they are free, under a new
 * hold; else the authorisation is given back. Nobody is asked to stay within limits a second time,
 * and the commit's guards decide as ever. */
static void retaken_cb(struct hold_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, hold);
    struct purchase_row *row = purchase_row(p);
    bool same =
        !status && call->outcome == HOLD_GRANTED &&
        memcmp(call->hold.versions, row->versions, row->seat_count * sizeof(row->versions[0])) == 0;

    p->why = OUTCOME_HOLD_EXPIRED;
    if (!same) {
        go(p, STEP_EXPIRE);
        return;
    }
    memcpy(row->hold_id, call->hold.id, sizeof(row->hold_id));
    row->fence = call->hold.fence;
    row->expires_ms = call->hold.expires_ms;
    p->ledger.cb = moved_cb;
    status = ledger_rehold(p->all->db, &p->ledger, p->all->lease_ms);
    if (status)
        put_off(p, status);
}

static void run_retake(struct purchase *p)
{
    enum status status;

    fill_hold(p);
    hold_id_make(purchase_row(p)->event_id, p->hold.hold.id);
    p->terms = (struct hold_terms){
        .ttl_ms = RETAKE_MS,
        .cap_ms = RETAKE_MS,
        .max_seats = HOLD_SEATS_MAX,
        .max_holds = HOLD_SEATS_MAX,
        .session_expires_ms =
            purchase_row(p)->session[0] ? loop_wall_ms(p->all->loop) + RETAKE_MS : 0,
    };
    p->hold.cb = retaken_cb;
    status = seat_store_place(p->all->seats, &p->hold, &p->terms);
    if (status)
        retaken_cb(&p->hold, status);
}

static void release_cb(struct hold_call *call, enum status status)
{
    (void)status; /* a hold that stays marked as paying ends with its time */
    go(container_of(call, struct purchase, hold), STEP_END);
}

/* The payment came to nothing; the hold stays for another try. */
static void run_release(struct purchase *p)
{
    fill_hold(p);
    p->hold.cb = release_cb;
    if (seat_store_unpay(p->all->seats, &p->hold))
        go(p, STEP_END);
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
    unsigned next; /* where it may go on; STEP_END always, STEP_LATER from what asks others */
} steps[] = {
    [STEP_BEGIN] = {"begin", run_begin,
                    TO(STEP_BEGIN) | TO(STEP_AUTHORIZE) | TO(STEP_LOOK_UP) | TO(STEP_COMMIT) |
                        TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                        TO(STEP_RELEASE)},
    [STEP_BUY] = {"buy", run_buy, TO(STEP_SOLD) | TO(STEP_LATER)},
    [STEP_AUTHORIZE] = {"authorize", run_authorize,
                        TO(STEP_AUTHORIZED) | TO(STEP_RETAKE) | TO(STEP_LOOK_UP) |
                            TO(STEP_DECLINED) | TO(STEP_PEND) | TO(STEP_EXPIRE) | TO(STEP_LATER)},
    [STEP_AUTHORIZED] = {"authorized", run_authorized,
                         TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) |
                             TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_LOOK_UP] = {"look_up", run_look_up,
                      TO(STEP_AUTHORIZE) | TO(STEP_AUTHORIZED) | TO(STEP_RETAKE) |
                          TO(STEP_DECLINED) | TO(STEP_PEND) | TO(STEP_EXPIRE) | TO(STEP_LATER)},
    [STEP_PEND] = {"pend", run_pend,
                   TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                       TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_RETAKE] = {"retake", run_retake,
                     TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_EXPIRE) | TO(STEP_CAPTURE) |
                         TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_DECLINED] = {"declined", run_declined,
                       TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                           TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_EXPIRE] = {"expire", run_expire,
                     TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_COMMIT] = {"commit", run_commit,
                     TO(STEP_SOLD) | TO(STEP_FIND_CHARGE) | TO(STEP_EXPIRE) | TO(STEP_READ) |
                         TO(STEP_LATER)},
    [STEP_READ] = {"read", run_read,
                   TO(STEP_AUTHORIZE) | TO(STEP_LOOK_UP) | TO(STEP_COMMIT) | TO(STEP_RETAKE) |
                       TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_SOLD] = {"sold", run_sold, TO(STEP_CAPTURE)},
    [STEP_CAPTURE] = {"capture", run_capture, TO(STEP_CAPTURED) | TO(STEP_LATER)},
    [STEP_CAPTURED] = {"captured", run_captured, TO(STEP_LATER)},
    [STEP_FIND_CHARGE] = {"find_charge", run_find_charge,
                          TO(STEP_VOID) | TO(STEP_VOIDED) | TO(STEP_LATER)},
    [STEP_VOID] = {"void", run_void, TO(STEP_VOIDED) | TO(STEP_LATER)},
    [STEP_VOIDED] = {"voided", run_voided, TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_RELEASE] = {"release", run_release, 0},
    [STEP_LATER] = {"later", run_later, 0},
    [STEP_END] = {"end", run_end, 0},
};

static void enter(struct purchase *p, enum step step)
{
    struct purchases *all = p->all;

    if (all->stopped && step != STEP_END) { /* what is left is on record */
        decide(p, STATUS_CANCELED);
        step = STEP_END;
    }
    p->step = step;
    if (all->point)
        all->point(all->ctx, steps[step].name);
    steps[step].run(p);
}

static void go(struct purchase *p, enum step step)
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
        decide(p, STATUS_OK); /* what is left concerns the provider only */
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

struct purchase *purchase_take(struct purchases *all)
{
    struct purchase *p = pool_take(&all->pool);

    if (!p)
        return NULL;
    memset(p, 0, sizeof(*p));
    p->all = all;
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
