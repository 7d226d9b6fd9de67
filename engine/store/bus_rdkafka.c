/* The producer, and the table that puts it together with the feeds.
 *
 * The life of a message: send -> librdkafka's queue -> broker -> delivery report in the main queue
 * -> callback, on the loop. Every message that librdkafka took is in `sends` until then, so that
 * closing, or a producer that is lost for good, can complete it. */
#include "engine/store/bus_rdkafka.h"

#include "engine/base/log.h"
#include "engine/store/bus_feed.h"

#include <assert.h>
#include <stdio.h>

#define QUEUE_MAX     100000
#define EVENTS_A_TURN 64 /* a delivery report event has up to thousands of messages */

struct producer {
    struct bus_client client;
    struct bus_rdkafka *bus;
};

struct feed_link {
    struct bus_feed *feed;
    struct feed_run *run;
    struct list link;
};

struct bus_rdkafka {
    struct bus bus;
    struct loop *loop;
    char *brokers, *client_id; /* owned */
    size_t queue_max;
    unsigned message_ms;
    bool closing;
    bool produces;             /* else it only reads */
    struct producer *producer; /* NULL: lost, a new one comes */
    struct list sends;         /* struct bus_send, with librdkafka */
    struct list refused; /* struct bus_send that librdkafka never takes, to be told at the end of
                            the turn */
    struct turn_end tell_refused;
    struct timer look; /* every second: keeps the gauge, makes a lost producer anew */
    struct list feeds; /* struct feed_link */
    int alive;         /* producers, feeds, the timer */
    struct bus_rdkafka_metrics metrics;
    struct metric_group group;
};

#define METRIC_ROW_TAG bus_rdkafka_metrics
static const struct metric_desc metric_descs[] = {BUS_RDKAFKA_METRICS(METRIC_ROW_)};

static struct bus_rdkafka *rdkafka_of(struct bus *bus)
{
    return container_of(bus, struct bus_rdkafka, bus);
}

static void free_if_done(struct bus_rdkafka *b)
{
    if (--b->alive > 0)
        return;
    metric_group_free(&b->group);
    mem_free(b->brokers);
    mem_free(b->client_id);
    mem_free(b);
}

/* ---- completing ---- */

static void complete(struct bus_rdkafka *b, struct bus_send *send, enum status status)
{
    list_remove(&send->link);
    b->metrics.kafka_queued--;
    if (status == STATUS_OK)
        b->metrics.kafka_sent_total++;
    else
        b->metrics.kafka_send_failures_total++;
    send->cb(send, status);
}

static void complete_all(struct bus_rdkafka *b, struct list *sends, enum status status)
{
    while (!list_empty(sends))
        complete(b, list_entry(sends->next, struct bus_send, link), status);
}

static enum status status_of(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return STATUS_OK;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT: return STATUS_TIMEOUT;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return STATUS_INVALID;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return STATUS_NOT_FOUND;
    default: return STATUS_UNAVAILABLE;
    }
}

/* ---- the producer ---- */

/* An idempotent producer that lost count of its messages, or was refused its id, is of no use any
 * more: another follows within a second (look). What it had is not known to have arrived. */
static void lose_producer(struct bus_rdkafka *b)
{
    bus_client_close(&b->producer->client);
    b->producer = NULL;
    complete_all(b, &b->sends, STATUS_UNAVAILABLE);
}

static void take_reports(struct producer *p, rd_kafka_event_t *event)
{
    struct bus_rdkafka *b = p->bus;
    const rd_kafka_message_t *m;

    while (!p->client.closing && (m = rd_kafka_event_message_next(event))) {
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && b->metrics.kafka_ack_us.counts)
            hist_record(&b->metrics.kafka_ack_us, (uint64_t)rd_kafka_message_latency(m));
        complete(b, m->_private, status_of(m->err));
    }
}

static bool serve(struct bus_client *c)
{
    struct producer *p = container_of(c, struct producer, client);
    rd_kafka_event_t *event = NULL;

    for (int i = 0; i < EVENTS_A_TURN && !c->closing && (event = rd_kafka_queue_poll(c->main, 0));
         i++) {
        bool fatal = rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
                     rd_kafka_event_error_is_fatal(event);

        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            take_reports(p, event);
        else
            bus_client_event(c, event);
        rd_kafka_event_destroy(event);
        if (fatal && !c->closing)
            lose_producer(p->bus);
    }
    return event != NULL;
}

static void producer_closed(struct bus_client *c)
{
    struct producer *p = container_of(c, struct producer, client);
    struct bus_rdkafka *b = p->bus;

    mem_free(p);
    free_if_done(b);
}

static const struct bus_client_ops producer_ops = {.serve = serve, .closed = producer_closed};

/* An idempotent producer asks for its id as soon as a broker is there, before the first message. */
static struct producer *producer_new(struct bus_rdkafka *b)
{
    struct producer *p = mem_alloc(sizeof(*p));
    char queue_max[24], message_ms[16];
    const struct bus_setting settings[] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"linger.ms", "1"}, /* 0 is slower at the 99th percentile */
        {"partitioner",
         "murmur2_random"}, /* as the Java clients do: one key, one partition, whoever sends */
        {"queue.buffering.max.messages", queue_max},
        {"queue.buffering.max.kbytes", "262144"},
        /* A batch that the broker finds too large fails whole: well below what a topic takes (1 MiB
         * unless told otherwise), so that only a message that is too large by itself is refused. */
        {"batch.size", "262144"},
        {"message.timeout.ms", message_ms},
        {NULL, NULL},
    };

    snprintf(queue_max, sizeof(queue_max), "%zu", b->queue_max);
    snprintf(message_ms, sizeof(message_ms), "%u", b->message_ms);
    p->bus = b;
    p->client.ops = &producer_ops;
    p->client.loop = b->loop;
    b->alive++;
    bus_client_open(&p->client, RD_KAFKA_PRODUCER, b->brokers, b->client_id, settings);
    return p;
}

/* ---- sending ---- */

static rd_kafka_headers_t *make_headers(const struct bus_header *headers, size_t count)
{
    rd_kafka_headers_t *made = count > 0 ? rd_kafka_headers_new(count) : NULL;

    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(made, headers[i].name, -1, headers[i].value.at,
                            (ssize_t)headers[i].value.len);
    return made;
}

static rd_kafka_resp_err_t produce(struct bus_rdkafka *b, struct bus_send *send, const char *topic,
                                   struct slice key, struct slice payload,
                                   rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)key.at, key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)payload.at, payload.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = send},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(b->producer->client.rk, parts, array_len(parts) - !headers);
    rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;

    if (error) {
        rd_kafka_error_destroy(error);
        if (headers)
            rd_kafka_headers_destroy(headers); /* only a success takes them */
    }
    return err;
}

static void tell_refused(struct turn_end *end)
{
    struct bus_rdkafka *b = container_of(end, struct bus_rdkafka, tell_refused);

    while (!list_empty(&b->refused)) {
        struct bus_send *send = list_entry(b->refused.next, struct bus_send, link);

        complete(b, send, send->status);
    }
}

/* A message that librdkafka never takes: told at the end of the turn. */
static bool refuses(enum status status)
{
    return status == STATUS_INVALID || status == STATUS_NOT_FOUND;
}

static enum status rdkafka_send(struct bus *bus, struct bus_send *send, const char *topic,
                                struct slice key, struct slice payload,
                                const struct bus_header *headers, size_t header_count)
{
    struct bus_rdkafka *b = rdkafka_of(bus);
    rd_kafka_resp_err_t err;

    if (!b->producer)
        return STATUS_UNAVAILABLE;
    err = produce(b, send, topic, key, payload, make_headers(headers, header_count));
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return STATUS_OVERLOADED;
    if (err && !refuses(status_of(err)))
        return STATUS_UNAVAILABLE; /* fatal: the event of it is on its way */
    send->bus = bus;
    send->status = status_of(err);
    b->metrics.kafka_queued++;
    list_push_back(err ? &b->refused : &b->sends, &send->link);
    if (err)
        loop_defer(b->loop, &b->tell_refused);
    return STATUS_OK;
}

/* ---- feeds ---- */

static void feed_freed(struct feed_run *run, void *owner)
{
    (void)run;
    free_if_done(owner);
}

static enum status rdkafka_feed(struct bus *bus, struct bus_feed *feed, const char *topic,
                                enum bus_start start)
{
    struct bus_rdkafka *b = rdkafka_of(bus);
    struct feed_options options = {b->brokers, b->client_id, &b->metrics.kafka_received_total,
                                   feed_freed, b};
    struct feed_link *link;

    if (b->closing)
        return STATUS_UNAVAILABLE;
    link = mem_alloc(sizeof(*link));
    link->feed = feed;
    link->run = feed_run_new(b->loop, feed, topic, start, &options);
    list_push_back(&b->feeds, &link->link);
    feed->impl = link;
    b->alive++;
    return STATUS_OK;
}

static void stop(struct feed_link *link)
{
    list_remove(&link->link);
    link->feed->impl = NULL;
    feed_run_stop(link->run);
    mem_free(link);
}

static void rdkafka_feed_stop(struct bus *bus, struct bus_feed *feed)
{
    (void)bus;
    if (feed->impl)
        stop(feed->impl);
}

/* ---- readiness ---- */

static bool rdkafka_ready(struct bus *bus, const char **ret_why)
{
    struct bus_rdkafka *b = rdkafka_of(bus);
    const struct bus_client *down =
        b->producer && !b->producer->client.up ? &b->producer->client : NULL;

    if (b->produces && !b->producer) {
        if (ret_why)
            *ret_why = "kafka: the producer was refused";
        return false;
    }
    list_for_each (link, &b->feeds) {
        const struct bus_client *c = feed_run_client(list_entry(link, struct feed_link, link)->run);

        down = down || c->up ? down : c;
    }
    if (ret_why)
        *ret_why = down ? down->why : "";
    return !down;
}

static void look(struct timer *timer)
{
    struct bus_rdkafka *b = container_of(timer, struct bus_rdkafka, look);

    if (b->produces && !b->producer)
        b->producer = producer_new(b);
    b->metrics.kafka_up = rdkafka_ready(&b->bus, NULL);
}

/* ---- the end ---- */

/* Closing handles is what surely happens in the next turn, so here the messages are completed. */
static void look_closed(struct timer *timer)
{
    struct bus_rdkafka *b = container_of(timer, struct bus_rdkafka, look);

    complete_all(b, &b->sends, STATUS_CANCELED);
    complete_all(b, &b->refused, STATUS_CANCELED);
    free_if_done(b);
}

static void rdkafka_abandon(struct bus *bus)
{
    struct bus_rdkafka *b = rdkafka_of(bus);
    struct list *link;

    b->produces = false;
    if (b->producer)
        bus_client_close(&b->producer->client);
    b->producer = NULL;
    while ((link = list_pop_front(&b->sends))) {
        list_entry(link, struct bus_send, link)->status = STATUS_CANCELED;
        list_push_back(&b->refused, link);
    }
    loop_defer(b->loop, &b->tell_refused);
}

static void rdkafka_close(struct bus *bus)
{
    struct bus_rdkafka *b = rdkafka_of(bus);

    assert(!b->closing);
    b->closing = true;
    while (!list_empty(&b->feeds))
        stop(list_entry(b->feeds.next, struct feed_link, link));
    if (b->producer)
        bus_client_close(&b->producer->client);
    b->producer = NULL;
    turn_end_cancel(&b->tell_refused);
    timer_close(&b->look, look_closed);
}

static const struct bus_ops ops = {.send = rdkafka_send,
                                   .feed = rdkafka_feed,
                                   .feed_stop = rdkafka_feed_stop,
                                   .ready = rdkafka_ready,
                                   .abandon = rdkafka_abandon,
                                   .close = rdkafka_close};

struct bus *bus_rdkafka_new(struct loop *l, const struct bus_rdkafka_options *options)
{
    struct bus_rdkafka *b = mem_alloc(sizeof(*b));

    b->bus.ops = &ops;
    b->loop = l;
    b->brokers = mem_strdup(options->brokers);
    b->client_id = mem_strdup(options->client_id ? options->client_id : "holdfast");
    b->queue_max = options->queue_max ? options->queue_max : QUEUE_MAX;
    b->message_ms = options->message_ms;
    b->group = (struct metric_group){metric_descs, array_len(metric_descs), &b->metrics, NULL, {0}};
    list_init(&b->sends);
    list_init(&b->refused);
    list_init(&b->feeds);
    turn_end_init(&b->tell_refused, tell_refused);
    timer_init(l, &b->look, look);
    timer_start(&b->look, 1000, 1000);
    b->alive = 1;
    b->produces = options->producer;
    if (b->produces)
        b->producer = producer_new(b);
    return &b->bus;
}

struct metric_group *bus_rdkafka_metrics(struct bus *bus)
{
    return &rdkafka_of(bus)->group;
}
