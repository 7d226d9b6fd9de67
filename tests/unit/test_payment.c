/* What is sent to payment providers and what their answers mean, against the shapes their
 * documentation shows (docs.stripe.com/api, docs.stripe.com/webhooks). */
#include "engine/base/token.h"
#include "engine/booking/payment.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(payment, .timeout = 10, .fini = assert_no_leaks);

static struct payment_call call_of(enum payment_op op)
{
    struct payment_call c = {.op = op, .amount = 12000};
    struct uuid id;

    cr_assert(uuid_parse(slice_str("018f0000-0000-7000-8000-00000000000a"), &id));
    payment_reference(7, &id, c.reference);
    snprintf(c.key, sizeof(c.key), "018f0000-0000-7000-8000-00000000000a-authorize");
    snprintf(c.token, sizeof(c.token), "pm_card_visa");
    memcpy(c.currency, "EUR", 4);
    buf_init(&c.url, 1000);
    buf_init(&c.body, 4000);
    return c;
}

static void build(const struct payment_ops *ops, struct payment_call *c)
{
    const struct payment_provider p = {.ops = ops, .url = "https://host", .api_key = "sk_test_1"};

    ops->build(&p, c);
    buf_append_char(&c->url, '\0');
    buf_append_char(&c->body, '\0');
}

static bool has_header(const struct payment_call *c, const char *line)
{
    for (size_t i = 0; c->headers[i]; i++) {
        if (strcmp(c->headers[i], line) == 0)
            return true;
    }
    return false;
}

static void drop(struct payment_call *c)
{
    buf_free(&c->url);
    buf_free(&c->body);
}

Test(payment, a_reference_names_event_and_booking)
{
    struct payment_call c = call_of(PAYMENT_LOOKUP);
    uint64_t event;
    struct uuid id;

    cr_assert_str_eq(c.reference, "7-018f0000-0000-7000-8000-00000000000a");
    cr_assert(payment_reference_parse(slice_str(c.reference), &event, &id) && event == 7 &&
              id.bytes[15] == 10);
    cr_assert_not(payment_reference_parse(slice_str("7"), &event, &id));
    cr_assert_not(
        payment_reference_parse(slice_str("x-018f0000-0000-7000-8000-00000000000a"), &event, &id));
    drop(&c);
}

Test(payment, stripe_authorises_with_manual_capture_and_an_idempotency_key)
{
    struct payment_call c = call_of(PAYMENT_AUTHORIZE);

    build(&payment_stripe, &c);
    cr_assert_str_eq(c.url.at, "https://host/v1/payment_intents");
    cr_assert_str_eq(c.body.at, "amount=12000&currency=eur&payment_method=pm_card_visa&payment_"
                                "method_types[]=card&capture_method=manual&confirm=true&"
                                "error_on_requires_action=true&"
                                "metadata[reference]=7-018f0000-0000-7000-8000-00000000000a");
    cr_assert(has_header(&c, "Authorization: Bearer sk_test_1"));
    cr_assert(has_header(&c, "Idempotency-Key: 018f0000-0000-7000-8000-00000000000a-authorize"));
    cr_assert(has_header(&c, "Content-Type: application/x-www-form-urlencoded"));
    cr_assert_eq(c.fetch.method, HTTP_POST_);
    drop(&c);
}

Test(payment, stripe_is_fenced_by_an_intent_without_a_card_under_the_key_of_the_authorisation)
{
    struct payment_call c = call_of(PAYMENT_FENCE);

    build(&payment_stripe, &c);
    cr_assert_str_eq(c.url.at, "https://host/v1/payment_intents");
    cr_assert_str_eq(c.body.at, "amount=12000&currency=eur&payment_method_types[]=card&"
                                "capture_method=manual&"
                                "metadata[reference]=7-018f0000-0000-7000-8000-00000000000a");
    cr_assert(has_header(&c, "Idempotency-Key: 018f0000-0000-7000-8000-00000000000a-authorize"));
    cr_assert_eq(c.fetch.method, HTTP_POST_);
    drop(&c);
}

Test(payment, sim_is_fenced_by_a_charge_that_is_not_to_be_confirmed)
{
    struct payment_call c = call_of(PAYMENT_FENCE);

    build(&payment_sim, &c);
    cr_assert_str_eq(c.url.at, "https://host/v1/charges");
    cr_assert_str_eq(c.body.at,
                     "{\"reference\":\"7-018f0000-0000-7000-8000-00000000000a\",\"token\":"
                     "\"pm_card_visa\",\"amount\":12000,\"currency\":\"EUR\",\"confirm\":false}");
    cr_assert_eq(c.fetch.method, HTTP_POST_);
    drop(&c);
}

Test(payment, stripe_captures_voids_refunds_and_looks_up_by_id)
{
    static const struct {
        enum payment_op op;
        const char *url, *body;
        enum http_method method;
    } calls[] = {
        {PAYMENT_CAPTURE, "https://host/v1/payment_intents/pi_1/capture", "", HTTP_POST_},
        {PAYMENT_VOID, "https://host/v1/payment_intents/pi_1/cancel", "", HTTP_POST_},
        {PAYMENT_REFUND, "https://host/v1/refunds", "payment_intent=pi_1&amount=12000", HTTP_POST_},
        {PAYMENT_LOOKUP, "https://host/v1/payment_intents/pi_1?expand%5B%5D=latest_charge", "",
         HTTP_GET_},
    };

    for (size_t i = 0; i < array_len(calls); i++) {
        struct payment_call c = call_of(calls[i].op);

        snprintf(c.provider_ref, sizeof(c.provider_ref), "pi_1");
        build(&payment_stripe, &c);
        cr_assert_str_eq(c.url.at, calls[i].url);
        cr_assert_str_eq(c.body.at, calls[i].body);
        cr_assert_eq(c.fetch.method, calls[i].method);
        drop(&c);
    }
}

static const struct {
    enum payment_op op;
    int http;
    const char *answer;
    enum status status;
    enum payment_outcome outcome;
} stripe_answers[] = {
    {PAYMENT_AUTHORIZE, 200,
     "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"status\":\"requires_capture\",\"amount_"
     "received\":0}",
     STATUS_OK, PAYMENT_AUTHORIZED},
    {PAYMENT_AUTHORIZE, 200, "{\"id\":\"pi_1\",\"status\":\"processing\"}", STATUS_OK,
     PAYMENT_PENDING},
    {PAYMENT_AUTHORIZE, 200, "{\"id\":\"pi_1\",\"status\":\"requires_action\"}", STATUS_OK,
     PAYMENT_DECLINED},
    {PAYMENT_AUTHORIZE, 402,
     "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\",\"payment_intent\":{\"id\":"
     "\"pi_1\",\"status\":\"requires_payment_method\"}}}",
     STATUS_OK, PAYMENT_DECLINED},
    {PAYMENT_AUTHORIZE, 400,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\"}}", STATUS_OK,
     PAYMENT_DECLINED},
    {PAYMENT_AUTHORIZE, 409,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"idempotency_key_in_use\"}}",
     STATUS_UNAVAILABLE, 0},
    {PAYMENT_AUTHORIZE, 400, "{\"error\":{\"type\":\"idempotency_error\"}}", STATUS_PROTOCOL, 0},
    {PAYMENT_AUTHORIZE, 402,
     "{\"error\":{\"type\":\"card_error\",\"code\":\"authentication_required\",\"payment_intent\":{"
     "\"id\":\"pi_1\",\"status\":\"requires_payment_method\"}}}",
     STATUS_OK, PAYMENT_DECLINED},
    {PAYMENT_AUTHORIZE, 429, "{\"error\":{\"type\":\"rate_limit\"}}", STATUS_UNAVAILABLE, 0},
    {PAYMENT_AUTHORIZE, 500, "oops", STATUS_UNAVAILABLE, 0},
    {PAYMENT_AUTHORIZE, 401, "{\"error\":{\"type\":\"invalid_request_error\"}}", STATUS_PROTOCOL,
     0},
    {PAYMENT_AUTHORIZE, 200, "not json", STATUS_PROTOCOL, 0},
    {PAYMENT_AUTHORIZE, 200, "{\"id\":\"pi_1\",\"status\":\"of tomorrow\"}", STATUS_PROTOCOL, 0},
    {PAYMENT_CAPTURE, 200, "{\"id\":\"pi_1\",\"status\":\"succeeded\",\"amount_received\":12000}",
     STATUS_OK, PAYMENT_CAPTURED},
    {PAYMENT_CAPTURE, 400,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"payment_intent_unexpected_state\","
     "\"payment_intent\":{\"id\":\"pi_1\",\"status\":"
     "\"succeeded\",\"amount_received\":12000}}}",
     STATUS_OK, PAYMENT_CAPTURED},
    {PAYMENT_VOID, 200, "{\"id\":\"pi_1\",\"status\":\"canceled\"}", STATUS_OK, PAYMENT_VOIDED},
    {PAYMENT_REFUND, 200,
     "{\"id\":\"re_1\",\"object\":\"refund\",\"status\":\"succeeded\",\"amount\":12000}", STATUS_OK,
     PAYMENT_CAPTURED},
    {PAYMENT_REFUND, 200, "{\"id\":\"re_1\",\"status\":\"failed\"}", STATUS_OK, PAYMENT_REFUSED},
    {PAYMENT_REFUND, 400,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"charge_already_refunded\"}}",
     STATUS_OK, PAYMENT_REFUSED},
    {PAYMENT_LOOKUP, 404,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\"}}", STATUS_OK,
     PAYMENT_UNKNOWN},
    {PAYMENT_FENCE, 200, "{\"id\":\"pi_1\",\"status\":\"requires_payment_method\"}", STATUS_OK,
     PAYMENT_UNKNOWN},
    {PAYMENT_FENCE, 400, "{\"error\":{\"type\":\"idempotency_error\"}}", STATUS_OK,
     PAYMENT_REFUSED},
    {PAYMENT_FENCE, 409,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"idempotency_key_in_use\"}}",
     STATUS_UNAVAILABLE, 0},
};

Test(payment, stripe_answers_mean_what_the_documentation_says)
{
    for (size_t i = 0; i < array_len(stripe_answers); i++) {
        struct payment_call c = call_of(stripe_answers[i].op);
        enum status status =
            payment_stripe.parse(&c, stripe_answers[i].http, slice_str(stripe_answers[i].answer));

        cr_assert_eq(status, stripe_answers[i].status, "answer %zu: %s", i, status_code(status));
        if (!status)
            cr_assert_eq(c.outcome, stripe_answers[i].outcome, "answer %zu: %d", i, (int)c.outcome);
        drop(&c);
    }
}

Test(payment, stripe_webhook_names_the_booking)
{
    struct payment_webhook hook;
    const char *text = "{\"id\":\"evt_1\",\"type\":\"payment_intent.amount_capturable_updated\","
                       "\"data\":{\"object\":{\"id\":\"pi_1\","
                       "\"metadata\":{\"reference\":\"7-018f0000-0000-7000-8000-00000000000a\"}}}}";

    cr_assert_eq(payment_stripe.webhook(slice_str(text), &hook), STATUS_OK);
    cr_assert_str_eq(hook.id, "evt_1");
    cr_assert(hook.event_id == 7 && hook.booking_id.bytes[15] == 10);
    cr_assert_eq(
        payment_stripe.webhook(slice_str("{\"id\":\"evt_2\",\"type\":\"account.updated\"}"), &hook),
        STATUS_OK);
    cr_assert_eq(hook.event_id, 0);
    cr_assert_eq(payment_stripe.webhook(slice_str("{}"), &hook), STATUS_MALFORMED);
    cr_assert_eq(payment_stripe.webhook(slice_str("["), &hook), STATUS_MALFORMED);
}

Test(payment, sim_answers)
{
    struct payment_call c = call_of(PAYMENT_AUTHORIZE);
    const char *good =
        "{\"id\":\"ch_1\",\"reference\":\"7-018f0000-0000-7000-8000-00000000000a\",\"state\":"
        "\"authorized\",\"amount\":12000,\"currency\":\"EUR\",\"captured\":0,\"refunded\":0}";
    const char *foreign =
        "{\"id\":\"ch_1\",\"reference\":\"8-018f0000-0000-7000-8000-00000000000a\",\"state\":"
        "\"authorized\",\"amount\":12000,\"currency\":\"EUR\",\"captured\":0,\"refunded\":0}";

    cr_assert(payment_sim.parse(&c, 200, slice_str(good)) == STATUS_OK &&
              c.outcome == PAYMENT_AUTHORIZED);
    cr_assert_str_eq(c.provider_ref, "ch_1");
    cr_assert_eq(payment_sim.parse(&c, 200, slice_str(foreign)), STATUS_PROTOCOL,
                 "another booking's charge is none of ours");
    cr_assert_eq(payment_sim.parse(&c, 404, slice_str("{}")), STATUS_PROTOCOL);
    cr_assert_eq(payment_sim.parse(&c, 503, slice_str("{}")), STATUS_UNAVAILABLE);
    c.op = PAYMENT_LOOKUP;
    cr_assert(payment_sim.parse(&c, 404, slice_str("{}")) == STATUS_OK &&
              c.outcome == PAYMENT_UNKNOWN);
    drop(&c);
}

/* The header a signer makes, with parts replaced. */
static void sign(char *ret_header, size_t size, const char *secret, int64_t t, const char *body)
{
    char text[200], hex[65] = {0};
    uint8_t mac[32];
    int len = snprintf(text, sizeof(text), "%lld.%s", (long long)t, body);

    hmac_sha256(secret, strlen(secret), text, (size_t)len, mac);
    hex_encode(mac, 32, hex);
    snprintf(ret_header, size, "t=%lld,v1=%s", (long long)t, hex);
}

static bool ok(const char *header, const char *body, int64_t now)
{
    return payment_signature_ok("whsec", slice_str(header), slice_str(body), now, 300);
}

Test(payment, a_webhook_signature_is_of_this_body_this_secret_and_this_hour)
{
    char good[200], other[200], two[300];

    sign(good, sizeof(good), "whsec", 1000, "{\"id\":1}");
    sign(other, sizeof(other), "another", 1000, "{\"id\":1}");
    cr_assert(ok(good, "{\"id\":1}", 1000));
    cr_assert(ok(good, "{\"id\":1}", 1300) && ok(good, "{\"id\":1}", 700));
    cr_assert_not(ok(good, "{\"id\":1}", 1301), "replayed later");
    cr_assert_not(ok(good, "{\"id\":1}", 699));
    cr_assert_not(ok(good, "{\"id\":2}", 1000), "another body");
    cr_assert_not(ok(other, "{\"id\":1}", 1000), "another secret");
    snprintf(two, sizeof(two), "%s,%s", other,
             strchr(good, 'v')); /* a secret is being rolled: two signatures */
    cr_assert(ok(two, "{\"id\":1}", 1000));
    cr_assert_not(ok("", "{\"id\":1}", 1000));
    cr_assert_not(ok("t=1000", "{\"id\":1}", 1000));
    cr_assert_not(ok("t=1000,v1=", "{\"id\":1}", 1000));
    cr_assert_not(ok(strchr(good, 'v'), "{\"id\":1}", 1000));
}
