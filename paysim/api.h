/* HTTP calls of the payment simulator.
 *
 * | call | answer |
 * |---|---|
 * | POST /v1/charges {"reference","token","amount","currency","confirm"?} | 200 the charge, 202
 * while it is pending, 402 declined, 422 another charge has this reference | | POST
 * /v1/charges/{id}/capture,
 * .../void | 200 the charge, 409 | | POST /v1/charges/{id}/refunds {"amount"}, Idempotency-Key |
 * 200 the charge, 409 | | GET /v1/charges?reference=R | 200 the charge, 404 | | GET
 * /v1/charges?after=N&limit=M | 200 {"charges":[..],"next":N} in the order of creation; `next` is
 * null at the end | | GET /v1/totals | 200 {"charges","authorized","captured","refunded"}: numbers
 * and minor units |
 *
 * A charge with "confirm": false asks no card: it is made voided, so that no other of this
 * reference can come any more; where there is one already, that is the answer, as it is.
 *
 * Every POST is idempotent: a charge by its reference, capture and void by what they bring about, a
 * refund by its key. What a token does is told in script.h. */
#ifndef HOLDFAST_PAYSIM_API_H
#define HOLDFAST_PAYSIM_API_H

#include "engine/net/router.h"
#include "paysim/charge.h"
#include "paysim/webhook.h"

struct sim {
    struct loop *loop;
    struct charge_book book;
    struct webhooks webhooks;
    int64_t slow_ms, late_ms, hang_ms; /* see script.h */
};

void sim_routes(struct sim *s, struct router *r);

#endif
