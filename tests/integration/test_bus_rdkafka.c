#include "engine/base/buf.h"
#include "engine/store/bus_rdkafka.h"
#include "tests/lib/leaks.h"
#include "tests/lib/servers.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

TestSuite(bus_rdkafka, .timeout = 150, .fini = assert_no_leaks);

static struct loop loop;
static struct server *kafka;
static struct bus *bus;

/* ---- sending ---- */

struct call {
    struct bus_send send;
    int calls;
    enum status status;
};

static void sent(struct bus_send *send, enum status status)
{
    struct call *c = container_of(send, struct call, send);

    c->calls++;
    c->status = status;
}

static enum status send_text(struct call *c, const char *topic, const char *key,
                             const char *payload)
{
    static const struct bus_header headers[] = {{"ce_type", {"seat.held", 9}}, {"ce_id", {"7", 1}}};

    *c = (struct call){.send.cb = sent};
    return bus_send(bus, &c->send, topic, slice_str(key), slice_str(payload), headers,
                    array_len(headers));
}

static void send_ok(struct call *c, const char *topic, const char *key, const char *payload)
{
    cr_assert_eq(send_text(c, topic, key, payload), STATUS_OK);
    cr_assert_eq(c->calls, 0, "a callback never comes inside the submit");
}

static void run(struct call *c, const char *topic, const char *key, const char *payload)
{
    send_ok(c, topic, key, payload);
    LOOP_UNTIL(&loop, c->calls == 1, 30000);
    cr_assert_eq(c->status, STATUS_OK, "%s", status_code(c->status));
}

/* ---- reading ---- */

struct reader {
    struct bus_feed feed;
    size_t messages, tombstones;
    int caught_up;
    size_t messages_then; /* when caught up */
    char last[64], last_key[64];
    int64_t numbers[16]; /* per key k0..k15: what came last, must rise by one */
    bool in_order;
    size_t stop_after; /* 0: never */
};

static void read_message(struct bus_feed *feed, const struct bus_message *m)
{
    struct reader *r = container_of(feed, struct reader, feed);
    uint64_t key = 0;
    int64_t number = 0;

    r->messages++;
    r->tombstones += m->payload.at == NULL;
    slice_to_str(m->payload, r->last, sizeof(r->last));
    slice_to_str(m->key, r->last_key, sizeof(r->last_key));
    cr_assert(m->header_count == 2 && strcmp(m->headers[0].name, "ce_type") == 0 &&
              slice_is(m->headers[0].value, "seat.held"));
    cr_assert(slice_is(m->headers[1].value, "7") && m->timestamp_ms > 1600000000000);
    if (m->key.len > 1 && m->key.at[0] == 'k' &&
        slice_to_u64(slice_of(m->key.at + 1, m->key.len - 1), &key) &&
        slice_to_i64(m->payload, &number)) {
        r->in_order = r->in_order && number == r->numbers[key] + 1;
        r->numbers[key] = number;
    }
    if (r->messages == r->stop_after)
        bus_feed_stop(bus, feed);
}

static void read_caught_up(struct bus_feed *feed)
{
    struct reader *r = container_of(feed, struct reader, feed);

    r->caught_up++;
    r->messages_then = r->messages;
}

static const struct bus_feed_ops reader_ops = {read_message, read_caught_up};

static void read_topic(struct reader *r, const char *topic, enum bus_start start)
{
    *r = (struct reader){.feed.ops = &reader_ops, .in_order = true};
    cr_assert_eq(bus_feed_start(bus, &r->feed, topic, start), STATUS_OK);
    cr_assert(r->messages == 0 && r->caught_up == 0);
}

static void setup(void)
{
    kafka = servers_kafka_start();
    loop_init(&loop, &clock_system);
    bus = bus_rdkafka_new(&loop, &(struct bus_rdkafka_options){.brokers = kafka->address,
                                                               .client_id = "test",
                                                               .producer = true});
}

static void teardown(void)
{
    bus_close(bus);
    loop_free(&loop);
    server_stop(kafka);
}

static const char *number(int n)
{
    static char text[16];

    snprintf(text, sizeof(text), "%d", n);
    return text;
}

static const char *key_of(int n)
{
    static char text[16];

    snprintf(text, sizeof(text), "k%d", n);
    return text;
}

static void send_many(struct call *calls, int count, const char *topic)
{
    for (int i = 0; i < count; i++)
        send_ok(&calls[i], topic, key_of(i % 16), number(i / 16 + 1));
    for (int i = 0; i < count; i++) {
        LOOP_UNTIL(&loop, calls[i].calls == 1, 30000);
        cr_assert_eq(calls[i].status, STATUS_OK);
    }
}

Test(bus_rdkafka, what_is_sent_is_read)
{
    enum { N = 1600 };
    static struct call calls[N];
    static char big[2 << 20];
    struct reader early, late, end, brief, compacted;
    struct call c, unknown;
    const char *why;

    setup();
    cr_assert(!bus_ready(bus, &why) && why[0]);
    server_topic(kafka, "changes", 4, false);
    server_topic(kafka, "snapshots", 1, true);
    LOOP_UNTIL(&loop, bus_ready(bus, NULL), 20000);

    read_topic(&early, "changes", BUS_FROM_BEGINNING);
    LOOP_UNTIL(&loop, early.caught_up == 1, 20000);
    cr_assert_eq(early.messages, 0, "an empty topic is caught up at once");
    send_many(calls, N, "changes");
    LOOP_UNTIL(&loop, early.messages == N, 20000);
    cr_assert(early.in_order && early.caught_up == 1);

    read_topic(&end, "changes", BUS_FROM_END);
    read_topic(&late, "changes", BUS_FROM_BEGINNING);
    LOOP_UNTIL(&loop, late.caught_up == 1 && end.caught_up == 1, 20000);
    cr_assert(late.messages_then == N && late.in_order, "%zu", late.messages_then);
    cr_assert_eq(end.messages, 0);
    run(&c, "changes", "last", "word");
    LOOP_UNTIL(&loop, late.messages == N + 1 && end.messages == 1 && early.messages == N + 1,
               20000);
    cr_assert(strcmp(end.last, "word") == 0 && strcmp(end.last_key, "last") == 0);

    read_topic(&brief, "changes", BUS_FROM_BEGINNING);
    brief.stop_after = 10;
    run(&c, "snapshots", "1", "state");
    run(&c, "snapshots", "1", NULL);
    read_topic(&compacted, "snapshots", BUS_FROM_BEGINNING);
    LOOP_UNTIL(&loop, compacted.caught_up == 1 && brief.messages >= 10, 20000);
    cr_assert(compacted.messages == 2 && compacted.tombstones == 1);
    bus_feed_stop(bus, &end.feed);
    run(&c, "changes", "last", "word");
    LOOP_UNTIL(&loop, late.messages == N + 2, 20000);
    cr_assert(end.messages == 1 && brief.messages == 10, "no message after the stop");

    memset(big, 'x', sizeof(big) - 1);
    send_ok(&c, "changes", "big", big);
    LOOP_UNTIL(&loop, c.calls == 1, 20000);
    cr_assert_eq(c.status, STATUS_INVALID, "larger than the broker takes");
    send_ok(&unknown, "no-such-topic", "k", "v");
    LOOP_UNTIL(&loop, unknown.calls == 1, 40000);
    cr_assert_eq(unknown.status, STATUS_NOT_FOUND, "%s", status_code(unknown.status));
    send_ok(&unknown, "no-such-topic", "k", "v"); /* known to be unknown now */
    LOOP_UNTIL(&loop, unknown.calls == 1, 40000);
    cr_assert_eq(unknown.status, STATUS_NOT_FOUND, "%s", status_code(unknown.status));
    teardown();
}

Test(bus_rdkafka, a_broker_that_dies_and_comes_back)
{
    enum { N = 160 };
    static struct call calls[N];
    struct reader reader;
    struct call c;
    const char *why;

    setup();
    server_topic(kafka, "changes", 1, false);
    read_topic(&reader, "changes", BUS_FROM_BEGINNING);
    run(&c, "changes", "first", "x");
    LOOP_UNTIL(&loop, reader.messages == 1 && bus_ready(bus, NULL), 20000);

    server_pause(kafka);
    for (int i = 0; i < N; i++)
        send_ok(&calls[i], "changes", key_of(i % 16), number(i / 16 + 1));
    loop_turn(&loop, true);
    server_kill9(kafka);
    LOOP_UNTIL(&loop, !bus_ready(bus, &why), 20000);
    cr_assert(why[0]);
    cr_assert_eq(calls[0].calls, 0, "they wait for the broker");
    server_restart(kafka);
    for (int i = 0; i < N; i++) {
        LOOP_UNTIL(&loop, calls[i].calls == 1, 30000);
        cr_assert_eq(calls[i].status, STATUS_OK);
    }
    LOOP_UNTIL(&loop, reader.messages == N + 1, 30000);
    cr_assert(reader.in_order, "each once, in order");
    LOOP_UNTIL(&loop, bus_ready(bus, NULL), 20000);
    teardown();
}

Test(bus_rdkafka, without_a_broker)
{
    struct call timed_out, canceled, full;
    struct reader reader;

    loop_init(&loop, &clock_system);
    bus = bus_rdkafka_new(
        &loop, &(struct bus_rdkafka_options){
                   .brokers = "127.0.0.1:1", .producer = true, .queue_max = 2, .message_ms = 1500});
    read_topic(&reader, "changes", BUS_FROM_BEGINNING);
    send_ok(&timed_out, "changes", "k", "v");
    LOOP_UNTIL(&loop, timed_out.calls == 1, 10000);
    cr_assert_eq(timed_out.status, STATUS_TIMEOUT);
    cr_assert(!bus_ready(bus, NULL));
    send_ok(&timed_out, "changes", "k", "v");
    send_ok(&canceled, "changes", "k", "v");
    cr_assert_eq(send_text(&full, "changes", "k", "v"), STATUS_OVERLOADED);
    bus_close(bus);
    cr_assert_eq(canceled.calls, 0);
    loop_free(&loop);
    cr_assert(canceled.calls == 1 && canceled.status == STATUS_CANCELED);
    cr_assert(timed_out.calls == 1 && timed_out.status == STATUS_CANCELED);
    cr_assert_eq(full.calls, 0);
}

/* Unless told otherwise a message is never given up: what was sent after it would overtake it. */
Test(bus_rdkafka, what_is_abandoned_is_canceled_and_nothing_is_taken_any_more)
{
    struct call waiting[2], refused;

    loop_init(&loop, &clock_system);
    bus = bus_rdkafka_new(
        &loop, &(struct bus_rdkafka_options){.brokers = "127.0.0.1:1", .producer = true});
    for (size_t i = 0; i < array_len(waiting); i++)
        send_ok(&waiting[i], "changes", "k", "v");
    bus_abandon(bus);
    cr_assert_eq(waiting[0].calls, 0, "never inside");
    LOOP_UNTIL(&loop, waiting[1].calls == 1, 10000);
    for (size_t i = 0; i < array_len(waiting); i++)
        cr_assert(waiting[i].calls == 1 && waiting[i].status == STATUS_CANCELED);
    cr_assert_eq(send_text(&refused, "changes", "k", "v"), STATUS_UNAVAILABLE);
    bus_close(bus);
    loop_free(&loop);
    cr_assert_eq(refused.calls, 0);
}

#define API_INIT_PRODUCER_ID 22

/* The mock broker, which can be told to fail: an id that is refused makes an idempotent producer
 * useless for good. */
Test(bus_rdkafka, a_fatal_producer_is_replaced)
{
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), NULL, 0);
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(rk, 1);
    struct call c;

    rd_kafka_mock_topic_create(mock, "changes", 1, 1);
    rd_kafka_mock_push_request_errors(mock, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    loop_init(&loop, &clock_system);
    bus = bus_rdkafka_new(
        &loop, &(struct bus_rdkafka_options){.brokers = rd_kafka_mock_cluster_bootstraps(mock),
                                             .producer = true});
    if (send_text(&c, "changes", "k", "v") == STATUS_OK) { /* the refusal has not come yet */
        LOOP_UNTIL(&loop, c.calls == 1, 10000);
        cr_assert_eq(c.status, STATUS_UNAVAILABLE, "%s", status_code(c.status));
    }
    LOOP_UNTIL(&loop, send_text(&c, "changes", "k", "v") == STATUS_OK, 10000);
    LOOP_UNTIL(&loop, c.calls == 1, 10000);
    cr_assert_eq(c.status, STATUS_OK, "%s", status_code(c.status));
    bus_close(bus);
    loop_free(&loop);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(rk);
}

/* ---- numbers for the log: run with HOLDFAST_MEASURE=1 ---- */

/* Without Criterion's asserts, which cost more than a message. */
static void count_message(struct bus_feed *feed, const struct bus_message *m)
{
    (void)m;
    container_of(feed, struct reader, feed)->messages++;
}

Test(bus_rdkafka, measure)
{
    static const struct bus_feed_ops counting = {count_message, NULL};
    enum { N = 100000 };
    static struct call calls[N];
    struct reader reader;
    struct call c;
    int64_t start_ns;

    if (!getenv("HOLDFAST_MEASURE"))
        return;
    setup();
    server_topic(kafka, "changes", 1, false);
    read_topic(&reader, "changes", BUS_FROM_BEGINNING);
    start_ns = clock_mono_ns(&clock_system);
    run(&c, "changes", "first", "x");
    fprintf(stderr, "bus_rdkafka: first message %.0f ms\n",
            (double)(clock_mono_ns(&clock_system) - start_ns) / 1e6);
    start_ns = clock_mono_ns(&clock_system);
    for (int i = 0; i < 200; i++)
        run(&c, "changes", "first", "x");
    fprintf(stderr, "bus_rdkafka: one by one %.2f ms each\n",
            (double)(clock_mono_ns(&clock_system) - start_ns) / 200e6);
    start_ns = clock_mono_ns(&clock_system);
    reader.feed.ops = &counting;
    for (int i = 0; i < N; i++) {
        if (send_text(&calls[i], "changes", key_of(i % 16), number(i / 16 + 1)))
            abort();
    }
    LOOP_UNTIL(&loop, reader.messages == N + 201, 30000);
    fprintf(stderr, "bus_rdkafka: %d sent and read, %.0f k/s\n", N,
            N * 1e6 / (double)(clock_mono_ns(&clock_system) - start_ns));
    teardown();
}
