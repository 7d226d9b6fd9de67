/* What a body of POST /v1/bookings/{eventId} asks for: parsed, bounded, and named by a fingerprint
 * of its meaning. */
#ifndef HOLDFAST_BOOKING_BOOKING_REQUEST_H
#define HOLDFAST_BOOKING_BOOKING_REQUEST_H

#include "engine/booking/purchase_row.h"

struct booking_wish {
    char hold_id[HOLD_ID_SIZE];     /* "": the session's hold that has exactly these seats */
    uint32_t seats[HOLD_SEATS_MAX]; /* sorted, distinct */
    size_t seat_count;
    int64_t expected_total;
    char email[PURCHASE_EMAIL_MAX + 1], name[PURCHASE_NAME_MAX + 1];
    char provider[16], token[PAYMENT_TOKEN_SIZE]; /* "": no paymentDetails */
};

/* INVALID with ret_why naming the field. */
enum status booking_wish_read(json_t *body, struct booking_wish *ret_wish, char *ret_why,
                              size_t why_size) MUST_CHECK;
/* The same for bodies that differ in order or spaces only. */
struct uuid booking_wish_fingerprint(const struct booking_wish *w, uint64_t event_id);

/* {"tickets":["<n>",..]?} of a refund; neither tickets nor amount: all. With ret_amount, who asks
 * is the box office and may say {"amount":N} instead; 0: it did not. */
enum status refund_wish_read(json_t *body, uint32_t ret_seats[HOLD_SEATS_MAX], size_t *ret_count,
                             int64_t *ret_amount, char *ret_why, size_t why_size) MUST_CHECK;

/* Half a SHA-256 of the parts, which are kept apart: names an Idempotency-Key together with whose
 * it is. */
struct uuid idempotency_name(struct slice principal, struct slice key);

#endif
