/* The commit: gathers the purchases of at most 2 ms, or 128, into one statement
 * (sql/0002_commit.sql, 0003_purchase.sql), so that one flush to disk serves them all. What every
 * charged sale records on its way, the authorisation and the capture, is gathered likewise
 * (0010_gathered_moves.sql), each kind in a lane of its own.
 *
 *   commit_submit -> waiting -> batch (no seat and no key twice, seats sorted) -> PostgreSQL ->
 * each its own verdict
 *
 * A statement has until its last booking is due, COMMIT_DEADLINE_MS at most; a booking whose time
 * is over before it is in one is left out. What loses, loses alone. When nothing is on its way a
 * purchase waits for the end of the loop's turn only. A batch that meets another's key (unique
 * violation) is sent again; one that still does is sent one by one, so that the bad one is found.
 */
#ifndef HOLDFAST_BOOKING_COMMIT_H
#define HOLDFAST_BOOKING_COMMIT_H

#include "engine/base/due.h"
#include "engine/base/metric.h"
#include "engine/booking/purchase_row.h"
#include "engine/net/loop.h"
#include "engine/store/db.h"

#define COMMIT_BATCH_MAX       128
#define COMMIT_BATCH_SEATS_MAX 512 /* a booking has HOLD_SEATS_MAX at most */
#define COMMIT_GATHER_MS       2
#define COMMIT_WAITING_MAX     8192
#define COMMIT_DEADLINE_MS     5000

#define COMMIT_METRICS(X)                                                                          \
    X(COUNTER, commit_batches_total, "commit statements sent")                                     \
    X(COUNTER, commit_bookings_total, "bookings in them")                                          \
    X(COUNTER, move_batches_total, "statements that recorded authorisations or captures")          \
    X(COUNTER, moves_total, "authorisations and captures in them")                                 \
    X(COUNTER, commit_lost_total, "bookings that lost: seat taken, hold expired, price changed")   \
    X(COUNTER, commit_repeats_total, "statements of both kinds repeated after a unique violation") \
    X(COUNTER, commit_failures_total, "statements of both kinds without an answer")                \
    X(GAUGE, commit_waiting, "bookings waiting for a batch")                                       \
    X(HISTOGRAM, commit_us, "time from submit to verdict")

METRIC_STRUCT(commit_metrics, COMMIT_METRICS);

struct commit;
struct commit_item;
/* OK: the verdict is set. Otherwise whether the purchase was committed is not known; the buyer's
 * next try with its key finds out. */
typedef void (*commit_cb)(struct commit_item *item, enum status status);

enum commit_lane {
    COMMIT_NEW,        /* an event without charge: claim, sale and record in one step; needs the
                          whole row */
    COMMIT_AUTHORIZED, /* records an authorisation: event_id, booking_id, provider_ref if not "" */
    COMMIT_PAID,       /* an authorised purchase: event_id, booking_id, and what its news tells */
    COMMIT_CAPTURED,   /* records a capture: event_id, booking_id */
    COMMIT_LANES
};

/* Embedded by the caller, zeroed. */
struct commit_item {
    commit_cb cb;
    const struct purchase_row *row; /* borrowed until the callback */
    enum commit_lane lane;
    struct slice trace; /* traceparent or empty */
    struct due due;     /* COMMIT_NEW: of its request. None for what is authorised: that must end */
    /* the verdict of AUTHORIZED, CAPTURED: false when the purchase was not where it may be moved
       from; nothing was recorded then */
    bool moved;
    /* the verdict of NEW, PAID */
    bool known; /* COMMIT_NEW: the key was on record; booking_id and fingerprint are those of the
                   record, nothing was changed */
    struct uuid booking_id, fingerprint;
    enum booking_state state;
    enum booking_outcome outcome;
    struct slice labels; /* of a sale, valid in the callback */
    /* private */
    struct list link;
    int64_t submitted_ns;
    unsigned attempts;
    bool alone;
};

/* `batches`: statements on their way at once, per lane; 0: 4. */
struct commit *commit_new(struct loop *l, struct db *db, size_t batches);
/* What waits completes with CANCELED, inside the call; what is on its way when the db is closed. */
void commit_stop(struct commit *c);
void commit_free(
    struct commit *c); /* after it was stopped, the db is closed and the loop has turned */
struct metric_group *commit_metrics(struct commit *c);

/* OVERLOADED past COMMIT_WAITING_MAX, TIMEOUT when no time is left, CANCELED when stopped. */
enum status commit_submit(struct commit *c, struct commit_item *item) MUST_CHECK;

#endif
