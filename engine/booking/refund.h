/* Tickets, or money without them, given back: PostgreSQL first (they die, their seats are free with
 * a new version, the money is on record as owed), then the provider, then Redis; each step
 * idempotent, resumed by the completer (sql/0004_refund.sql, 0008_refund_amount.sql). Money without
 * tickets is the box office's to give: a buyer who could ask for it would keep the seat. */
#ifndef HOLDFAST_BOOKING_REFUND_H
#define HOLDFAST_BOOKING_REFUND_H

#include "engine/booking/ledger.h"
#include "engine/booking/purchase.h"

struct refund_row {
    uint64_t event_id;
    struct uuid refund_id, booking_id, fingerprint;
    struct uuid idem; /* only set by who asks */
    bool cancel;
    size_t seat_count; /* asked with 0: all that are live; 0 afterwards: money only */
    uint32_t seats[HOLD_SEATS_MAX], versions[HOLD_SEATS_MAX];
    int64_t asked_amount; /* only set by who asks: so much money and no ticket; 0: tickets */
    int64_t amount;       /* returned, or to be; never more than is left of what was captured */
    char currency[4];
    enum booking_state state; /* of the booking */
    bool unfinished;          /* money is still owed */
    char provider[16], provider_ref[PAYMENT_REF_SIZE];
};

struct refunds;
struct refund;
/* OK: verdict (BEGUN, KNOWN, NOT_REFUNDABLE, NONE: no such booking) and row tell. */
typedef void (*refund_cb)(struct refund *r, enum status status);

struct refunds {
    struct purchases *purchases; /* stores and providers are shared with them */
    struct pool pool;
};

struct refund {
    struct refunds *all;
    struct refund_row row;
    enum ledger_verdict verdict;
    refund_cb decided;
    void *decided_ctx;
    struct due due; /* of that request */
    char trace[PURCHASE_TRACE_SIZE];
    /* private */
    struct db_request request;
    struct payment_call payment;
    struct hold_call hold;
};

extern const struct db_statement refund_begin_statement, refund_done_statement,
    refund_resume_statement;

void refunds_init(struct refunds *all, struct purchases *purchases, size_t in_flight_max);
void refunds_free(struct refunds *all);

/* As purchase_take, _drop, _begin and _resume. */
struct refund *refund_take(struct refunds *all);
void refund_drop(struct refund *r);
void refund_begin(struct refund *r); /* row: event, refund_id, booking_id, idem, fingerprint,
                                        cancel, seats or asked_amount */
void refund_resume(struct refund *r);

/* Columns first.. of a row of the view refund_work. */
void refund_row_read(struct refund_row *row, const struct db_result *r, size_t at, size_t first);

#endif
