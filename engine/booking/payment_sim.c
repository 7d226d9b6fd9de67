/* The payment simulator as a provider; its calls are told in paysim/api.h. */
#include "engine/base/json.h"
#include "engine/booking/payment.h"

static void build_create(struct payment_call *call)
{
    struct json_out w;

    json_begin(&w, &call->body);
    json_object_begin(&w);
    json_put_str(&w, "reference", slice_str(call->reference));
    json_put_str(&w, "token", slice_str(call->token));
    json_put_int(&w, "amount", call->amount);
    json_put_str(&w, "currency", slice_str(call->currency));
    if (call->op == PAYMENT_FENCE)
        json_put_bool(&w, "confirm", false);
    json_object_end(&w);
}

static void build_sim(const struct payment_provider *p, struct payment_call *call)
{
    call->fetch.method = call->op == PAYMENT_LOOKUP ? HTTP_GET_ : HTTP_POST_;
    buf_append_str(&call->url, p->url);
    switch (call->op) {
    case PAYMENT_AUTHORIZE:
    case PAYMENT_FENCE:
        buf_append_str(&call->url, "/v1/charges");
        build_create(call);
        break;
    case PAYMENT_CAPTURE:
        buf_printf(&call->url, "/v1/charges/%s/capture", call->provider_ref);
        break;
    case PAYMENT_VOID: buf_printf(&call->url, "/v1/charges/%s/void", call->provider_ref); break;
    case PAYMENT_REFUND:
        buf_printf(&call->url, "/v1/charges/%s/refunds", call->provider_ref);
        buf_printf(&call->body, "{\"amount\":%lld}", (long long)call->amount);
        break;
    case PAYMENT_LOOKUP: buf_printf(&call->url, "/v1/charges?reference=%s", call->reference); break;
    }
    if (call->op != PAYMENT_LOOKUP) {
        payment_call_header(call, "Idempotency-Key: %s", call->key);
        payment_call_header(call, "Content-Type: application/json");
    }
}

static const struct {
    const char *text;
    enum payment_outcome outcome;
} states[] = {
    {"pending", PAYMENT_PENDING},   {"authorized", PAYMENT_AUTHORIZED},
    {"declined", PAYMENT_DECLINED}, {"captured", PAYMENT_CAPTURED},
    {"voided", PAYMENT_VOIDED},
};

static enum status read_charge(struct payment_call *call, struct slice answer)
{
    struct slice id = SLICE_NONE, state = SLICE_NONE, reference, currency;
    int64_t amount;
    char why[200];
    json_t *o = json_parse_object(answer, why, sizeof(why));
    const struct json_field fields[] = {
        {.key = "id",
         .kind = JSON_KIND_STR,
         .out = &id,
         .required = true,
         .min = 1,
         .max = PAYMENT_REF_SIZE - 1},
        {.key = "reference", .kind = JSON_KIND_STR, .out = &reference, .required = true},
        {.key = "state", .kind = JSON_KIND_STR, .out = &state, .required = true},
        {.key = "amount", .kind = JSON_KIND_INT, .out = &amount, .required = true},
        {.key = "currency", .kind = JSON_KIND_STR, .out = &currency, .required = true},
        {.key = "captured", .kind = JSON_KIND_INT, .out = &call->captured, .required = true},
        {.key = "refunded", .kind = JSON_KIND_INT, .out = &call->refunded, .required = true},
    };
    enum status status = STATUS_PROTOCOL;

    if (o && json_read(o, fields, array_len(fields), NULL, why, sizeof(why)) == STATUS_OK &&
        slice_is(reference, call->reference)) {
        slice_to_str(id, call->provider_ref, sizeof(call->provider_ref));
        for (size_t i = 0; i < array_len(states); i++) {
            if (slice_is(state, states[i].text)) {
                call->outcome = states[i].outcome;
                status = STATUS_OK;
            }
        }
    }
    json_decref(o);
    return status;
}

static enum status parse_sim(struct payment_call *call, int http_status, struct slice answer)
{
    switch (http_status) {
    case 200:
    case 202:
    case 402: return read_charge(call, answer);
    case 404:
        call->outcome = PAYMENT_UNKNOWN;
        return call->op == PAYMENT_LOOKUP ? STATUS_OK : STATUS_PROTOCOL;
    case 409:
    case 422: call->outcome = PAYMENT_REFUSED; return STATUS_OK;
    default: return http_status >= 500 || http_status == 429 ? STATUS_UNAVAILABLE : STATUS_PROTOCOL;
    }
}

static enum status webhook_sim(struct slice payload, struct payment_webhook *ret_webhook)
{
    char why[200];
    json_t *o = json_parse_object(payload, why, sizeof(why));
    const char *id = json_string_value(json_object_get(o, "id"));
    const char *reference =
        json_string_value(json_object_get(json_object_get(o, "charge"), "reference"));
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

const struct payment_ops payment_sim = {
    .name = "sim",
    .signature_header = "sim-signature",
    .build = build_sim,
    .parse = parse_sim,
    .webhook = webhook_sim,
};
