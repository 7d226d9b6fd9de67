/* A purchase as the ledger has it: the row of the view `purchase` (sql/0003_purchase.sql), with the
 * recovery point it stands at. */
#ifndef HOLDFAST_BOOKING_PURCHASE_ROW_H
#define HOLDFAST_BOOKING_PURCHASE_ROW_H

#include "engine/base/buf.h"
#include "engine/base/uuid.h"
#include "engine/booking/payment.h"
#include "engine/booking/seat_store.h"

#define PURCHASE_EMAIL_MAX       254 /* bytes, RFC 5321 section 4.5.3.1.3 */
#define PURCHASE_NAME_MAX        200
#define PURCHASE_LABELS_MAX      16384
#define PURCHASE_LABEL_SEPARATOR '\x1f'

/* X(NAME, "text"): booking.state */
#define BOOKING_STATE_MAP(X)                                                                       \
    X(PENDING, "pending")                                                                          \
    X(AUTHORIZED, "authorized")                                                                    \
    X(CONFIRMED, "confirmed")                                                                      \
    X(CANCELLED, "cancelled")                                                                      \
    X(REFUNDED, "refunded")                                                                        \
    X(DECLINED, "declined")                                                                        \
    X(LOST, "lost")                                                                                \
    X(EXPIRED, "expired")

enum booking_state {
#define X(name, text) BOOKING_##name,
    BOOKING_STATE_MAP(X)
#undef X
};

/* X(NAME, "text"): payment.state; NONE: an event without charge, or one that ended before its
 * payment began. */
#define CHARGE_STATE_MAP(X)                                                                        \
    X(NONE, "")                                                                                    \
    X(AUTHORIZING, "authorizing")                                                                  \
    X(PENDING, "pending")                                                                          \
    X(AUTHORIZED, "authorized")                                                                    \
    X(DECLINED, "declined")                                                                        \
    X(CAPTURING, "capturing")                                                                      \
    X(CAPTURED, "captured")                                                                        \
    X(VOIDING, "voiding")                                                                          \
    X(VOIDED, "voided")

enum charge_state {
#define X(name, text) CHARGE_##name,
    CHARGE_STATE_MAP(X)
#undef X
};

/* Why a purchase did not end confirmed; the text is booking.outcome and the problem code on the
 * wire. */
#define BOOKING_OUTCOME_MAP(X)                                                                     \
    X(SOLD, "")                                                                                    \
    X(SEAT_TAKEN, "seat_taken")                                                                    \
    X(HOLD_EXPIRED, "hold_expired")                                                                \
    X(PRICE_CHANGED, "price_changed")                                                              \
    X(DECLINED, "payment_declined")

enum booking_outcome {
#define X(name, text) OUTCOME_##name,
    BOOKING_OUTCOME_MAP(X)
#undef X
};

struct purchase_row {
    uint64_t event_id;
    struct uuid booking_id;
    struct uuid idem, fingerprint; /* idem: only set by who asks */
    enum booking_state state;
    enum booking_outcome outcome;
    enum charge_state charge;
    bool leased; /* somebody is on it */
    char hold_id[HOLD_ID_SIZE], session[HOLD_SESSION_SIZE];
    uint64_t fence;
    int64_t expires_ms, created_ms, confirmed_ms;
    size_t seat_count;
    uint32_t seats[HOLD_SEATS_MAX],
        versions[HOLD_SEATS_MAX]; /* as held: a sold seat has one more */
    bool live[HOLD_SEATS_MAX];
    char email[PURCHASE_EMAIL_MAX + 1], name[PURCHASE_NAME_MAX + 1];
    int64_t total, captured, refunded;
    char currency[4];
    char provider[16], token[PAYMENT_TOKEN_SIZE], provider_ref[PAYMENT_REF_SIZE];
    struct buf labels; /* of the seats, PURCHASE_LABEL_SEPARATOR between them; owned */
};

/* The question `op` to the provider about this purchase, its total as the amount. The key is the
 * booking's with `step`: who asks for the same step again, a worker or the reconciler, asks once.
 */
void purchase_row_payment(const struct purchase_row *row, enum payment_op op, const char *step,
                          payment_cb cb, struct payment_call *ret_call);

void purchase_row_init(struct purchase_row *row); /* zeroes */
void purchase_row_free(struct purchase_row *row);

const char *booking_state_text(enum booking_state state);
const char *booking_outcome_text(enum booking_outcome outcome);
bool booking_state_parse(struct slice text, enum booking_state *ret_state);
bool booking_outcome_parse(struct slice text, enum booking_outcome *ret_outcome);
bool charge_state_parse(struct slice text, enum charge_state *ret_state);

/* Reads columns first.. of a row of the view; a shape that is not the view's is a bug (assert). */
struct db_result;
void purchase_row_read(struct purchase_row *row, const struct db_result *r, size_t at,
                       size_t first);

/* The payload of booking.confirmed (topic holdfast.bookings). */
void purchase_row_news(const struct purchase_row *row, struct buf *b);

/* "1,2,3" into numbers, at most HOLD_SEATS_MAX; returns how many. */
size_t seat_numbers_read(struct slice text, uint32_t ret_numbers[HOLD_SEATS_MAX]);

#endif
