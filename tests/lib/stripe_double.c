#include "tests/lib/stripe_double.h"

#include "engine/base/encode.h"
#include "engine/base/token.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- forms ---- */

static int hex_value(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

static void decode(struct slice from, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < from.len && n + 1 < size; i++) {
        if (from.at[i] == '%' && i + 2 < from.len) {
            to[n++] = (char)(hex_value(from.at[i + 1]) * 16 + hex_value(from.at[i + 2]));
            i += 2;
        } else {
            to[n++] = from.at[i] == '+' ? ' ' : from.at[i];
        }
    }
    to[n] = '\0';
}

struct form {
    struct {
        char name[64], value[128];
    } fields[16];
    size_t count;
};

static void form_read(struct form *f, struct slice body)
{
    f->count = 0;
    while (body.at && body.len && f->count < array_len(f->fields)) {
        struct slice value = slice_cut(&body, '&'), name = slice_cut(&value, '=');

        decode(name, f->fields[f->count].name, sizeof(f->fields[0].name));
        decode(value.at ? value : SLICE_LITERAL(""), f->fields[f->count].value,
               sizeof(f->fields[0].value));
        f->count++;
    }
}

/* "" when it is not there. */
static const char *form_get(const struct form *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->fields[i].name, name) == 0)
            return f->fields[i].value;
    }
    return "";
}

/* The first field that is not among `names`, which NULL ends. */
static const char *form_unknown(const struct form *f, const char *const *names)
{
    for (size_t i = 0; i < f->count; i++) {
        size_t n = 0;

        while (names[n] && strcmp(names[n], f->fields[i].name) != 0)
            n++;
        if (!names[n])
            return f->fields[i].name;
    }
    return NULL;
}

/* ---- answers ---- */

struct answer {
    struct buf body;
    int status;
    bool invalid; /* the work did not begin: the key is not kept */
};

static void put_charge(struct buf *b, const struct stripe_intent *i, bool expand)
{
    if (strcmp(i->status, "requires_capture") != 0 && i->received == 0) {
        buf_append_str(b, "null");
        return;
    }
    if (!expand) {
        buf_printf(b, "\"ch_%s\"", i->id + 3);
        return;
    }
    buf_printf(b,
               "{\"id\":\"ch_%s\",\"object\":\"charge\",\"amount\":%lld,\"amount_captured\":%lld,"
               "\"amount_refunded\":%lld,\"captured\":%s,\"currency\":\"%s\",\"paid\":true,"
               "\"payment_intent\":\"%s\",\"refunded\":%s,\"status\":\"succeeded\"}",
               i->id + 3, (long long)i->amount, (long long)i->received, (long long)i->refunded,
               i->received ? "true" : "false", i->currency, i->id,
               i->refunded == i->amount ? "true" : "false");
}

static void put_intent(struct buf *b, const struct stripe_intent *i, bool expand)
{
    bool acts = strcmp(i->status, "requires_action") == 0;

    buf_printf(
        b,
        "{\"id\":\"%s\",\"object\":\"payment_intent\",\"amount\":%lld,"
        "\"amount_capturable\":%lld,\"amount_details\":{\"tip\":{}},\"amount_received\":%lld,"
        "\"application\":null,\"automatic_payment_methods\":null,\"canceled_at\":null,"
        "\"cancellation_reason\":null,\"capture_method\":\"manual\","
        "\"client_secret\":\"%s_secret_x\",\"confirmation_method\":\"automatic\","
        "\"created\":1763700000,\"currency\":\"%s\",\"customer\":null,\"description\":null,"
        "\"last_payment_error\":null,\"latest_charge\":",
        i->id, (long long)i->amount,
        (long long)(strcmp(i->status, "requires_capture") == 0 ? i->amount : 0),
        (long long)i->received, i->id, i->currency);
    put_charge(b, i, expand);
    buf_printf(b,
               ",\"livemode\":false,\"metadata\":{\"reference\":\"%s\"},\"next_action\":%s,"
               "\"payment_method\":\"%s\",\"payment_method_types\":[\"card\"],\"processing\":null,"
               "\"review\":null,\"setup_future_usage\":null,\"status\":\"%s\"}",
               i->reference,
               acts ? "{\"type\":\"use_stripe_sdk\",\"use_stripe_sdk\":{\"type\":"
                      "\"three_d_secure_redirect\"}}"
                    : "null",
               i->method, i->status);
}

static void answer_error(struct answer *a, int status, const char *type, const char *code,
                         const char *more, const struct stripe_intent *intent)
{
    a->status = status;
    buf_printf(&a->body,
               "{\"error\":{\"code\":\"%s\",\"doc_url\":\"https://stripe.com/docs/error-codes/%s\","
               "\"message\":\"Said for people.\"%s",
               code, code, more);
    if (intent) {
        buf_append_str(&a->body, ",\"payment_intent\":");
        put_intent(&a->body, intent, false);
    }
    buf_printf(&a->body, ",\"type\":\"%s\"}}", type);
}

static void answer_intent(struct answer *a, const struct stripe_intent *i, bool expand)
{
    a->status = 200;
    put_intent(&a->body, i, expand);
}

static void refuse_field(struct answer *a, const char *field)
{
    char more[120];

    snprintf(more, sizeof(more), ",\"param\":\"%s\"", field);
    a->invalid = true;
    answer_error(a, 400, "invalid_request_error", "parameter_unknown", more, NULL);
}

/* ---- the calls ---- */

static void create(struct stripe_double *s, const struct form *f, struct answer *a)
{
    static const char *const names[] = {"amount",
                                        "currency",
                                        "payment_method",
                                        "payment_method_types[]",
                                        "capture_method",
                                        "confirm",
                                        "error_on_requires_action",
                                        "metadata[reference]",
                                        NULL};
    struct stripe_intent *i = &s->intents[s->intent_count];
    const char *method = form_get(f, "payment_method"), *unknown = form_unknown(f, names);
    bool bare = !*method && !*form_get(f, "confirm");
    bool declined = strcmp(method, "pm_card_visa_chargeDeclined") == 0;
    bool acts = strcmp(method, "pm_card_authenticationRequired") == 0;

    if (unknown || (!bare && strcmp(form_get(f, "confirm"), "true") != 0) ||
        strcmp(form_get(f, "capture_method"), "manual") != 0 ||
        (!bare && strcmp(form_get(f, "error_on_requires_action"), "true") != 0) ||
        strcmp(form_get(f, "payment_method_types[]"), "card") != 0 || !*form_get(f, "amount")) {
        refuse_field(a, unknown ? unknown : "one of those that are needed");
        return;
    }
    if (!bare && !declined && !acts && strcmp(method, "pm_card_visa") != 0 &&
        strcmp(method, "pm_processing") != 0) {
        a->invalid = true;
        answer_error(a, 400, "invalid_request_error", "resource_missing",
                     ",\"param\":\"payment_method\"", NULL);
        return;
    }
    cr_assert_lt(s->intent_count, STRIPE_INTENTS_MAX);
    snprintf(i->id, sizeof(i->id), "pi_3Double%04zu", ++s->intent_count);
    snprintf(i->reference, sizeof(i->reference), "%s", form_get(f, "metadata[reference]"));
    snprintf(i->currency, sizeof(i->currency), "%.3s", form_get(f, "currency"));
    snprintf(i->method, sizeof(i->method), "%.63s", method);
    i->amount = strtoll(form_get(f, "amount"), NULL, 10);
    i->status = acts && s->accept_actions              ? "requires_action"
                : bare || declined || acts             ? "requires_payment_method"
                : strcmp(method, "pm_processing") == 0 ? "processing"
                                                       : "requires_capture";
    if (declined)
        answer_error(a, 402, "card_error", "card_declined",
                     ",\"charge\":\"ch_3Double\",\"decline_code\":\"generic_decline\"", i);
    else if (acts && !s->accept_actions)
        answer_error(a, 402, "card_error", "authentication_required",
                     ",\"decline_code\":\"authentication_required\"", i);
    else
        answer_intent(a, i, false);
}

static void capture(struct stripe_intent *i, const struct form *f, struct answer *a)
{
    if (f->count > 0) {
        refuse_field(a, f->fields[0].name);
    } else if (strcmp(i->status, "requires_capture") != 0) {
        answer_error(a, 400, "invalid_request_error", "payment_intent_unexpected_state", "", i);
    } else {
        i->status = "succeeded";
        i->received = i->amount;
        answer_intent(a, i, false);
    }
}

static void cancel(struct stripe_intent *i, const struct form *f, struct answer *a)
{
    if (f->count > 0) {
        refuse_field(a, f->fields[0].name);
    } else if (strcmp(i->status, "succeeded") == 0 || strcmp(i->status, "canceled") == 0) {
        answer_error(a, 400, "invalid_request_error", "payment_intent_unexpected_state", "", i);
    } else {
        i->status = "canceled";
        answer_intent(a, i, false);
    }
}

static struct stripe_intent *by_id(struct stripe_double *s, struct slice id)
{
    for (size_t i = 0; i < s->intent_count; i++) {
        if (slice_is(id, s->intents[i].id))
            return &s->intents[i];
    }
    return NULL;
}

static void refund(struct stripe_double *s, const struct form *f, struct answer *a)
{
    static const char *const names[] = {"payment_intent", "amount", NULL};
    const char *unknown = form_unknown(f, names);
    struct stripe_intent *i = by_id(s, slice_str(form_get(f, "payment_intent")));
    int64_t amount = strtoll(form_get(f, "amount"), NULL, 10);

    if (unknown) {
        refuse_field(a, unknown);
    } else if (!i) {
        answer_error(a, 404, "invalid_request_error", "resource_missing",
                     ",\"param\":\"payment_intent\"", NULL);
    } else if (amount < 1 || amount > i->received - i->refunded) {
        answer_error(a, 400, "invalid_request_error",
                     i->refunded == i->received ? "charge_already_refunded" : "amount_too_large",
                     ",\"param\":\"amount\"", NULL);
    } else {
        i->refunded += amount;
        s->refunds++;
        a->status = 200;
        buf_printf(&a->body,
                   "{\"id\":\"re_3Double%d\",\"object\":\"refund\",\"amount\":%lld,"
                   "\"balance_transaction\":\"txn_x\",\"charge\":\"ch_%s\",\"created\":1763700001,"
                   "\"currency\":\"%s\",\"metadata\":{},\"payment_intent\":\"%s\",\"reason\":null,"
                   "\"receipt_number\":null,\"status\":\"succeeded\"}",
                   s->refunds, (long long)amount, i->id + 3, i->currency, i->id);
    }
}

/* ---- the way of a call ---- */

static void answer_with(struct http_request *req, int status, struct slice body)
{
    http_header(req, "Request-Id", "req_double");
    buf_append_slice(req->out, body);
    http_reply(req, status, "application/json");
}

static bool credentials(struct http_request *req)
{
    return slice_is(http_credential(req, "Bearer"), STRIPE_KEY) &&
           http_header_get(req, "stripe-version").len == 10;
}

static bool troubled(struct stripe_double *s, struct http_request *req, enum stripe_trouble *ret)
{
    size_t len = s->trouble_suffix ? strlen(s->trouble_suffix) : 0;

    if (s->trouble_times <= 0 || req->path.len < len ||
        memcmp(req->path.at + req->path.len - len, s->trouble_suffix, len) != 0)
        return false;
    s->trouble_times--;
    *ret = s->trouble;
    return true;
}

static void trouble(struct http_request *req, enum stripe_trouble kind)
{
    struct answer a = {.status = 0};

    buf_init(&a.body, 4096);
    if (kind == STRIPE_CONFLICT)
        answer_error(&a, 409, "invalid_request_error", "idempotency_key_in_use", "", NULL);
    else if (kind == STRIPE_RATE)
        answer_error(&a, 429, "invalid_request_error", "rate_limit", "", NULL);
    else
        answer_error(&a, 500, "api_error", "", "", NULL);
    answer_with(req, a.status, buf_slice(&a.body));
    buf_free(&a.body);
}

static void hash_of(const struct http_request *req, char ret_hex[64])
{
    struct buf b;
    uint8_t digest[32];
    char hex[65] = {0};

    buf_init(&b, 8192);
    buf_append_slice(&b, req->path);
    buf_append_char(&b, ' ');
    buf_append_slice(&b, req->body);
    sha256(b.at, b.len, digest);
    hex_encode(digest, 32, hex);
    memcpy(ret_hex, hex, 63);
    ret_hex[63] = '\0';
    buf_free(&b);
}

static struct stripe_record *record_of(struct stripe_double *s, struct slice key)
{
    for (size_t i = 0; i < s->record_count; i++) {
        if (slice_is(key, s->records[i].key))
            return &s->records[i];
    }
    return NULL;
}

static void keep(struct stripe_double *s, struct slice key, const struct http_request *req,
                 const struct answer *a)
{
    struct stripe_record *r = &s->records[s->record_count++];

    cr_assert_leq(s->record_count, STRIPE_RECORDS_MAX);
    slice_to_str(key, r->key, sizeof(r->key));
    hash_of(req, r->request);
    r->status = a->status;
    r->answer = mem_strndup(a->body.at, a->body.len);
}

static bool replay(struct stripe_double *s, struct http_request *req, struct slice key)
{
    struct stripe_record *r = record_of(s, key);
    struct answer a = {.status = 0};
    char request[64];

    if (!r)
        return false;
    hash_of(req, request);
    if (strcmp(request, r->request) == 0) {
        s->replays++;
        http_header(req, "Idempotent-Replayed", "true");
        answer_with(req, r->status, slice_str(r->answer));
        return true;
    }
    buf_init(&a.body, 4096);
    answer_error(&a, 400, "idempotency_error", "", "", NULL);
    answer_with(req, a.status, buf_slice(&a.body));
    buf_free(&a.body);
    return true;
}

static void work(struct stripe_double *s, struct http_request *req, struct answer *a)
{
    struct stripe_intent *i = req->params[0].len ? by_id(s, req->params[0]) : NULL;
    struct form f;

    form_read(&f, req->body);
    if (slice_is(req->path, "/v1/payment_intents"))
        create(s, &f, a);
    else if (slice_is(req->path, "/v1/refunds"))
        refund(s, &f, a);
    else if (!i)
        answer_error(a, 404, "invalid_request_error", "resource_missing", ",\"param\":\"intent\"",
                     NULL);
    else if (req->path.at[req->path.len - 1] == 'l')
        cancel(i, &f, a);
    else
        capture(i, &f, a);
}

static void post(struct http_request *req, void *ctx)
{
    struct stripe_double *s = ctx;
    struct slice key = http_header_get(req, "idempotency-key");
    struct answer a = {.status = 0};
    enum stripe_trouble kind = 0;

    s->calls++;
    if (!credentials(req)) {
        answer_with(req, 401, SLICE_LITERAL("{\"error\":{\"type\":\"invalid_request_error\"}}"));
        return;
    }
    cr_assert(key.len > 0, "a POST without an Idempotency-Key");
    if (troubled(s, req, &kind) && kind != STRIPE_LOSE) {
        trouble(req, kind);
        return;
    }
    if (replay(s, req, key))
        return;
    buf_init(&a.body, 8192);
    work(s, req, &a);
    if (!a.invalid)
        keep(s, key, req, &a);
    if (kind == STRIPE_LOSE)
        s->parked[s->parked_count++] = req;
    else
        answer_with(req, a.status, buf_slice(&a.body));
    buf_free(&a.body);
}

static void get(struct http_request *req, void *ctx)
{
    struct stripe_double *s = ctx;
    struct stripe_intent *i = by_id(s, req->params[0]);
    bool expand = slice_is(req->query, "expand%5B%5D=latest_charge");
    struct answer a = {.status = 0};
    enum stripe_trouble kind = 0;

    s->calls++;
    if (troubled(s, req, &kind)) {
        trouble(req, kind);
        return;
    }
    buf_init(&a.body, 8192);
    if (!credentials(req))
        answer_error(&a, 401, "invalid_request_error", "", "", NULL);
    else if (i)
        answer_intent(&a, i, expand);
    else
        answer_error(&a, 404, "invalid_request_error", "resource_missing", ",\"param\":\"intent\"",
                     NULL);
    answer_with(req, a.status, buf_slice(&a.body));
    buf_free(&a.body);
}

static const struct route routes[] = {
    {HTTP_POST_, "/v1/payment_intents", post, 0, 0},
    {HTTP_GET_, "/v1/payment_intents/{id}", get, 0, 0},
    {HTTP_POST_, "/v1/payment_intents/{id}/capture", post, 0, 0},
    {HTTP_POST_, "/v1/payment_intents/{id}/cancel", post, 0, 0},
    {HTTP_POST_, "/v1/refunds", post, 0, 0},
};

/* ---- life ---- */

void stripe_double_start(struct stripe_double *s, struct loop *l)
{
    const struct http_server_options options = {.connections = 64, .requests = 64};
    char why[100];

    memset(s, 0, sizeof(*s));
    s->loop = l;
    router_init(&s->router);
    router_add(&s->router, routes, array_len(routes), s);
    s->server = http_server_new(l, &s->router, &options);
    cr_assert_eq(http_server_listen(s->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", http_server_port(s->server));
}

void stripe_double_stop(struct stripe_double *s)
{
    for (size_t i = 0; i < s->parked_count; i++)
        http_reply_empty(s->parked[i], 204);
    http_server_free(s->server);
    router_free(&s->router);
    for (size_t i = 0; i < s->record_count; i++)
        mem_free(s->records[i].answer);
}

struct stripe_intent *stripe_double_find(struct stripe_double *s, struct slice reference)
{
    for (size_t i = 0; i < s->intent_count; i++) {
        if (slice_is(reference, s->intents[i].reference))
            return &s->intents[i];
    }
    return NULL;
}

void stripe_double_event(const struct stripe_intent *intent, const char *id, struct buf *ret_body)
{
    buf_printf(ret_body,
               "{\"id\":\"%s\",\"object\":\"event\",\"api_version\":\"2024-06-20\",\"created\":"
               "1763700002,\"data\":{\"object\":",
               id);
    put_intent(ret_body, intent, false);
    buf_append_str(
        ret_body,
        "},\"livemode\":false,\"pending_webhooks\":1,\"request\":{\"id\":null,"
        "\"idempotency_key\":null},\"type\":\"payment_intent.amount_capturable_updated\"}");
}
