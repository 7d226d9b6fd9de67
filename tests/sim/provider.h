/* The payment provider of a world: the charge book and the token scripts of paysim, behind a client
 * that loses requests, loses answers, and sends twice. */
#ifndef HOLDFAST_TESTS_SIM_PROVIDER_H
#define HOLDFAST_TESTS_SIM_PROVIDER_H

#include "engine/base/uuid.h"

struct provider_options {
    bool capture_at_once; /* plant: the money is taken when the card is authorised */
    bool void_forgotten;  /* plant: says that it is voided, and keeps the money reserved */
    bool fence_forgotten; /* plant: says that there is no charge, and lets one come later */
    bool refund_twice;    /* plant: does not know the key of a refund again */
};
extern struct provider_options provider_options;

void provider_begin(void);
void provider_end(void);

/* What the provider has on a booking: amounts, and whether money is still reserved. False: there is
 * no charge. */
struct provider_view {
    int64_t amount, captured, refunded;
    bool undecided, reserved;
};
size_t provider_count(void);
extern uint64_t provider_changes; /* grows with everything that a charge goes through */
void provider_charge(size_t i, uint64_t *ret_event_id, struct uuid *ret_booking_id,
                     struct provider_view *ret_view);

/* A webhook is due to some engine: called with its JSON. */
extern void (*provider_webhook)(struct slice payload);

#endif
