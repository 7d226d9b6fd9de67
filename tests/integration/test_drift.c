/* The drift detector between a real Redis and a real PostgreSQL: it finds every way in which the
 * two can differ, marks the seats as the truth has them, with a revision and a record like any
 * other change, and never takes for drift what is only on its way. */
#include "engine/auditor/check.h"
#include "engine/base/json.h"
#include "engine/booking/drift.h"
#include "engine/booking/news.h"
#include "engine/booking/relay.h"
#include "tests/lib/leaks.h"
#include "tests/lib/rig.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(drift, .timeout = 120, .fini = assert_no_leaks);

#define SEATS 400

static struct rig_servers servers;
static struct rig rig;
static struct drift *drift;
static struct relay *relay;

/* ---- a Kafka that takes everything, and a reader that believes it ---- */

static struct news_reader {
    struct bus bus;
    struct turn_end acknowledge;
    struct list sends;
    uint64_t rev; /* of the last change */
    char picture[SEATS + 1];
} kafka;

static void take_change(struct slice payload)
{
    char why[100];
    json_t *o = json_parse_object(payload, why, sizeof(why)), *seat;
    uint64_t rev = (uint64_t)json_integer_value(json_object_get(o, "rev"));
    const char *state = json_string_value(json_object_get(o, "state"));
    static const char *const states[] = {"free", "held", "sold", "blocked"};
    size_t i;

    cr_assert(rev == kafka.rev + 1 || rev >> 40 > kafka.rev >> 40, "the revs have a gap");
    kafka.rev = rev;
    json_array_foreach(json_object_get(o, "seats"), i, seat)
    {
        for (size_t s = 0; s < array_len(states); s++) {
            if (strcmp(state, states[s]) == 0)
                kafka.picture[json_integer_value(seat)] = (char)('0' + s);
        }
    }
    json_decref(o);
}

static enum status take(struct bus *bus, struct bus_send *send, const char *topic, struct slice key,
                        struct slice payload, const struct bus_header *headers, size_t count)
{
    (void)bus;
    (void)key;
    (void)headers;
    (void)count;
    if (strcmp(topic, NEWS_TOPIC_CHANGES) == 0)
        take_change(payload);
    list_push_back(&kafka.sends, &send->link);
    loop_defer(&rig.loop, &kafka.acknowledge);
    return STATUS_OK;
}

static void acknowledge(struct turn_end *end)
{
    struct list *link;

    (void)end;
    while ((link = list_pop_front(&kafka.sends))) {
        struct bus_send *send = list_entry(link, struct bus_send, link);

        send->cb(send, STATUS_OK);
    }
}

static const struct bus_ops kafka_ops = {.send = take};

/* ---- life ---- */

static void wake(void *ctx, uint64_t event_id)
{
    (void)ctx;
    if (relay)
        relay_wake(relay, event_id);
}

static void relay_start(void)
{
    relay = relay_new(&rig.loop, rig.kv, rig.db, &kafka.bus, rig.seats);
    LOOP_UNTIL(
        &rig.loop,
        sale_count(servers.postgres, "SELECT count(*) FROM outbox WHERE parked_at IS NULL") == 0,
        10000);
}

static void setup(void)
{
    rig_servers_start(&servers, SEATS);
    rig_open(&rig, &servers);
    rig.purchases.changed = wake;
    kafka.bus.ops = &kafka_ops;
    kafka.rev = 0;
    list_init(&kafka.sends);
    memset(kafka.picture, '0', SEATS);
    turn_end_init(&kafka.acknowledge, acknowledge);
}

static void stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static void teardown(void)
{
    bool rested = relay == NULL;

    drift_stop(drift);
    if (relay)
        relay_stop(relay, stopped, &rested);
    LOOP_UNTIL(&rig.loop, rested, 5000);
    rig_close(&rig);
    drift_free(drift);
    if (relay)
        relay_free(relay);
    rig_servers_stop(&servers);
}

static void detect(int64_t settle_ms)
{
    drift = drift_new(&(struct drift_options){.loop = &rig.loop,
                                              .kv = rig.kv,
                                              .db = rig.db,
                                              .mirror = seat_store_mirror(rig.seats),
                                              .changed = wake,
                                              .pass_ms = 10,
                                              .step_ms = 2,
                                              .settle_ms = settle_ms});
}

static const struct drift_metrics *metrics(void)
{
    return drift_metrics(drift)->base;
}

/* Until a pass that began after this call has ended. */
static void passes(int count)
{
    for (int i = 0; i < count + 1; i++) {
        LOOP_UNTIL(&rig.loop, metrics()->drift_age_ms > 0, 10000);
        int64_t before = metrics()->drift_age_ms;
        LOOP_UNTIL(&rig.loop, metrics()->drift_age_ms < before, 10000);
    }
}

static const char *states(void)
{
    return server_redis(servers.redis, "GET {e1}:state");
}

/* Promises I1 to I6 as the auditor sees them, and what the news told is what Redis has. */
static void audit(void)
{
    struct audit a = {.facts = {.loop = &rig.loop, .db = rig.db, .kv = rig.kv},
                      .event_id = SALE_EVENT};

    verdict_init(&a.verdict);
    check_truth(&a);
    check_mirror(&a);
    if (verdict_broken_count(&a.verdict) || a.verdict.incomplete)
        verdict_print(&a.verdict);
    cr_assert_eq(verdict_broken_count(&a.verdict), 0);
    cr_assert_not(a.verdict.incomplete);
    verdict_free(&a.verdict);
    LOOP_UNTIL(&rig.loop, strcmp(kafka.picture, states()) == 0, 5000);
}

/* Seats 0, 1 sold, 5 blocked, 8 held; all of it told. */
static void some_sales(void)
{
    struct hold hold;
    struct rig_answer a;

    rig_hold(&rig, 0, 2, &hold);
    rig_buy_wait(&rig, &hold, "tok_visa", NULL, &a);
    cr_assert_eq(a.state, BOOKING_CONFIRMED);
    rig_hold(&rig, 8, 1, &hold);
    server_sql(servers.postgres, "SELECT event_block_seats(1, '{5}', true)");
    relay_start();
    rig_settle(&rig, &servers);
}

/* ---- what is found ---- */

static const struct plant {
    const char *what, *redis, *sql;
} plants[] = {
    {"sold in the truth, free in Redis", "SETRANGE {e1}:state 0 0", NULL},
    {"sold at the version before the sale", "BITFIELD {e1}:ver SET u32 #1 0", NULL},
    {"blocked in the truth, free in Redis", "SETRANGE {e1}:state 5 0", NULL},
    {"free in the truth, sold in Redis", "SETRANGE {e1}:state 20 2", NULL},
    {"free in the truth, blocked in Redis", "SETRANGE {e1}:state 21 3", NULL},
    {"a version ahead", "BITFIELD {e1}:ver SET u32 #22 7", NULL},
    {"a version behind", NULL, "UPDATE event_seat SET version = version + 1 WHERE seat = 23"},
    {"blocked behind our back", NULL,
     "UPDATE event_seat SET status = 3, version = version + 1 WHERE seat = 24"},
    {"blocked behind our back while it is held", NULL,
     "UPDATE event_seat SET status = 3, version = version + 1 WHERE seat = 8"},
    {"held by nobody", "SETRANGE {e1}:state 25 1", NULL},
    {"no state at all", "SETRANGE {e1}:state 26 x", NULL},
};

static void plant(const struct plant *p)
{
    if (p->redis)
        server_redis(servers.redis, p->redis);
    if (p->sql)
        server_sql(servers.postgres, p->sql);
}

Test(drift, every_kind_is_found_told_and_mended)
{
    setup();
    some_sales();
    for (size_t i = 0; i < array_len(plants); i++)
        plant(&plants[i]);
    detect(50);
    LOOP_UNTIL(&rig.loop, metrics()->drift_mended_total >= array_len(plants), 10000);
    LOOP_UNTIL(&rig.loop, metrics()->drift_seats == (int64_t)array_len(plants), 5000);
    passes(2);
    cr_assert_eq(metrics()->drift_mended_total, array_len(plants), "mended once and for all");
    cr_assert_eq(metrics()->drift_seats, 0);
    cr_assert_eq(metrics()->drift_rebuilds_total, 0);
    cr_assert_eq(strncmp(states(), "22000300300000000000", 20), 0, "%.20s", states());
    cr_assert_eq(strncmp(states() + 20, "00003000", 8), 0, "%.8s", states() + 20);
    audit();
    teardown();
}

Test(drift, each_kind_alone_is_found)
{
    setup();
    some_sales();
    detect(20);
    for (size_t i = 0; i < array_len(plants); i++) {
        plant(&plants[i]);
        LOOP_UNTIL(&rig.loop, metrics()->drift_mended_total == i + 1, 10000);
        cr_log_info("%s", plants[i].what);
    }
    audit();
    teardown();
}

Test(drift, a_mended_seat_can_be_sold_again)
{
    struct hold hold;
    struct rig_answer a;

    setup();
    some_sales();
    plant(&plants[5]); /* a hold of it would lose at its commit for ever */
    detect(20);
    LOOP_UNTIL(&rig.loop, metrics()->drift_mended_total == 1, 10000);
    rig_hold(&rig, 22, 1, &hold);
    rig_buy_wait(&rig, &hold, "tok_visa", NULL, &a);
    cr_assert_eq(a.state, BOOKING_CONFIRMED);
    rig_settle(&rig, &servers);
    audit();
    teardown();
}

Test(drift, an_event_that_has_lost_too_much_is_rebuilt)
{
    char text[SEATS + 100];
    uint64_t rebuilds;

    setup();
    some_sales();
    rebuilds = mirror_rebuilds(seat_store_mirror(rig.seats));
    detect(20);
    snprintf(text, sizeof(text), "SETRANGE {e1}:state 100 %0200d", 0);
    memset(strrchr(text, ' ') + 1, '2', 200);
    server_redis(servers.redis, text);
    LOOP_UNTIL(&rig.loop, metrics()->drift_rebuilds_total == 1, 10000);
    server_redis(servers.redis, "SET {e1}:state 2200");
    LOOP_UNTIL(&rig.loop, metrics()->drift_rebuilds_total == 2, 10000);
    server_redis(servers.redis, "DEL {e1}:ver");
    LOOP_UNTIL(&rig.loop, metrics()->drift_rebuilds_total == 3, 10000);
    cr_assert_eq(mirror_rebuilds(seat_store_mirror(rig.seats)), rebuilds + 3);
    cr_assert_eq(metrics()->drift_mended_total, 0);
    kafka.picture[0] = '\0'; /* the news start again with a snapshot */
    memcpy(kafka.picture, states(), SEATS);
    audit();
    teardown();
}

/* ---- what is not ---- */

Test(drift, what_still_waits_in_the_outbox_is_none_and_what_is_parked_there_is)
{
    struct hold hold;
    struct rig_answer a;

    setup();
    rig_hold(&rig, 0, 2, &hold);
    rig_buy_wait(&rig, &hold, "tok_visa", NULL, &a);
    server_sql(servers.postgres,
               "SELECT event_block_seats(1, '{5,6}', true)"); /* nobody marks it */
    detect(20);
    passes(5);
    cr_assert_eq(metrics()->drift_mended_total, 0);
    cr_assert_eq(states()[5], '0');
    server_sql(servers.postgres, "UPDATE outbox SET parked_at = now() WHERE type = 'seat.blocked'");
    LOOP_UNTIL(&rig.loop, metrics()->drift_mended_total == 2, 10000);
    cr_assert_eq(strncmp(states(), "2200033", 7), 0);
    relay_start();
    rig_settle(&rig, &servers);
    audit();
    teardown();
}

struct buyer {
    struct rig_answer answer;
    struct hold hold;
};

static void swept(struct hold_call *call, enum status status)
{
    cr_assert_eq(status, STATUS_OK);
    call->cb = NULL;
}

static void sweep(struct hold_call *call)
{
    if (call->cb)
        return;
    *call = (struct hold_call){.cb = swept, .hold = {.event_id = SALE_EVENT}};
    cr_assert_eq(seat_store_sweep(rig.seats, call, 100), STATUS_OK);
}

static void given_back(struct refund *r, enum status status)
{
    (void)r;
    (void)status;
}

static void give_back(const struct uuid *booking)
{
    struct refund *r = refund_take(&rig.refunds);

    r->row = (struct refund_row){.event_id = SALE_EVENT,
                                 .booking_id = *booking,
                                 .refund_id = uuid_v4_secret(),
                                 .idem = uuid_v4_secret()};
    r->decided = given_back;
    refund_begin(r);
}

/* Buyers who buy, buyers who leave, refunds, blocked seats; two readings as close as 40 ms. */
Test(drift, a_running_sale_raises_no_alarm)
{
    enum { BUYERS = 60 };
    static struct buyer buyers[BUYERS];
    struct hold_call call = {.cb = NULL};
    struct hold left;

    setup();
    relay_start();
    detect(40);
    for (uint32_t i = 0; i < BUYERS; i++) {
        rig.hold_ms = 60000;
        rig_hold(&rig, 4 * i, 2, &buyers[i].hold);
        rig_buy(&rig, &buyers[i].hold, "tok_visa", NULL, &buyers[i].answer);
        rig.hold_ms = 200;
        rig_hold(&rig, 4 * i + 2, 1, &left);
        if (i % 5 == 0)
            server_sql(servers.postgres, "SELECT event_block_seats(1, '{390,391}', true)");
        if (i % 5 == 3)
            server_sql(servers.postgres, "SELECT event_block_seats(1, '{390,391}', false)");
        sweep(&call);
    }
    for (size_t i = 0; i < 30; i++)
        give_back(&buyers[i].answer.booking_id);
    while (strchr(states(), '1')) { /* until the last one that left has been swept */
        passes(1);
        sweep(&call);
    }
    passes(3);
    LOOP_UNTIL(&rig.loop, !call.cb, 2000);
    rig_settle(&rig, &servers);
    passes(2);
    cr_assert_eq(metrics()->drift_mended_total + metrics()->drift_rebuilds_total, 0);
    cr_assert_gt(metrics()->drift_compared_total, 20 * SEATS);
    cr_assert_geq(rig.purchases.metrics.refunds_total, 20);
    plant(&plants[3]); /* it was awake */
    LOOP_UNTIL(&rig.loop, metrics()->drift_mended_total == 1, 10000);
    audit();
    teardown();
}
