/* Purchases and refunds through Stripe's API as it is documented: real PostgreSQL and Redis, real
 * HTTP client, and tests/lib/stripe_double.h for the other side. */
#include "engine/base/encode.h"
#include "engine/booking/reconciler.h"
#include "engine/booking/till.h"
#include "tests/lib/leaks.h"
#include "tests/lib/rig.h"
#include "tests/lib/stripe_double.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(stripe, .timeout = 120, .fini = assert_no_leaks);

static struct rig_servers servers;
static struct rig rig;
static struct stripe_double stripe;

static void setup(void)
{
    rig_servers_start(&servers, 100);
    rig_open(&rig, &servers);
    stripe_double_start(&stripe, &rig.loop);
    rig.provider = "stripe";
    rig.purchases.providers[0] = (struct payment_provider){.ops = &payment_stripe,
                                                           .url = stripe.url,
                                                           .api_key = STRIPE_KEY,
                                                           .webhook_secret = "whsec_x",
                                                           .deadline_ms = 800,
                                                           .client = rig.client};
}

static long rows(const char *sql)
{
    return sale_count(servers.postgres, sql);
}

/* "Sold once and charged once, or free and not charged", and no card stays blocked. */
static void audit(void)
{
    char *text = mem_strdup(
        server_sql(servers.postgres, "SELECT coalesce(string_agg(event_id || '-' || booking_id || "
                                     "' ' || " SALE_WORTH_SQL ", ','), '') FROM booking b"));
    struct slice rest = slice_str(text);

    sale_audit(servers.postgres);
    while (rest.at && rest.len) {
        struct slice worth = slice_cut(&rest, ','), reference = slice_cut(&worth, ' ');
        struct stripe_intent *i = stripe_double_find(&stripe, reference);
        int64_t price;

        cr_assert(slice_to_i64(worth, &price));
        cr_assert_eq(i ? i->received - i->refunded : 0, price, "%.*s", SLICE_ARG(reference));
        cr_assert(!i || (strcmp(i->status, "requires_capture") != 0 &&
                         strcmp(i->status, "processing") != 0),
                  "%.*s: %s", SLICE_ARG(reference), i ? i->status : "");
    }
    mem_free(text);
}

static void teardown(void)
{
    rig_settle(&rig, &servers);
    audit();
    stripe_double_stop(&stripe);
    rig_close(&rig);
    rig_servers_stop(&servers);
}

static void buy(uint32_t seat, const char *method, struct rig_answer *a)
{
    struct hold hold;

    rig_hold(&rig, seat, 2, &hold);
    rig_buy_wait(&rig, &hold, method, NULL, a);
}

static void trouble(const char *suffix, enum stripe_trouble kind, int times)
{
    stripe.trouble_suffix = suffix;
    stripe.trouble = kind;
    stripe.trouble_times = times;
}

/* ---- one purchase, all endings ---- */

Test(stripe, a_purchase_is_authorised_committed_and_captured_once)
{
    struct rig_answer a;

    setup();
    buy(0, "pm_card_visa", &a);
    cr_assert(a.status == STATUS_OK && a.state == BOOKING_CONFIRMED);
    rig_settle(&rig, &servers);
    cr_assert_eq(stripe.intent_count, 1);
    cr_assert_str_eq(stripe.intents[0].currency, "eur");
    cr_assert(stripe.intents[0].amount == 2 * SALE_PRICE &&
              stripe.intents[0].received == 2 * SALE_PRICE);
    cr_assert_eq(stripe.calls, 2, "create and capture, no more");
    teardown();
}

Test(stripe, a_declined_card_is_told_and_another_one_works_on_the_same_hold)
{
    static const char *const bad[] = {"pm_card_visa_chargeDeclined",
                                      "pm_card_authenticationRequired", "pm_that_is_not_there"};
    struct hold hold;
    struct rig_answer a;

    setup();
    rig_hold(&rig, 0, 2, &hold);
    for (size_t i = 0; i < array_len(bad); i++) {
        rig_buy_wait(&rig, &hold, bad[i], NULL, &a);
        cr_assert(a.status == STATUS_OK && a.state == BOOKING_DECLINED, "%s", bad[i]);
    }
    rig_buy_wait(&rig, &hold, "pm_card_visa", NULL, &a);
    cr_assert_eq(a.state, BOOKING_CONFIRMED);
    teardown();
}

Test(stripe, an_intent_that_wants_the_buyer_to_act_is_declined)
{
    struct rig_answer a;

    setup();
    stripe.accept_actions = true;
    buy(0, "pm_card_authenticationRequired", &a);
    cr_assert(a.status == STATUS_OK && a.state == BOOKING_DECLINED);
    cr_assert_str_eq(stripe.intents[0].status, "requires_action");
    teardown();
}

Test(stripe, a_payment_that_is_decided_later)
{
    struct rig_answer good, bad;

    setup();
    buy(0, "pm_processing", &good);
    buy(2, "pm_processing", &bad);
    cr_assert(good.state == BOOKING_PENDING && bad.state == BOOKING_PENDING);
    stripe.intents[0].status = "requires_capture";
    stripe.intents[1].status = "requires_payment_method";
    rig_settle(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'confirmed'"), 1);
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'declined'"), 1);
    teardown();
}

static void steal_at(void *ctx, const char *step)
{
    (void)ctx;
    if (strcmp(step, "commit") == 0)
        server_sql(servers.postgres, "UPDATE event_seat SET version = version + 1 WHERE seat = 1");
}

Test(stripe, a_commit_that_loses_cancels_the_intent)
{
    struct rig_answer a;

    setup();
    rig.purchases.point = steal_at;
    buy(0, "pm_card_visa", &a);
    cr_assert_eq(a.state, BOOKING_LOST);
    rig_settle(&rig, &servers);
    cr_assert_str_eq(stripe.intents[0].status, "canceled");
    teardown();
}

/* ---- trouble: the same key, asked again ---- */

Test(stripe, whatever_goes_wrong_on_the_way_is_one_intent_and_one_charge)
{
    static const enum stripe_trouble kinds[] = {STRIPE_LOSE, STRIPE_CONFLICT, STRIPE_RATE,
                                                STRIPE_FAIL};
    static const char *const suffixes[] = {"/payment_intents", "/capture"};
    uint32_t seat = 0;

    setup();
    for (size_t s = 0; s < array_len(suffixes); s++) {
        for (size_t k = 0; k < array_len(kinds); k++, seat += 2) {
            struct rig_answer a;
            size_t before = stripe.intent_count;

            trouble(suffixes[s], kinds[k], 1);
            buy(seat, "pm_card_visa", &a);
            cr_assert(a.status == STATUS_OK && a.state == BOOKING_CONFIRMED, "%s %d: %s",
                      suffixes[s], kinds[k], status_code(a.status));
            rig_settle(&rig, &servers);
            cr_assert_eq(stripe.trouble_times, 0);
            cr_assert_eq(stripe.intent_count, before + 1, "%s %d", suffixes[s], kinds[k]);
            cr_assert_eq(stripe.intents[before].received, 2 * SALE_PRICE);
        }
    }
    cr_assert_eq(stripe.replays, 2, "the two lost answers, found again by their keys");
    teardown();
}

Test(stripe, trouble_that_lasts_puts_the_purchase_off_and_it_is_finished_afterwards)
{
    struct rig_answer a;

    setup();
    trouble("/payment_intents", STRIPE_FAIL, 3);
    buy(0, "pm_card_visa", &a);
    cr_assert_neq(a.status, STATUS_OK);
    rig_settle(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'confirmed'"), 1);
    cr_assert_eq(stripe.intent_count, 1);
    teardown();
}

Test(stripe, a_key_that_is_not_ours_says_nothing_about_the_payment)
{
    struct rig_answer a;

    setup();
    rig.purchases.providers[0].api_key = "sk_test_wrong";
    buy(0, "pm_card_visa", &a);
    cr_assert_neq(a.status, STATUS_OK, "not declined: nobody looked at the card");
    rig.purchases.providers[0].api_key = STRIPE_KEY;
    rig_settle(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'confirmed'"), 1);
    teardown();
}

/* ---- a hold that ends before it is known whether the card was charged ---- */

static void outlast_hold(void *ctx, const char *step)
{
    (void)ctx;
    while (strcmp(step, "look_up") == 0 &&
           rows("SELECT count(*) FROM booking WHERE state = 'pending' AND hold_expires > "
                "clock_timestamp() - interval '2500 ms'"))
        usleep(10000);
}

static int answers;
static enum status answered;

static void answer_cb(struct payment_call *call, enum status status)
{
    (void)call;
    answers++;
    answered = status;
}

/* The authorisation of a worker that was stopped before, when all is over. */
static void authorize_late(const struct uuid *booking, struct payment_call *call)
{
    char id[UUID_TEXT_SIZE];

    *call = (struct payment_call){
        .cb = answer_cb, .op = PAYMENT_AUTHORIZE, .amount = 2 * SALE_PRICE, .currency = "EUR"};
    payment_reference(SALE_EVENT, booking, call->reference);
    uuid_format(booking, id);
    snprintf(call->key, sizeof(call->key), "%s-authorize", id);
    snprintf(call->token, sizeof(call->token), "pm_card_visa");
    answers = 0;
    cr_assert_eq(payment_submit(&rig.purchases.providers[0], call), STATUS_OK);
    LOOP_UNTIL(&rig.loop, answers == 1, 5000);
}

Test(stripe, a_charge_that_is_not_there_when_its_hold_has_ended_does_not_come_later)
{
    struct rig_answer a;
    struct payment_call call;

    setup();
    rig.hold_ms = 1000;
    rig.purchases.point = outlast_hold;
    trouble("/payment_intents", STRIPE_FAIL, 1);
    buy(0, "pm_card_visa", &a);
    cr_assert(a.status == STATUS_OK && a.state == BOOKING_EXPIRED);
    rig_settle(&rig, &servers);
    authorize_late(&a.booking_id, &call);
    cr_assert_eq(answered, STATUS_PROTOCOL);
    cr_assert_eq(stripe.intent_count, 1);
    cr_assert_str_eq(stripe.intents[0].method, "", "no card was asked");
    cr_assert_str_eq(stripe.intents[0].status, "canceled");
    teardown();
}

Test(stripe, a_charge_that_was_made_is_found_when_its_hold_has_ended)
{
    struct rig_answer a;

    setup();
    rig.hold_ms = 1000;
    rig.purchases.point = outlast_hold;
    trouble("/payment_intents", STRIPE_LOSE, 1);
    buy(0, "pm_card_visa", &a);
    cr_assert(a.status == STATUS_OK && a.state == BOOKING_CONFIRMED, "its seats were free");
    rig_settle(&rig, &servers);
    cr_assert(stripe.intent_count == 1 && stripe.replays == 1);
    teardown();
}

/* ---- refunds ---- */

static int refunds_decided, refunds_begun;

static void refund_cb_(struct refund *r, enum status status)
{
    cr_assert_eq(status, STATUS_OK);
    refunds_decided++;
    refunds_begun += r->verdict == LEDGER_BEGUN;
}

/* One ticket, or with an amount money only, or all. */
static void ask_refund(const struct uuid *booking, size_t count, uint32_t seat, int64_t amount,
                       const struct uuid *idem)
{
    struct refund *r = refund_take(&rig.refunds);

    r->row = (struct refund_row){.event_id = SALE_EVENT,
                                 .booking_id = *booking,
                                 .refund_id = uuid_v4_secret(),
                                 .idem = idem ? *idem : uuid_v4_secret(),
                                 .seat_count = count,
                                 .seats = {seat},
                                 .asked_amount = amount};
    r->decided = refund_cb_;
    refund_begin(r);
}

static int refunds_wait(int count)
{
    int begun;

    LOOP_UNTIL(&rig.loop, refunds_decided == count, 5000);
    begun = refunds_begun;
    refunds_decided = refunds_begun = 0;
    rig_settle(&rig, &servers);
    return begun;
}

Test(stripe, a_ticket_then_an_amount_then_the_rest)
{
    struct rig_answer a;
    struct uuid key = uuid_v4_secret();

    setup();
    buy(0, "pm_card_visa", &a);
    rig_settle(&rig, &servers);
    ask_refund(&a.booking_id, 1, 0, 0, NULL);
    cr_assert_eq(refunds_wait(1), 1);
    cr_assert_eq(stripe.intents[0].refunded, SALE_PRICE);
    ask_refund(&a.booking_id, 0, 0, 1500, &key);
    cr_assert_eq(refunds_wait(1), 1);
    ask_refund(&a.booking_id, 0, 0, 1500, &key); /* the same key: once */
    cr_assert_eq(refunds_wait(1), 0);
    cr_assert_eq(stripe.intents[0].refunded, SALE_PRICE + 1500);
    cr_assert_eq(rows("SELECT count(*) FROM ticket WHERE live"), 1, "money and no seat");
    ask_refund(&a.booking_id, 0, 0, SALE_PRICE - 1500 + 1, NULL);
    cr_assert_eq(refunds_wait(1), 0, "more than is left");
    audit();
    ask_refund(&a.booking_id, 0, 0, 0, NULL);
    cr_assert_eq(refunds_wait(1), 1);
    cr_assert_eq(stripe.intents[0].refunded, 2 * SALE_PRICE, "what is left, not the whole price");
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'refunded'"), 1);
    teardown();
}

Test(stripe, refunds_at_once_never_return_more_than_was_captured)
{
    struct rig_answer a;

    setup();
    buy(0, "pm_card_visa", &a);
    rig_settle(&rig, &servers);
    for (int i = 0; i < 10; i++)
        ask_refund(&a.booking_id, i == 4, 0, i == 4 ? 0 : 3000, NULL);
    cr_assert_geq(refunds_wait(10), 3);
    cr_assert_leq(stripe.intents[0].refunded, 2 * SALE_PRICE);
    cr_assert_gt(stripe.intents[0].refunded, 2 * SALE_PRICE - 3000);
    cr_assert_eq(rows("SELECT count(*) FROM payment WHERE refunded = (SELECT sum(amount) FROM "
                      "refund)"),
                 1);
    teardown();
}

Test(stripe, a_refund_whose_answer_was_lost_happens_once)
{
    struct rig_answer a;

    setup();
    buy(0, "pm_card_visa", &a);
    rig_settle(&rig, &servers);
    trouble("/refunds", STRIPE_LOSE, 1);
    ask_refund(&a.booking_id, 1, 0, 0, NULL);
    cr_assert_eq(refunds_wait(1), 1);
    cr_assert_eq(stripe.refunds, 1);
    cr_assert_eq(stripe.replays, 1);
    trouble("/refunds", STRIPE_CONFLICT, 2);
    ask_refund(&a.booking_id, 0, 0, 100, NULL);
    cr_assert_eq(refunds_wait(1), 1);
    cr_assert_eq(stripe.intents[0].refunded, SALE_PRICE + 100);
    teardown();
}

/* ---- the reconciler ---- */

Test(stripe, the_reconciler_compares_what_was_refunded)
{
    struct reconciler reconciler;
    struct rig_answer good, wrong;

    setup();
    buy(0, "pm_card_visa", &good);
    buy(2, "pm_card_visa", &wrong);
    rig_settle(&rig, &servers);
    ask_refund(&good.booking_id, 0, 0, 700, NULL);
    ask_refund(&wrong.booking_id, 1, 2, 0, NULL);
    refunds_wait(2);
    stripe.intents[1].refunded += 100; /* by hand, in the dashboard */
    reconciler_init(&reconciler, &rig.purchases, 20, 0);
    LOOP_UNTIL(&rig.loop, rows("SELECT count(*) FROM payment WHERE reconcile_due IS NULL") == 2,
               10000);
    cr_assert_eq(rig.purchases.metrics.reconciled_total, 1);
    stripe.intents[1].refunded -= 100;
    reconciler_close(&reconciler);
    teardown();
    reconciler_free(&reconciler);
}

Test(stripe, the_reconciler_asks_no_card_for_what_was_refused_before_it_was_a_charge)
{
    struct reconciler reconciler;
    struct rig_answer a;
    struct payment_call call;

    setup();
    buy(0, "pm_that_is_not_there", &a);
    cr_assert_eq(a.state, BOOKING_DECLINED);
    reconciler_init(&reconciler, &rig.purchases, 20, 0);
    LOOP_UNTIL(&rig.loop, rows("SELECT count(*) FROM payment WHERE reconcile_due IS NULL") == 1,
               10000);
    cr_assert_eq(rig.purchases.metrics.reconciled_total, 0, "nobody is of another opinion");
    authorize_late(&a.booking_id, &call);
    cr_assert_eq(answered, STATUS_PROTOCOL);
    cr_assert(stripe.intent_count == 1 && !stripe.intents[0].method[0]);
    reconciler_close(&reconciler);
    teardown();
    reconciler_free(&reconciler);
}

/* ---- webhooks, through the engine's own route ---- */

struct posted {
    struct http_fetch fetch;
    int calls;
};

static void posted_cb(struct http_fetch *fetch, enum status status)
{
    cr_assert_eq(status, STATUS_OK);
    container_of(fetch, struct posted, fetch)->calls++;
}

static int post(struct http_client *client, const char *url, const char *header, struct slice body)
{
    const char *const headers[] = {header, "Content-Type: application/json", NULL};
    struct posted p = {.fetch = {.method = HTTP_POST_,
                                 .url = url,
                                 .headers = headers,
                                 .body = body,
                                 .deadline_ms = 5000,
                                 .cb = posted_cb}};

    cr_assert_eq(http_fetch_submit(client, &p.fetch), STATUS_OK);
    LOOP_UNTIL(&rig.loop, p.calls == 1, 6000);
    http_fetch_release(&p.fetch);
    return p.fetch.http_status;
}

static void sign(const char *secret, int64_t t, struct slice body, char ret_hex[65])
{
    struct buf b;
    uint8_t mac[32];

    buf_init(&b, 16384);
    buf_printf(&b, "%lld.", (long long)t);
    buf_append_slice(&b, body);
    hmac_sha256(secret, strlen(secret), b.at, b.len, mac);
    hex_encode(mac, 32, ret_hex);
    ret_hex[64] = '\0';
    buf_free(&b);
}

/* A till of its own, as main.c opens it, behind a server. */
struct shop {
    struct engine engine;
    struct till till;
    struct router router;
    struct http_server *server;
    char url[100];
};

static void shop_open(struct shop *s)
{
    static const struct till_settings settings = {.stripe_key = STRIPE_KEY,
                                                  .stripe_webhook_secret = "whsec_x",
                                                  .payment_timeout_ms = 800,
                                                  .payment_poll_ms = 600000,
                                                  .booking_lease_ms = 2000,
                                                  .commit_batches = 1};
    struct till_settings here = settings;
    const struct http_server_options options = {.connections = 16, .requests = 16};
    char why[100];

    memset(s, 0, sizeof(*s));
    s->engine = (struct engine){.loop = &rig.loop, .kv = rig.kv, .db = rig.db, .seats = rig.seats};
    here.stripe_url = stripe.url;
    till_open(&s->till, &s->engine, &here, 16);
    router_init(&s->router);
    till_routes(&s->till, &s->router);
    s->server = http_server_new(&rig.loop, &s->router, &options);
    cr_assert_eq(http_server_listen(s->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/v1/payments/webhooks/stripe",
             http_server_port(s->server));
}

Test(stripe, a_webhook_is_of_this_secret_and_hour_and_has_the_payment_looked_after)
{
    struct shop shop;
    struct rig_answer a;
    struct buf body;
    char good[65], forged[65], header[400];
    int64_t now = clock_wall_ms(&clock_system) / 1000;

    setup();
    rig.purchases.poll_ms = 600000; /* nobody but the webhook makes anybody look */
    buy(0, "pm_processing", &a);
    cr_assert_eq(a.state, BOOKING_PENDING);
    stripe.intents[0].status = "requires_capture";
    shop_open(&shop);
    buf_init(&body, 16384);
    stripe_double_event(&stripe.intents[0], "evt_1", &body);
    sign("whsec_x", now, buf_slice(&body), good);
    sign("whsec_other", now, buf_slice(&body), forged);

    snprintf(header, sizeof(header), "Stripe-Signature: t=%lld,v1=%s", (long long)now, forged);
    cr_assert_eq(post(rig.client, shop.url, header, buf_slice(&body)), 400, "forged");
    snprintf(header, sizeof(header), "Stripe-Signature: t=%lld,v0=%s", (long long)now, good);
    cr_assert_eq(post(rig.client, shop.url, header, buf_slice(&body)), 400, "of a scheme of tests");
    snprintf(header, sizeof(header), "Stripe-Signature: t=%lld,v1=%s", (long long)now - 1, good);
    cr_assert_eq(post(rig.client, shop.url, header, buf_slice(&body)), 400, "of another second");
    sign("whsec_x", now - 301, buf_slice(&body), forged);
    snprintf(header, sizeof(header), "Stripe-Signature: t=%lld,v1=%s", (long long)now - 301,
             forged);
    cr_assert_eq(post(rig.client, shop.url, header, buf_slice(&body)), 400, "replayed later");
    cr_assert_eq(post(rig.client, shop.url, "X-Other: 1", buf_slice(&body)), 400, "none");
    cr_assert_eq(rows("SELECT count(*) FROM payment_webhook"), 0);
    cr_assert_eq(shop.till.purchases.metrics.webhooks_refused_total, 5);

    sign("whsec_before", now, buf_slice(&body), forged); /* the secret is being rolled */
    snprintf(header, sizeof(header), "Stripe-Signature: t=%lld,v1=%s,v1=%s,v0=%s", (long long)now,
             forged, good, good);
    cr_assert_eq(post(rig.client, shop.url, header, buf_slice(&body)), 200);
    LOOP_UNTIL(&rig.loop, rows("SELECT count(*) FROM booking WHERE state = 'confirmed'") == 1,
               5000);
    LOOP_UNTIL(&rig.loop, strcmp(stripe.intents[0].status, "succeeded") == 0, 5000);
    cr_assert_eq(post(rig.client, shop.url, header, buf_slice(&body)), 200, "again: no harm");
    cr_assert_eq(shop.till.purchases.metrics.webhooks_total, 1);
    LOOP_UNTIL(&rig.loop, shop.till.purchases.metrics.purchases_in_flight == 0, 5000);

    buf_free(&body);
    http_server_free(shop.server);
    till_stop(&shop.till);
    router_free(&shop.router);
    teardown();
    till_free(&shop.till);
}
