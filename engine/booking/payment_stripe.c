/* Stripe as a provider: PaymentIntents with manual capture (docs.stripe.com/api/payment_intents),
 * refunds (docs.stripe.com/api/refunds), idempotency keys
 * (docs.stripe.com/api/idempotent_requests), signed webhooks (docs.stripe.com/webhooks).
 *
 * The reference travels as metadata. A charge whose id is not known is looked up by repeating its
 * creation under the same key: Stripe then answers with what the first call did, while its search
 * lags by up to a minute. By its id it is read with its latest charge, which alone tells what was
 * refunded. A purchase that has ended without a charge is fenced: an intent without a card is made
 * under the key of the authorisation, so that a worker's authorisation that is still on its way
 * finds its key used for something else and makes nothing. A payment that wants the buyer to act in
 * a browser is declined (error_on_requires_action; an intent that is found in requires_action
 * counts as that): a ticket is bought in one request. */
#include "engine/base/json.h"
#include "engine/booking/payment.h"

#define API_VERSION "2024-06-20"

static void form_put(struct buf *b, const char *name, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

    if (b->len)
        buf_append_char(b, '&');
    buf_append_str(b, name);
    buf_append_char(b, '=');
    for (const char *c = value; *c; c++) {
        if (strchr(plain, *c))
            buf_append_char(b, *c);
        else
            buf_printf(b, "%%%02X", (unsigned char)*c);
    }
}

static void form_amount(struct buf *b, int64_t amount)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)amount);
    form_put(b, "amount", text);
}

static void build_create(struct payment_call *call, bool with_card)
{
    char currency[4];

    for (size_t i = 0; i < sizeof(currency); i++) {
        char c = call->currency[i];

        currency[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    buf_append_str(&call->url, "/v1/payment_intents");
    form_amount(&call->body, call->amount);
    form_put(&call->body, "currency", currency);
    if (with_card)
        form_put(&call->body, "payment_method", call->token);
    form_put(&call->body, "payment_method_types[]", "card");
    form_put(&call->body, "capture_method", "manual");
    if (with_card) {
        form_put(&call->body, "confirm", "true");
        form_put(&call->body, "error_on_requires_action", "true");
    }
    form_put(&call->body, "metadata[reference]", call->reference);
}

static void build_stripe(const struct payment_provider *p, struct payment_call *call)
{
    bool by_id = call->provider_ref[0] != '\0', lookup_by_id = call->op == PAYMENT_LOOKUP && by_id;

    call->fetch.method = lookup_by_id ? HTTP_GET_ : HTTP_POST_;
    buf_append_str(&call->url, p->url);
    switch (call->op) {
    case PAYMENT_AUTHORIZE: build_create(call, true); break;
    case PAYMENT_FENCE: build_create(call, false); break;
    case PAYMENT_CAPTURE:
        buf_printf(&call->url, "/v1/payment_intents/%s/capture", call->provider_ref);
        break;
    case PAYMENT_VOID:
        buf_printf(&call->url, "/v1/payment_intents/%s/cancel", call->provider_ref);
        break;
    case PAYMENT_REFUND:
        buf_append_str(&call->url, "/v1/refunds");
        form_put(&call->body, "payment_intent", call->provider_ref);
        form_amount(&call->body, call->amount);
        break;
    case PAYMENT_LOOKUP:
        if (by_id)
            buf_printf(&call->url, "/v1/payment_intents/%s?expand%%5B%%5D=latest_charge",
                       call->provider_ref);
        else
            build_create(call, true);
        break;
    }
    payment_call_header(call, "Authorization: Bearer %s", p->api_key ? p->api_key : "");
    payment_call_header(call, "Stripe-Version: " API_VERSION);
    if (!lookup_by_id) {
        payment_call_header(call, "Idempotency-Key: %s", call->key);
        payment_call_header(call, "Content-Type: application/x-www-form-urlencoded");
    }
}

static const struct {
    const char *text;
    enum payment_outcome outcome;
} states[] = {
    {"requires_capture", PAYMENT_AUTHORIZED},
    {"succeeded", PAYMENT_CAPTURED},
    {"canceled", PAYMENT_VOIDED},
    {"processing", PAYMENT_PENDING},
    {"requires_payment_method", PAYMENT_DECLINED},
    {"requires_action", PAYMENT_DECLINED},
    {"requires_confirmation", PAYMENT_DECLINED},
};

/* `latest_charge` is an object where it was asked to be expanded, else an id; null before any. */
static void read_refunded(struct payment_call *call, const json_t *intent)
{
    const json_t *charge = json_object_get(intent, "latest_charge");
    const json_t *amount = json_object_get(charge, "amount_refunded");

    call->refunded = json_integer_value(amount);
    call->refunded_unknown = !json_is_integer(amount) && !json_is_null(charge);
}

/* From a PaymentIntent object. */
static enum status read_intent(struct payment_call *call, const json_t *intent)
{
    const char *id = json_string_value(json_object_get(intent, "id"));
    const char *state = json_string_value(json_object_get(intent, "status"));

    if (!id || !state ||
        !slice_to_str(slice_str(id), call->provider_ref, sizeof(call->provider_ref)))
        return STATUS_PROTOCOL;
    read_refunded(call, intent);
    call->captured = json_integer_value(json_object_get(intent, "amount_received"));
    for (size_t i = 0; i < array_len(states); i++) {
        if (strcmp(state, states[i].text) == 0) {
            call->outcome = states[i].outcome;
            return STATUS_OK;
        }
    }
    return STATUS_PROTOCOL;
}

/* A Refund object: pending and succeeded are both on their way for good. */
static enum status read_refund(struct payment_call *call, const json_t *refund)
{
    const char *state = json_string_value(json_object_get(refund, "status"));

    if (!state)
        return STATUS_PROTOCOL;
    call->outcome = strcmp(state, "succeeded") == 0 || strcmp(state, "pending") == 0
                        ? PAYMENT_CAPTURED
                        : PAYMENT_REFUSED;
    return STATUS_OK;
}

/* {"error":{"type","code","payment_intent"}}: a card error is a decline; a wrong state tells where
 * the intent stands. A key that was used for something else says nothing about the payment, but to
 * a fence: there was an authorisation before it. */
static enum status read_error(struct payment_call *call, const json_t *error, int http_status)
{
    const char *type = json_string_value(json_object_get(error, "type"));
    const json_t *intent = json_object_get(error, "payment_intent");

    if (type && strcmp(type, "card_error") == 0) {
        const char *id = json_string_value(json_object_get(intent, "id"));

        if (id)
            slice_to_str(slice_str(id), call->provider_ref, sizeof(call->provider_ref));
        call->outcome = PAYMENT_DECLINED;
        return STATUS_OK;
    }
    if (http_status == 404 && call->op == PAYMENT_LOOKUP) {
        call->outcome = PAYMENT_UNKNOWN;
        return STATUS_OK;
    }
    if (intent && (call->op == PAYMENT_CAPTURE || call->op == PAYMENT_VOID))
        return read_intent(call, intent);
    if (type && strcmp(type, "idempotency_error") == 0 && call->op != PAYMENT_FENCE)
        return STATUS_PROTOCOL;
    if (http_status == 400 || http_status == 404) {
        call->outcome = call->op == PAYMENT_AUTHORIZE ? PAYMENT_DECLINED : PAYMENT_REFUSED;
        return STATUS_OK;
    }
    return STATUS_PROTOCOL;
}

static enum status parse_stripe(struct payment_call *call, int http_status, struct slice answer)
{
    char why[200];
    json_t *o;
    enum status status;

    if (http_status >= 500 || http_status == 429 || http_status == 409)
        return STATUS_UNAVAILABLE; /* 409: another call under this key is at work */
    o = json_parse_object(answer, why, sizeof(why));
    if (!o)
        return STATUS_PROTOCOL;
    if (json_object_get(o, "error"))
        status = read_error(call, json_object_get(o, "error"), http_status);
    else
        status = call->op == PAYMENT_REFUND ? read_refund(call, o) : read_intent(call, o);
    if (!status && call->op == PAYMENT_FENCE && call->outcome == PAYMENT_DECLINED)
        call->outcome = PAYMENT_UNKNOWN; /* no card was asked: it waits for one, for ever */
    json_decref(o);
    return status;
}

static enum status webhook_stripe(struct slice payload, struct payment_webhook *ret_webhook)
{
    char why[200];
    json_t *o = json_parse_object(payload, why, sizeof(why));
    const char *id = json_string_value(json_object_get(o, "id"));
    const json_t *object = json_object_get(json_object_get(o, "data"), "object");
    const char *reference =
        json_string_value(json_object_get(json_object_get(object, "metadata"), "reference"));
    enum status status = STATUS_MALFORMED;

    if (id && slice_to_str(slice_str(id), ret_webhook->id, sizeof(ret_webhook->id))) {
        if (!reference || !payment_reference_parse(slice_str(reference), &ret_webhook->event_id,
                                                   &ret_webhook->booking_id))
            ret_webhook->event_id = 0;
        status = STATUS_OK;
    }
    json_decref(o);
    return status;
}

const struct payment_ops payment_stripe = {
    .name = "stripe",
    .signature_header = "stripe-signature",
    .build = build_stripe,
    .parse = parse_stripe,
    .webhook = webhook_stripe,
};
