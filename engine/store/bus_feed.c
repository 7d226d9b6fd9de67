/* The life of a feed:
 *
 *   new -> looking up (in a thread: partitions and their ends) -> consuming -> ... -> stopped
 *               |  ^ failed: again in half a second
 *               +--+
 *
 * A partition is caught up when its end at the look-up was reached, or librdkafka says there is no
 * more now. Broken connections mend themselves in librdkafka, which goes on where it was. */
#include "engine/store/bus_feed.h"

#include "engine/base/log.h"

#include <stdlib.h>

#define RETRY_MS    500
#define LOOK_UP_MS  3000
#define BATCH       256 /* messages a turn, so that others have theirs */
#define HEADERS_MAX 32  /* of a message; more are not shown */

struct partition {
    int64_t low, high; /* at the look-up; high is the offset of the next message to come */
    bool caught_up;
};

struct feed_run {
    struct bus_client client;
    struct bus_feed *feed; /* NULL once stopped */
    struct feed_options options;
    char *topic; /* owned */
    enum bus_start start;
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue; /* the messages of all partitions */
    struct partition *partitions;
    int count, behind; /* partitions; those not caught up */
    struct timer retry;
    uv_work_t look_up;
    rd_kafka_resp_err_t look_up_err;
    bool looking, consuming;
    int alive; /* client, timer */
};

/* ---- the end ---- */

static void free_if_done(struct feed_run *run)
{
    if (--run->alive > 0)
        return;
    run->options.freed(run, run->options.owner);
    mem_free(run->partitions);
    mem_free(run->topic);
    mem_free(run);
}

static void client_closed(struct bus_client *c)
{
    free_if_done(container_of(c, struct feed_run, client));
}

static void retry_closed(struct timer *timer)
{
    free_if_done(container_of(timer, struct feed_run, retry));
}

static void give_back(struct bus_client *c)
{
    struct feed_run *run = container_of(c, struct feed_run, client);

    rd_kafka_queue_io_event_enable(run->queue, -1, NULL, 0);
    for (int i = 0; i < run->count && run->consuming; i++)
        rd_kafka_consume_stop(run->rkt, i);
    rd_kafka_queue_destroy(run->queue);
    rd_kafka_topic_destroy(run->rkt);
}

void feed_run_stop(struct feed_run *run)
{
    run->feed = NULL;
    timer_close(&run->retry, retry_closed);
    if (!run->looking) /* else the thread has the handle: looked_up() closes */
        bus_client_close(&run->client);
}

/* ---- messages ---- */

static struct slice slice_or_none(const void *at, size_t len)
{
    return at ? slice_of(at, len) : SLICE_NONE;
}

static size_t take_headers(const rd_kafka_message_t *m, struct bus_header *ret_headers)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t count = 0, len;

    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    while (count < HEADERS_MAX &&
           rd_kafka_header_get_all(headers, count, &ret_headers[count].name, &value, &len) ==
               RD_KAFKA_RESP_ERR_NO_ERROR) {
        ret_headers[count].value = slice_or_none(value, len);
        count++;
    }
    return count;
}

static void deliver(struct feed_run *run, const rd_kafka_message_t *m)
{
    struct bus_header headers[HEADERS_MAX];
    struct bus_message message = {
        .topic = slice_str(run->topic),
        .key = slice_or_none(m->key, m->key_len),
        .payload = slice_or_none(m->payload, m->len),
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = rd_kafka_message_timestamp(m, NULL),
        .headers = headers,
        .header_count = take_headers(m, headers),
    };

    (*run->options.received)++;
    run->feed->ops->message(run->feed, &message);
}

static void partition_caught_up(struct feed_run *run, int32_t partition)
{
    struct partition *p = &run->partitions[partition];

    if (p->caught_up)
        return;
    p->caught_up = true;
    run->behind--;
    if (run->behind == 0 && run->feed && run->feed->ops->caught_up)
        run->feed->ops->caught_up(run->feed);
}

static void take_message(struct feed_run *run, const rd_kafka_message_t *m)
{
    if (!run->feed || m->partition < 0 || m->partition >= run->count)
        return;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        partition_caught_up(run, m->partition);
        return;
    }
    if (m->err) {
        log_warn("kafka", "feed disturbed", log_str("topic", run->topic),
                 log_str("why", rd_kafka_err2str(m->err)));
        return;
    }
    deliver(run, m);
    if (m->offset + 1 >= run->partitions[m->partition].high)
        partition_caught_up(run, m->partition);
}

static bool serve_messages(struct feed_run *run)
{
    rd_kafka_message_t *messages[BATCH];
    ssize_t n = rd_kafka_consume_batch_queue(run->queue, 0, messages, BATCH);

    for (ssize_t i = 0; i < n; i++) {
        take_message(run, messages[i]);
        rd_kafka_message_destroy(messages[i]);
    }
    return n == BATCH;
}

static bool serve(struct bus_client *c)
{
    struct feed_run *run = container_of(c, struct feed_run, client);
    rd_kafka_event_t *event;

    while ((event = rd_kafka_queue_poll(c->main, 0))) {
        bus_client_event(c, event);
        rd_kafka_event_destroy(event);
    }
    return run->consuming && serve_messages(run);
}

/* ---- looking up and starting ---- */

static rd_kafka_resp_err_t count_partitions(struct feed_run *run)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(run->client.rk, 0, run->rkt, &metadata, LOOK_UP_MS);

    if (err)
        return err;
    err = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                   : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    run->count = err ? 0 : metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (!err && run->count == 0)
        err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    return err;
}

static void look_up_run(uv_work_t *work)
{
    struct feed_run *run = container_of(work, struct feed_run, look_up);
    rd_kafka_resp_err_t err = count_partitions(run);

    mem_free(run->partitions);
    run->partitions = mem_alloc(((size_t)run->count + 1) * sizeof(*run->partitions));
    for (int i = 0; i < run->count && !err; i++)
        err =
            rd_kafka_query_watermark_offsets(run->client.rk, run->topic, i, &run->partitions[i].low,
                                             &run->partitions[i].high, LOOK_UP_MS);
    run->look_up_err = err;
}

static void consume(struct feed_run *run)
{
    run->consuming = true;
    run->behind =
        run->count + 1; /* one for this function: caught_up comes after all have started */
    for (int i = 0; i < run->count; i++) {
        struct partition *p = &run->partitions[i];

        rd_kafka_consume_start_queue(
            run->rkt, i, run->start == BUS_FROM_END ? p->high : RD_KAFKA_OFFSET_BEGINNING,
            run->queue);
        if (run->start == BUS_FROM_END || p->low >= p->high)
            partition_caught_up(run, i);
    }
    run->behind--;
    if (run->behind == 0 && run->feed->ops->caught_up)
        run->feed->ops->caught_up(run->feed);
}

static void looked_up(uv_work_t *work, int status)
{
    struct feed_run *run = container_of(work, struct feed_run, look_up);

    (void)status;
    run->looking = false;
    if (!run->feed) {
        bus_client_close(&run->client);
        return;
    }
    if (!run->look_up_err) {
        consume(run);
        return;
    }
    log_warn("kafka", "topic not found yet", log_str("topic", run->topic),
             log_str("why", rd_kafka_err2str(run->look_up_err)));
    timer_start(&run->retry, RETRY_MS, 0);
}

static void look_up(struct timer *timer)
{
    struct feed_run *run = container_of(timer, struct feed_run, retry);

    run->looking = true;
    if (uv_queue_work(&run->client.loop->uv, &run->look_up, look_up_run, looked_up) < 0)
        abort();
}

static const struct bus_client_ops client_ops = {
    .serve = serve, .before_destroy = give_back, .closed = client_closed};

/* A message is handed on at once (wait), a fetch that found a full queue or an error comes back
 * soon (backoff), and what waits for the loop is bounded, generously, because of that pause
 * (bus_client.c). */
static const struct bus_setting settings[] = {
    {"fetch.wait.max.ms", "20"},
    {"fetch.error.backoff.ms", "50"},
    {"queued.max.messages.kbytes", "32768"},
    {"enable.partition.eof", "true"},
    {NULL, NULL},
};

struct feed_run *feed_run_new(struct loop *l, struct bus_feed *feed, const char *topic,
                              enum bus_start start, const struct feed_options *options)
{
    struct feed_run *run = mem_alloc(sizeof(*run));
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();

    run->client.ops = &client_ops;
    run->client.loop = l;
    run->feed = feed;
    run->options = *options;
    run->topic = mem_strdup(topic);
    run->start = start;
    run->alive = 2;
    bus_client_open(&run->client, RD_KAFKA_CONSUMER, options->brokers, options->client_id,
                    settings);
    /* What retention took away is skipped, not waited for. */
    rd_kafka_topic_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
    run->rkt = rd_kafka_topic_new(run->client.rk, topic, conf);
    if (!run->rkt)
        abort(); /* the name is not one */
    run->queue = rd_kafka_queue_new(run->client.rk);
    bus_client_watch(&run->client, run->queue);
    timer_init(l, &run->retry, look_up);
    timer_start(&run->retry, 0, 0);
    return run;
}

const struct bus_client *feed_run_client(const struct feed_run *run)
{
    return &run->client;
}
