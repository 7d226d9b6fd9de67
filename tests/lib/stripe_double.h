/* A Stripe for tests: an HTTP server on the test's loop that answers what the public API answers,
 * in its shapes (docs.stripe.com/api: payment_intents, refunds, errors, idempotent_requests). It is
 * strict: a parameter it does not know, a missing key or version is an error, as there.
 *
 * The payment method decides: pm_card_visa is authorised; pm_card_visa_chargeDeclined is declined;
 * pm_card_authenticationRequired wants the buyer to act, which is a decline when asked with
 * error_on_requires_action; pm_processing is decided later, by the test; others do not exist. An
 * intent that is made without a payment method and not confirmed waits for one. */
#ifndef HOLDFAST_TESTS_STRIPE_DOUBLE_H
#define HOLDFAST_TESTS_STRIPE_DOUBLE_H

#include "engine/net/http_server.h"

#define STRIPE_INTENTS_MAX 32
#define STRIPE_RECORDS_MAX 128
#define STRIPE_KEY         "sk_test_double"

struct stripe_intent {
    char id[32], reference[80], currency[4], method[64];
    const char *status; /* "requires_capture", ... */
    int64_t amount, received, refunded;
};

/* What goes wrong with the next calls to a path that ends with `suffix`. LOSE: the work is done,
 * the answer never comes. The others: nothing is done, the HTTP status is the answer. */
enum stripe_trouble {
    STRIPE_LOSE = 1,
    STRIPE_CONFLICT = 409,
    STRIPE_RATE = 429,
    STRIPE_FAIL = 500
};

struct stripe_record {
    char key[80], request[64]; /* the key's first request: SHA-256 of path and body */
    int status;
    char *answer;
};

struct stripe_double {
    struct stripe_intent intents[STRIPE_INTENTS_MAX];
    size_t intent_count;
    char url[64];
    int calls, replays, refunds; /* refunds made */
    const char *trouble_suffix;
    enum stripe_trouble trouble;
    int trouble_times;
    bool accept_actions; /* as an account of before error_on_requires_action: 200 requires_action */
    /* private */
    struct loop *loop;
    struct router router;
    struct http_server *server;
    struct stripe_record records[STRIPE_RECORDS_MAX];
    size_t record_count;
    struct http_request *parked[STRIPE_RECORDS_MAX];
    size_t parked_count;
};

void stripe_double_start(struct stripe_double *s, struct loop *l);
void stripe_double_stop(struct stripe_double *s);
struct stripe_intent *stripe_double_find(struct stripe_double *s, struct slice reference);

/* An event as Stripe posts it, about this intent. */
void stripe_double_event(const struct stripe_intent *intent, const char *id, struct buf *ret_body);

#endif
