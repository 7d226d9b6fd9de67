/* The reconciler: asks the provider about every payment that has come to rest, once, and compares.
 * Once is enough because what is at rest there stays so: captured, voided and declined are ends,
 * and a payment that ended without a charge is fenced instead of looked up. It is due again every
 * minute until the provider has answered. A card that is still blocked though the booking ended
 * without a sale is released; any other difference is told in the log and counted, for people to
 * decide. Every engine has one; what one takes the others skip. */
#ifndef HOLDFAST_BOOKING_RECONCILER_H
#define HOLDFAST_BOOKING_RECONCILER_H

#include "engine/booking/purchase.h"

#define RECONCILER_POLL_MS 2000
#define RECONCILER_REST_MS 20000

struct reconciler_job {
    struct reconciler *reconciler;
    struct purchase_row row;
    struct payment_call payment;
    struct db_request request;
    bool busy;
};

struct reconciler {
    struct purchases *purchases;
    int64_t rest_ms, timer_ms; /* how long a payment is left alone first; how often is looked */
    /* private */
    struct timer timer;
    struct db_request request;
    struct reconciler_job jobs[LEDGER_RESUME_MAX];
    size_t busy;
    bool asking, closing;
};

extern const struct db_statement reconciler_due_statement, reconciler_compared_statement;

void reconciler_init(struct reconciler *r, struct purchases *purchases, int64_t poll_ms,
                     int64_t rest_ms);
void reconciler_close(
    struct reconciler *r); /* stops asking; before the db and the providers' clients are closed */
void reconciler_free(struct reconciler *r); /* after that, when the loop has turned */

#endif
