/* The ledger: typed asynchronous calls over the SQL functions of the purchase
 * (sql/0003_purchase.sql, 0004_refund.sql). Each is one transaction. The commit itself goes through
 * commit.h, which gathers.
 *
 * What a request waits for gets deadline_ms, which is what is left of its time (due.h) or
 * LEDGER_DEADLINE_MS; what a purchase does for itself has LEDGER_DEADLINE_MS. */
#ifndef HOLDFAST_BOOKING_LEDGER_H
#define HOLDFAST_BOOKING_LEDGER_H

#include "engine/booking/purchase_row.h"
#include "engine/store/db.h"

#define LEDGER_DEADLINE_MS 5000

struct ledger_call;
typedef void (*ledger_cb)(struct ledger_call *call, enum status status);

enum ledger_verdict {
    LEDGER_NONE, /* there is no such row */
    LEDGER_BEGUN,
    LEDGER_KNOWN,      /* the key has this record */
    LEDGER_TAKEN_OVER, /* so had it, its worker died, and the lease is the caller's now */
    LEDGER_BUSY,       /* another purchase of this hold is under way */
    LEDGER_NOT_REFUNDABLE,
};

/* Embedded by the caller. `row` is filled by the callback; for ledger_begin the caller fills it
 * before. */
struct ledger_call {
    ledger_cb cb;
    struct purchase_row row;
    enum ledger_verdict verdict;
    /* private */
    struct db_request request;
};

/* Moves of booking_move. */
enum ledger_move {
    MOVE_AUTHORIZED,
    MOVE_PENDING,
    MOVE_DECLINED,
    MOVE_EXPIRED,
    MOVE_CAPTURED,
    MOVE_VOIDED,
    MOVE_LATER
};

/* The row of an Idempotency-Key, row.event_id and row.idem given. KNOWN, NONE. */
enum status ledger_find(struct db *db, struct ledger_call *call, unsigned deadline_ms) MUST_CHECK;
/* The row of a booking, row.event_id and row.booking_id given. KNOWN, NONE. */
enum status ledger_read(struct db *db, struct ledger_call *call, unsigned deadline_ms) MUST_CHECK;
/* Claims key and hold and records the intention to authorise. BEGUN (row.outcome tells whether it
 * has ended at once), KNOWN, TAKEN_OVER, BUSY. A key claimed at this very moment is CONFLICT: call
 * again. */
enum status ledger_begin(struct db *db, struct ledger_call *call, int64_t lease_ms,
                         unsigned deadline_ms) MUST_CHECK;
/* Moves row.booking_id of row.event_id; row.provider_ref is recorded when not "". Where it may not
 * be moved it is left. The row afterwards tells. */
enum status ledger_move(struct db *db, struct ledger_call *call, enum ledger_move move,
                        enum booking_outcome outcome, int64_t lease_ms) MUST_CHECK;

/* An authorised purchase gets the hold that row.hold_id, fence and expires_ms name, in place of one
 * that has ended. */
enum status ledger_rehold(struct db *db, struct ledger_call *call, int64_t lease_ms) MUST_CHECK;

#define LEDGER_RESUME_MAX 16

/* Purchases whose lease ran out, up to LEDGER_RESUME_MAX. The rows are read one by one in the
 * callback with purchase_row_read(row, result, i, 0). */
extern const struct db_statement ledger_resume;
/* Also for others with the parameters limit (it is LEDGER_RESUME_MAX) and a time in ms:
 * refund_resume, payment_reconcile. */
enum status ledger_resume_submit(struct db *db, struct db_request *request,
                                 const struct db_statement *statement, int64_t lease_ms) MUST_CHECK;

#endif
