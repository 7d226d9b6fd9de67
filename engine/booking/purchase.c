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
    [STEP_BEGIN] = {"begin", purchase_run_begin,
                    TO(STEP_BEGIN) | TO(STEP_AUTHORIZE) | TO(STEP_LOOK_UP) | TO(STEP_COMMIT) |
                        TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                        TO(STEP_RELEASE)},
    [STEP_BUY] = {"buy", purchase_run_buy, TO(STEP_SOLD)},
    [STEP_AUTHORIZE] = {"authorize", purchase_run_authorize,
                        TO(STEP_AUTHORIZED) | TO(STEP_RETAKE) | TO(STEP_LOOK_UP) |
                            TO(STEP_DECLINED) | TO(STEP_PEND) | TO(STEP_EXPIRE) | TO(STEP_LATER)},
    [STEP_AUTHORIZED] = {"authorized", purchase_run_authorized,
                         TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) |
                             TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_LOOK_UP] = {"look_up", purchase_run_look_up,
                      TO(STEP_AUTHORIZE) | TO(STEP_AUTHORIZED) | TO(STEP_RETAKE) |
                          TO(STEP_DECLINED) | TO(STEP_PEND) | TO(STEP_EXPIRE) | TO(STEP_LATER)},
    [STEP_PEND] = {"pend", purchase_run_pend,
                   TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                       TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_RETAKE] = {"retake", purchase_run_retake,
                     TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_EXPIRE) | TO(STEP_CAPTURE) |
                         TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_DECLINED] = {"declined", purchase_run_declined,
                       TO(STEP_COMMIT) | TO(STEP_RETAKE) | TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) |
                           TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_EXPIRE] = {"expire", purchase_run_expire,
                     TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_COMMIT] = {"commit", purchase_run_commit,
                     TO(STEP_SOLD) | TO(STEP_FIND_CHARGE) | TO(STEP_EXPIRE) | TO(STEP_READ) |
                         TO(STEP_LATER)},
    [STEP_READ] = {"read", purchase_run_read,
                   TO(STEP_AUTHORIZE) | TO(STEP_LOOK_UP) | TO(STEP_COMMIT) | TO(STEP_RETAKE) |
                       TO(STEP_CAPTURE) | TO(STEP_FIND_CHARGE) | TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_SOLD] = {"sold", purchase_run_sold, TO(STEP_CAPTURE)},
    [STEP_CAPTURE] = {"capture", purchase_run_capture, TO(STEP_CAPTURED) | TO(STEP_LATER)},
    [STEP_CAPTURED] = {"captured", purchase_run_captured, TO(STEP_LATER)},
    [STEP_FIND_CHARGE] = {"find_charge", purchase_run_find_charge,
                          TO(STEP_VOID) | TO(STEP_VOIDED) | TO(STEP_LATER)},
    [STEP_VOID] = {"void", purchase_run_void, TO(STEP_VOIDED) | TO(STEP_LATER)},
    [STEP_VOIDED] = {"voided", purchase_run_voided, TO(STEP_RELEASE) | TO(STEP_LATER)},
    [STEP_RELEASE] = {"release", purchase_run_release, 0},
    [STEP_LATER] = {"later", purchase_run_later, 0},
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
    enum step step = purchase_next_step(p);

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
