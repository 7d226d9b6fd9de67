/* What all calls about holds and sessions have in common: one exchange from a fixed pool, from its
 * request to its answer. */
#ifndef HOLDFAST_BOOKING_HOLD_EXCHANGE_H
#define HOLDFAST_BOOKING_HOLD_EXCHANGE_H

#include "engine/booking/entry.h"
#include "engine/booking/hold_request.h"

struct hold_exchange {
    struct entry entry;
    struct engine *engine;
    struct http_request *req;
    struct hold_call call;
    struct hold_terms terms;
    struct slice key;
    char hold_id[HOLD_ID_SIZE];
    enum problem nothing; /* what it means when nothing was chosen and nothing is replayed */
    const char *nothing_detail;
    struct view_wait view_wait;
    struct view *picked_in; /* the view that has our seats marked as chosen, NULL: none */
    struct rng rng;
    unsigned attempt;
    union {
        struct hold_wish wish;
        struct hold_change_wish change;
    };
    struct session_call session;
};

/* From the pool; NULL when it is empty: 503 is answered. */
struct hold_exchange *hold_exchange_new(struct http_request *req, struct engine *e);
/* The last thing of every exchange: the request was answered. */
void hold_exchange_end(struct hold_exchange *x);

/* Each answers and ends the exchange. */
void hold_exchange_refused(struct entry *entry); /* entry_begin's `refused`: it has answered */
void hold_exchange_fail(struct hold_exchange *x, enum status status);
void hold_exchange_invalid(struct hold_exchange *x, const char *why);
void hold_exchange_refuse(struct hold_exchange *x); /* by the outcome of its call */

/* Names the hold for the call that comes next, and under which conditions it runs. */
void hold_exchange_call(struct hold_exchange *x, hold_call_cb cb);
void hold_exchange_terms(struct hold_exchange *x);

#endif
