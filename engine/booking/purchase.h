/* A purchase from the claim of its key to its recorded end: a table of steps, each idempotent,
 * between recovery points in PostgreSQL (the saga).
 *
 *   begin -> authorize -> authorized -> commit -> sold -> capture -> captured -> end
 *     |          |  |                     |
 *     |          |  |                     \-refused-> find or fence charge -> void -> voided -> end
 *     |          |  |
 *     |          |  \-lost answer-> look up -> authorized, pend, declined
 *     |          |
 *     |          \-decided later-> pend -> end; declined -> end; hold over -> retake or expire
 *     |
 *     \-refused, replayed-> end
 *
 * No provider is called inside a transaction; never is captured before the commit. The buyer is
 * answered when it is decided: at begin (refused), at declined, at pend (202), or when the commit
 * is durable. The capture is then a matter between us and the provider: it is on record as to be
 * done, and the completer does it if this process dies. Marking the seats in Redis is a courtesy,
 * the relay repeats it from the outbox.
 *
 * A buyer whose request has no time left is not kept waiting: before the claim that is the end of
 * it, nothing was begun; after it the answer is given up (202 while the payment is undecided, else
 * 503) and the purchase goes on by itself, each step within its own limit.
 *
 * A payment that is authorised after its hold has ended takes the same seats again if they are free
 * (retake), else it is given back: never is sold on an expired hold.
 *
 * A worker that dies leaves a lease that runs out; whoever asks the ledger next goes on from the
 * recovery point. Two workers on one purchase are harmless: every move is checked in PostgreSQL,
 * every call to the provider has its key. What ends without a charge is fenced at the provider
 * before that is on record: a worker that was stopped just before it authorised, and asks when all
 * is over, is answered that there is no charge, and may die of it. */
#ifndef HOLDFAST_BOOKING_PURCHASE_H
#define HOLDFAST_BOOKING_PURCHASE_H

#include "engine/base/pool.h"
#include "engine/booking/commit.h"
#include "engine/booking/ledger.h"

#define PURCHASE_PROVIDERS_MAX 2
#define PURCHASE_LEASE_MARGIN  4 /* the last of so many parts of a lease is not counted on */
#define PURCHASE_TRACE_SIZE    64

#define PURCHASE_METRICS(X)                                                                        \
    X(COUNTER, bookings_confirmed_total, "bookings confirmed")                                     \
    X(COUNTER, bookings_refused_total,                                                             \
      "bookings that ended without a sale: seats gone, hold expired, price changed")               \
    X(COUNTER, bookings_replayed_total, "bookings answered from the record of their key")          \
    X(COUNTER, payments_declined_total, "payments that the provider declined")                     \
    X(COUNTER, payments_pending_total, "payments that the provider decides later")                 \
    X(COUNTER, payments_voided_total, "authorisations given back because the commit lost")         \
    X(COUNTER, payments_asked_total, "times the provider was asked how a payment stands")          \
    X(COUNTER, purchases_resumed_total,                                                            \
      "purchases taken over from a worker that died, or looked after later")                       \
    X(COUNTER, purchases_put_off_total,                                                            \
      "purchases left to the completer because a dependency did not answer")                       \
    X(COUNTER, purchases_late_total,                                                               \
      "purchases whose worker came too late to ask the provider: its lease was over")              \
    X(COUNTER, purchases_outlasting_total,                                                         \
      "purchases that took longer than their request may and went on without its buyer")           \
    X(COUNTER, refunds_total, "refunds begun")                                                     \
    X(COUNTER, webhooks_total, "webhooks received, each once")                                     \
    X(COUNTER, webhooks_refused_total, "webhooks without a valid signature")                       \
    X(COUNTER, reconciled_total,                                                                   \
      "payments on which the reconciler found the provider of another opinion")                    \
    X(GAUGE, purchases_in_flight, "purchases that this process works on")

METRIC_STRUCT(purchase_metrics, PURCHASE_METRICS);

struct purchase;
/* OK: purchase->verdict and its row tell. Otherwise the outcome is not known yet; asking again with
 * the key finds out. */
typedef void (*purchase_cb)(struct purchase *p, enum status status);

/* What all purchases of a process share. The caller's part is set before purchases_init. */
struct purchases {
    struct loop *loop;
    struct db *db;
    struct seat_store *seats;
    struct commit *commit;
    struct payment_provider providers[PURCHASE_PROVIDERS_MAX]; /* the unused have no ops */
    int64_t lease_ms;                                          /* of a worker on a purchase */
    int64_t poll_ms; /* how soon a payment that is pending, or a dependency that did not answer, is
                        asked again */
    void (*changed)(void *ctx, uint64_t event_id); /* seats of the event changed; may be NULL */
    void (*point)(
        void *ctx,
        const char *step); /* before each step: for tests that crash there; NULL in production */
    void *ctx;
    struct purchase_metrics metrics;
    /* private */
    struct pool pool;
    struct metric_group group;
    bool stopped;
};

/* When a lease was asked for, by both clocks of this process: PostgreSQL grants it afterwards, so
 * it runs for at least lease_ms from here. */
struct purchase_lease {
    int64_t mono_ns, wall_ms;
};

struct purchase {
    struct purchases *all;
    struct ledger_call ledger; /* ledger.row is the purchase */
    struct hold_call hold;
    char trace[PURCHASE_TRACE_SIZE]; /* traceparent, or "" */
    /* who waits for the decision; NULL: nobody (any more) */
    purchase_cb decided;
    void *decided_ctx;
    struct due due; /* of that request */
    enum ledger_verdict verdict;
    /* private */
    struct payment_call payment;
    struct commit_item item;
    struct hold_terms terms;  /* of retake */
    enum booking_outcome why; /* of expire */
    unsigned step;
    struct purchase_lease lease;
    bool answer_lost;
    bool
        charged; /* the provider has told this worker of a charge; nobody has looked for it since */
};

void purchases_init(struct purchases *all, size_t in_flight_max);
void purchases_stop(
    struct purchases *all); /* whatever comes back from now on ends its purchase where it stands */
void purchases_free(struct purchases *all); /* nothing may be in flight: db, seat store, commit and
                                               the providers' clients are closed */
struct metric_group *purchases_metrics(struct purchases *all);
struct payment_provider *purchases_provider(struct purchases *all,
                                            struct slice name); /* NULL: not known here */

/* A purchase to fill; NULL when too many are in flight. It ends itself after purchase_begin, _buy
 * or _resume; before that purchase_drop gives it back. */
struct purchase *purchase_take(struct purchases *all);
void purchase_drop(struct purchase *p);

/* The row is filled from request and hold. `decided` may come inside these calls. */
void purchase_begin(struct purchase *p); /* an event with charge */
void purchase_buy(struct purchase *p);   /* without: one step */
/* The row is as the ledger has it, its lease is ours; where it was not asked for after
 * purchase_take, purchase->lease tells when. */
void purchase_resume(struct purchase *p);

struct purchase_lease purchase_lease_now(const struct purchases *all);

static inline struct purchase_row *purchase_row(struct purchase *p)
{
    return &p->ledger.row;
}

#endif
