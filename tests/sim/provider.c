#include "tests/sim/provider.h"

#include "engine/base/mem.h"
#include "engine/net/http_client.h"
#include "paysim/charge.h"
#include "paysim/script.h"
#include "tests/sim/http_virtual.h"
#include "tests/sim/world.h"

#include <assert.h>
#include <stdio.h>

enum {
    SLOW_MS = 5000,
    HANG_MS = 60000,
    PEND_SHORT_MS = 200,
    PEND_LATE_MS = 6000,
    FENCES_MAX = 1024
};

struct provider_options provider_options;
void (*provider_webhook)(struct slice payload);
uint64_t provider_changes;

static struct charge_book book;
static struct list decisions;
static unsigned webhook_count, refund_count;
static bool fences[FENCES_MAX]; /* plant: charges, by sequence, that only keep others away */

/* ---- decisions that come later ---- */

struct decision {
    struct sim_event event;
    struct charge *charge;
    struct list link;
};

static void send_webhook(const struct charge *c, enum charge_state state, unsigned number)
{
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "{\"id\":\"evt_%u\",\"charge\":{\"reference\":\"%s\",\"state\":\"%s\"}}",
                       number, c->reference, charge_state_text(state));

    if (provider_webhook)
        provider_webhook(slice_of(text, (size_t)len));
}

static void decide(struct sim_event *e)
{
    struct decision *d = container_of(e, struct decision, event);
    enum script_webhook webhook = script_of(slice_str(d->charge->token))->webhook;

    provider_changes++;
    if (charge_authorize(&book, d->charge) == CHARGE_OK) {
        TRACE("provider: %s is authorised", d->charge->reference);
        webhook_count++;
        if (webhook != SCRIPT_NO_WEBHOOK)
            send_webhook(d->charge, CHARGE_AUTHORIZED, webhook_count);
        if (webhook == SCRIPT_TWICE)
            send_webhook(d->charge, CHARGE_AUTHORIZED, webhook_count);
        if (webhook == SCRIPT_REORDERED)
            send_webhook(d->charge, CHARGE_PENDING, ++webhook_count);
    }
    list_remove(&d->link);
    mem_free(d);
}

static void decide_after(struct charge *c)
{
    struct decision *d = mem_alloc(sizeof(*d));

    d->charge = c;
    list_push_back(&decisions, &d->link);
    world_at(&d->event, NULL,
             (script_of(slice_str(c->token))->decision == SCRIPT_PEND_LATE ? PEND_LATE_MS
                                                                           : PEND_SHORT_MS) *
                 MS,
             decide);
}

/* ---- calls ---- */

static void reply(struct virtual_call *call, int http_status, const struct charge *c)
{
    struct json_out w;

    call->http_status = http_status                   ? http_status
                        : c->state == CHARGE_PENDING  ? 202
                        : c->state == CHARGE_DECLINED ? 402
                                                      : 200;
    json_begin(&w, &call->answer);
    if (c)
        charge_write(&w, c);
}

static int64_t pause_of(enum script_delay delay)
{
    return delay == SCRIPT_AT_ONCE ? 0 : (delay == SCRIPT_SLOW ? SLOW_MS : HANG_MS) * MS;
}

static enum charge_state first_state(const struct script *s)
{
    return s->decision == SCRIPT_APPROVE   ? CHARGE_AUTHORIZED
           : s->decision == SCRIPT_DECLINE ? CHARGE_DECLINED
                                           : CHARGE_PENDING;
}

/* Plant: what the fence has put there is overwritten by who comes later. */
static void forget_fence(struct charge *c, const struct script *script)
{
    if (c->sequence < FENCES_MAX && fences[c->sequence] && c->state == CHARGE_VOIDED)
        c->state = first_state(script) == CHARGE_AUTHORIZED ? CHARGE_AUTHORIZED : CHARGE_VOIDED;
}

static void create(struct virtual_call *call)
{
    char why[100];
    json_t *body = json_parse_object(call->body, why, sizeof(why));
    const char *reference = json_string_value(json_object_get(body, "reference")),
               *token = json_string_value(json_object_get(body, "token"));
    bool fence = json_is_false(json_object_get(body, "confirm"));
    const struct script *script;
    struct charge *c;
    size_t known = book.count;

    assert(reference && token);
    script = script_of(slice_str(token));
    if (charge_create(&book, slice_str(reference), slice_str(token),
                      json_integer_value(json_object_get(body, "amount")),
                      slice_str(json_string_value(json_object_get(body, "currency"))),
                      fence ? CHARGE_VOIDED : first_state(script), &c)) {
        call->http_status = 422;
    } else {
        if (book.count > known && fence && c->sequence < FENCES_MAX)
            fences[c->sequence] = provider_options.fence_forgotten;
        else if (!fence)
            forget_fence(c, script);
        reply(call, 0, c);
        if (book.count > known && !fence) {
            call->pause_ns = pause_of(script->authorize);
            if (c->state == CHARGE_PENDING)
                decide_after(c);
            if (provider_options.capture_at_once)
                charge_capture(&book, c);
        }
    }
    json_decref(body);
}

static void outcome(struct virtual_call *call, enum charge_outcome o, const struct charge *c)
{
    reply(call, o == CHARGE_OK ? 0 : o == CHARGE_CONFLICT ? 409 : 422, c);
}

static struct slice refund_key(const struct virtual_call *call)
{
    static char other[32];

    if (!provider_options.refund_twice)
        return call->key;
    snprintf(other, sizeof(other), "refund %u", ++refund_count);
    return slice_str(other);
}

static void change(struct virtual_call *call, struct charge *c, struct slice what)
{
    char why[100];
    json_t *body;

    if (slice_is(what, "capture")) {
        bool before = c->state == CHARGE_CAPTURED;

        outcome(call, charge_capture(&book, c), c);
        call->pause_ns = before ? 0 : pause_of(script_of(slice_str(c->token))->capture);
    } else if (slice_is(what, "void")) {
        outcome(call, provider_options.void_forgotten ? CHARGE_OK : charge_void(&book, c), c);
    } else {
        assert(slice_is(what, "refunds"));
        body = json_parse_object(call->body, why, sizeof(why));
        outcome(call,
                charge_refund(&book, c, refund_key(call),
                              json_integer_value(json_object_get(body, "amount"))),
                c);
        json_decref(body);
    }
}

/* paysim/api.h tells the calls. */
static void serve(struct virtual_call *call)
{
    struct slice path = call->path, id, reference = SLICE_LITERAL("/v1/charges?reference=");
    struct charge *c;

    provider_changes++;
    TRACE("provider <- %.*s %.*s", SLICE_ARG(call->path), SLICE_ARG(call->body));
    if (slice_is(path, "/v1/charges")) {
        create(call);
        return;
    }
    if (slice_starts_with(path, reference)) {
        c = charge_by_reference(&book, slice_of(path.at + reference.len, path.len - reference.len));
        reply(call, c ? 0 : 404, c);
        return;
    }
    path = slice_of(path.at + sizeof("/v1/charges/") - 1, path.len - (sizeof("/v1/charges/") - 1));
    id = slice_cut(&path, '/');
    c = charge_by_id(&book, id);
    if (c)
        change(call, c, path);
    else
        call->http_status = 404;
}

/* ---- life ---- */

void provider_begin(void)
{
    char why[10];
    enum status status = charge_book_open(&book, NULL, why, sizeof(why));

    assert(!status);
    (void)status;
    list_init(&decisions);
    webhook_count = 0;
    memset(fences, 0, sizeof(fences));
    virtual_server = serve;
}

void provider_end(void)
{
    struct list *link;

    while ((link = list_pop_front(&decisions))) {
        struct decision *d = list_entry(link, struct decision, link);

        world_cancel(&d->event);
        mem_free(d);
    }
    charge_book_close(&book);
}

size_t provider_count(void)
{
    return book.count;
}

static void parse_reference(struct slice text, uint64_t *ret_event_id, struct uuid *ret_booking_id)
{
    struct slice event = slice_cut(&text, '-');
    bool good = slice_to_u64(event, ret_event_id) && uuid_parse(text, ret_booking_id);

    assert(good);
    (void)good;
}

void provider_charge(size_t i, uint64_t *ret_event_id, struct uuid *ret_booking_id,
                     struct provider_view *ret_view)
{
    const struct charge *c = book.all[i];

    parse_reference(slice_str(c->reference), ret_event_id, ret_booking_id);
    *ret_view = (struct provider_view){.amount = c->amount,
                                       .captured = c->captured,
                                       .refunded = c->refunded,
                                       .undecided = c->state == CHARGE_PENDING,
                                       .reserved = c->state == CHARGE_AUTHORIZED};
}
