/* The steps of a purchase that decide over its seats: the commit in PostgreSQL, and what Redis is
 * told of it. */
#include "engine/booking/purchase_steps.h"

#define RETAKE_MS 10000 /* how long the hold of a late payment lasts: its commit is next */

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
            purchase_put_off(p, status);
        else
            purchase_go(p, STEP_READ);
        return;
    }
    committed(p);
    if (row->state == BOOKING_AUTHORIZED) { /* the unique index refused what the guards let pass */
        p->why = item->outcome;
        purchase_go(p, STEP_EXPIRE);
        return;
    }
    row->charge = row->state == BOOKING_CONFIRMED ? CHARGE_CAPTURING : CHARGE_VOIDING;
    purchase_count_end(p);
    purchase_decide(p, STATUS_OK);
    purchase_go(p, row->state == BOOKING_CONFIRMED ? STEP_SOLD : STEP_FIND_CHARGE);
}

void purchase_run_commit(struct purchase *p)
{
    enum status status;

    p->item = (struct commit_item){
        .cb = commit_done_cb, .row = purchase_row(p), .lane = COMMIT_PAID, .trace = trace_of(p)};
    status = commit_submit(p->all->commit, &p->item);
    if (status)
        purchase_put_off(p, status);
}

static void buy_cb(struct commit_item *item, enum status status)
{
    struct purchase *p = container_of(item, struct purchase, item);
    struct purchase_row *row = purchase_row(p);

    if (status) {
        purchase_decide(p, status);
        purchase_go(p, STEP_END);
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
        purchase_count_end(p);
    }
    purchase_decide(p, STATUS_OK);
    purchase_go(p, !item->known && row->state == BOOKING_CONFIRMED ? STEP_SOLD : STEP_END);
}

void purchase_run_buy(struct purchase *p)
{
    enum status status;

    p->item = (struct commit_item){.cb = buy_cb,
                                   .row = purchase_row(p),
                                   .lane = COMMIT_NEW,
                                   .trace = trace_of(p),
                                   .due = p->due};
    status = commit_submit(p->all->commit, &p->item);
    if (status)
        buy_cb(&p->item, status);
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
    purchase_go(p, purchase_row(p)->charge == CHARGE_CAPTURING ? STEP_CAPTURE : STEP_END);
}

void purchase_run_sold(struct purchase *p)
{
    enum status status;

    fill_hold(p);
    p->hold.cb = sold_cb;
    status = seat_store_sold(p->all->seats, &p->hold);
    if (status)
        sold_cb(&p->hold, status);
}

static void given_up_cb(struct hold_call *call, enum status status)
{
    (void)status; /* else it ends with its time */
    purchase_go(container_of(call, struct purchase, hold), STEP_EXPIRE);
}

/* A hold that nobody is told of: its seats have been sold and returned meanwhile. */
static void give_up_retaken(struct purchase *p)
{
    p->hold.cb = given_up_cb;
    if (seat_store_release(p->all->seats, &p->hold))
        purchase_go(p, STEP_EXPIRE);
}

/* The payment came after its hold had ended: the same seats again, if they are free, under a new
 * hold; else the authorisation is given back. Nobody is asked to stay within limits a second time,
 * and the commit's guards purchase_decide as ever. */
static void retaken_cb(struct hold_call *call, enum status status)
{
    struct purchase *p = container_of(call, struct purchase, hold);
    struct purchase_row *row = purchase_row(p);
    bool granted = !status && call->outcome == HOLD_GRANTED;
    bool same = granted && memcmp(call->hold.versions, row->versions,
                                  row->seat_count * sizeof(row->versions[0])) == 0;

    p->why = OUTCOME_HOLD_EXPIRED;
    if (!same) {
        if (granted)
            give_up_retaken(p);
        else
            purchase_go(p, STEP_EXPIRE);
        return;
    }
    memcpy(row->hold_id, call->hold.id, sizeof(row->hold_id));
    row->fence = call->hold.fence;
    row->expires_ms = call->hold.expires_ms;
    p->ledger.cb = purchase_moved_cb;
    status = ledger_rehold(p->all->db, &p->ledger, p->all->lease_ms);
    if (status)
        purchase_put_off(p, status);
}

void purchase_run_retake(struct purchase *p)
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
    purchase_go(container_of(call, struct purchase, hold), STEP_END);
}

/* The payment came to nothing; the hold stays for another try. */
void purchase_run_release(struct purchase *p)
{
    fill_hold(p);
    p->hold.cb = release_cb;
    if (seat_store_unpay(p->all->seats, &p->hold))
        purchase_go(p, STEP_END);
}
