/* The steps of a purchase, as its files share them: purchase.c has the table, purchase_record.c
 * writes the record, purchase_provider.c speaks with the provider, purchase_seats.c commits and
 * tells Redis. */
#ifndef HOLDFAST_BOOKING_PURCHASE_STEPS_H
#define HOLDFAST_BOOKING_PURCHASE_STEPS_H

#include "engine/booking/purchase.h"

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

/* Goes on to `step`, which the table must allow from where the purchase is. */
void purchase_go(struct purchase *p, enum step step);
/* Tells the buyer, once. */
void purchase_decide(struct purchase *p, enum status status);
/* A dependency did not answer: the completer will look after it. */
void purchase_put_off(struct purchase *p, enum status why);
void purchase_count_end(struct purchase *p);

/* purchase_record.c */
bool purchase_hold_is_over(const struct purchase *p);
/* Where a purchase goes on from what is on record. */
enum step purchase_next_step(struct purchase *p);
/* Of a ledger call: goes on from where the row really stands. */
void purchase_moved_cb(struct ledger_call *call, enum status status);
void purchase_run_begin(struct purchase *p);
void purchase_run_read(struct purchase *p);
void purchase_run_authorized(struct purchase *p);
void purchase_run_pend(struct purchase *p);
void purchase_run_declined(struct purchase *p);
void purchase_run_expire(struct purchase *p);
void purchase_run_captured(struct purchase *p);
void purchase_run_voided(struct purchase *p);
void purchase_run_later(struct purchase *p);

/* purchase_provider.c */
void purchase_run_authorize(struct purchase *p);
void purchase_run_look_up(struct purchase *p);
void purchase_run_capture(struct purchase *p);
void purchase_run_find_charge(struct purchase *p);
void purchase_run_void(struct purchase *p);

/* purchase_seats.c */
void purchase_run_commit(struct purchase *p);
void purchase_run_buy(struct purchase *p);
void purchase_run_sold(struct purchase *p);
void purchase_run_retake(struct purchase *p);
void purchase_run_release(struct purchase *p);

#endif
