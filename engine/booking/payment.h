/* A payment provider behind a table: authorise, capture, void, refund, look up, and webhooks that
 * are signed. An implementation is two pure functions, what to send and what an answer means; the
 * call itself, its deadline, breaker and retries are the same for all (payment.c).
 *
 * A charge is named by the merchant's reference, which is made of event and booking; every call
 * carries an idempotency key that is the same whenever the same step is repeated. So a step may
 * always be repeated, and a lost answer is found out by asking again. */
#ifndef HOLDFAST_BOOKING_PAYMENT_H
#define HOLDFAST_BOOKING_PAYMENT_H

#include "engine/base/uuid.h"
#include "engine/net/http_client.h"

#define PAYMENT_REFERENCE_SIZE      64 /* "<event>-<booking id>" with the NUL */
#define PAYMENT_KEY_SIZE            64
#define PAYMENT_REF_SIZE            64 /* the provider's own id of a charge, with the NUL */
#define PAYMENT_TOKEN_SIZE          64 /* with the NUL */
#define PAYMENT_WEBHOOK_TOLERANCE_S 300

enum payment_op {
    PAYMENT_AUTHORIZE,
    PAYMENT_CAPTURE,
    PAYMENT_VOID,
    PAYMENT_REFUND,
    PAYMENT_LOOKUP,
    /* Sees to it that no charge of this reference is made any more, by whoever asks with the
     * AUTHORIZE's key, however late it arrives. UNKNOWN, VOIDED: there is none, and there will be
     * none; provider_ref names what stands in its place. REFUSED: one was asked for before, LOOKUP
     * tells what came of it. Otherwise: how the one stands that was made. */
    PAYMENT_FENCE
};

/* How the charge stands after the call; normal flow. */
enum payment_outcome {
    PAYMENT_AUTHORIZED,
    PAYMENT_DECLINED,
    PAYMENT_PENDING,  /* the provider decides later */
    PAYMENT_CAPTURED, /* also after a refund */
    PAYMENT_VOIDED,
    PAYMENT_UNKNOWN, /* LOOKUP, FENCE: there is no such charge */
    PAYMENT_REFUSED, /* the charge is not in a state for this */
};

struct payment_provider;
struct payment_call;
/* OK: outcome, provider_ref, captured and refunded are set. Otherwise what happened is not known.
 */
typedef void (*payment_cb)(struct payment_call *call, enum status status);

/* Embedded by the caller, zeroed; its memory until the callback. */
struct payment_call {
    payment_cb cb;
    enum payment_op op;
    char reference[PAYMENT_REFERENCE_SIZE], key[PAYMENT_KEY_SIZE];
    char token[PAYMENT_TOKEN_SIZE]; /* AUTHORIZE, FENCE */
    char currency[4];
    int64_t amount;                      /* minor units; REFUND: how much of it */
    char provider_ref[PAYMENT_REF_SIZE]; /* needed by CAPTURE, VOID, REFUND; LOOKUP goes by it, or
                                            by the reference when it is "" */
    /* the answer */
    enum payment_outcome outcome;
    int64_t captured, refunded;
    bool refunded_unknown; /* this provider does not tell it with the charge */
    /* private */
    struct payment_provider *provider;
    struct http_fetch fetch;
    struct buf url, body;
    char header_lines[4][160];
    const char *headers[5];
};

/* What a webhook says, as far as anybody relies on it. */
struct payment_webhook {
    char id[80];
    uint64_t event_id; /* 0: about none of our bookings */
    struct uuid booking_id;
};

struct payment_ops {
    const char *name;             /* in paymentDetails.provider and in the webhook's path */
    const char *signature_header; /* lower case */
    /* Sets method, url, body and headers of the call's fetch from its fields. */
    void (*build)(const struct payment_provider *p, struct payment_call *call);
    /* The outcome from an answer. UNAVAILABLE (try again) and PROTOCOL leave it unknown. */
    enum status (*parse)(struct payment_call *call, int http_status, struct slice answer);
    /* MALFORMED when the payload is not one of this provider's. */
    enum status (*webhook)(struct slice payload, struct payment_webhook *ret_webhook);
};

extern const struct payment_ops payment_sim;
extern const struct payment_ops payment_stripe;

struct payment_provider {
    const struct payment_ops *ops;
    const char *url;            /* "http://127.0.0.1:8084", no slash at the end; borrowed */
    const char *api_key;        /* borrowed, may be NULL */
    const char *webhook_secret; /* borrowed */
    unsigned deadline_ms;       /* of one call */
    struct http_client *client; /* borrowed: breaker and retry budget of this provider */
};

void payment_reference(uint64_t event_id, const struct uuid *booking_id,
                       char ret_reference[PAYMENT_REFERENCE_SIZE]);
bool payment_reference_parse(struct slice reference, uint64_t *ret_event_id,
                             struct uuid *ret_booking_id);

/* Nonzero (UNAVAILABLE, OVERLOADED): no callback, nothing was sent. */
enum status payment_submit(struct payment_provider *p, struct payment_call *call) MUST_CHECK;

/* Checks "t=<unix seconds>,v1=<hex>[,v1=<hex>...]": HMAC-SHA256 of "<t>.<body>" under the secret,
 * at most tolerance_s away from now_s. The scheme of Stripe's webhooks (docs.stripe.com/webhooks),
 * used by both providers. */
bool payment_signature_ok(const char *secret, struct slice header, struct slice body, int64_t now_s,
                          int64_t tolerance_s);

/* For build functions. */
void payment_call_header(struct payment_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
