/* The completer: goes on with purchases and refunds whose worker died, and looks after those that
 * wait for a provider. Every engine has one; what one takes the others skip. */
#ifndef HOLDFAST_BOOKING_COMPLETER_H
#define HOLDFAST_BOOKING_COMPLETER_H

#include "engine/booking/purchase.h"
#include "engine/booking/refund.h"

#define COMPLETER_POLL_MS 1000

struct completer {
    struct purchases *purchases;
    struct refunds *refunds;
    /* private */
    struct timer timer;
    struct db_request purchase_request, refund_request;
    struct purchase_lease lease; /* of the purchases that are asked for */
    bool asking_purchases, asking_refunds, closing;
};

void completer_init(struct completer *c, struct purchases *purchases, struct refunds *refunds);
void completer_wake(struct completer *c); /* something is due now: a webhook came */
/* Stops asking. What it took goes on. Memory as a timer's; close the db before. */
void completer_close(struct completer *c);

#endif
