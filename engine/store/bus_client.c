#include "engine/store/bus_client.h"

#include "engine/base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SILENT_US 1000000

static const struct bus_setting common[] = {
    {"log.queue", "true"},
    {"log_level", "4"},
    {"statistics.interval.ms", "500"}, /* the only way to learn that a broker has come up */
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
    {"socket.connection.setup.timeout.ms", "5000"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "2000"},
    {"topic.metadata.refresh.fast.interval.ms", "100"},
    {"topic.metadata.propagation.max.ms", "5000"}, /* until a topic that is not there is an error */
    {NULL, NULL},
};

/* ---- from librdkafka's threads to the loop ---- */

static void serve(struct bus_client *c)
{
    if (!c->closing && c->ops->serve(c) && !c->closing)
        loop_defer(c->loop, &c->again);
}

static void serve_again(struct turn_end *end)
{
    serve(container_of(end, struct bus_client, again));
}

static void woken(uv_poll_t *poll, int status, int events)
{
    struct bus_client *c = container_of(poll, struct bus_client, wake);
    uint64_t count;
    ssize_t n = read(c->wake_fd, &count, sizeof(count));

    assert(n == sizeof(count) || errno == EAGAIN);
    (void)n;
    (void)status;
    (void)events;
    serve(c);
}

/* librdkafka writes only when the queue stops being empty. What was in it before, nobody would ever
 * be told of: look once. */
void bus_client_watch(struct bus_client *c, rd_kafka_queue_t *queue)
{
    static const uint64_t one = 1;
    ssize_t n;

    rd_kafka_queue_io_event_enable(queue, c->wake_fd, &one, sizeof(one));
    n = write(c->wake_fd, &one, sizeof(one));
    assert(n == sizeof(one));
    (void)n;
}

/* ---- events ---- */

static void set_up(struct bus_client *c, bool up, const char *why)
{
    c->up = up;
    snprintf(c->why, sizeof(c->why), "kafka: %s", why);
}

static void take_error(struct bus_client *c, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);

    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        if (c->up)
            log_warn("kafka", "connection lost",
                     log_str("why", rd_kafka_event_error_string(event)));
        set_up(c, false, rd_kafka_event_error_string(event));
    } else if (rd_kafka_event_error_is_fatal(event)) {
        log_error("kafka", "fatal", log_str("why", rd_kafka_event_error_string(event)));
    } else if (!c->up) {
        set_up(c, false, rd_kafka_event_error_string(event));
    }
}

static void take_log(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;

    if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
        log_debug("kafka", "client", log_str("facility", facility), log_str("text", text));
}

/* The number behind `name` in this broker's object, which ends where the next one's state is. */
static int64_t stat_of(const char *at, const char *end, const char *name)
{
    const char *found = memmem(at, (size_t)(end - at), name, strlen(name));

    return found ? strtoll(found + strlen(name), NULL, 10) : 0;
}

/* The broker objects of the statistics tell their state in capitals, nothing else does; how many
 * requests wait for an answer and since when nothing came (us) follows. Connected brokers that all
 * owe an answer and are silent for a second are as good as away: a paused process keeps its
 * connections. A feed always asks for more; a producer owes nothing while it sends nothing. */
static void take_statistics(struct bus_client *c, rd_kafka_event_t *event)
{
    static const char up_mark[] = "\"state\":\"UP\"", mark[] = "\"state\":\"";
    const char *at = rd_kafka_event_stats(event);
    bool connected = false, answers = false, silent = false;

    while ((at = strstr(at, up_mark))) {
        const char *end = strstr(at + 1, mark);
        int64_t silent_us;

        end = end ? end : at + strlen(at);
        silent_us = stat_of(at, end, "\"rxidle\":");
        connected = true;
        answers |= silent_us < SILENT_US;
        silent |= silent_us >= SILENT_US && stat_of(at, end, "\"waitresp_cnt\":") > 0;
        at++;
    }
    if (connected && silent && !answers)
        set_up(c, false, "the broker does not answer");
    else if (connected != c->up)
        set_up(c, connected, "no broker is connected");
}

bool bus_client_event(struct bus_client *c, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_ERROR: take_error(c, event); return true;
    case RD_KAFKA_EVENT_LOG: take_log(event); return true;
    case RD_KAFKA_EVENT_STATS: take_statistics(c, event); return true;
    default: return false;
    }
}

/* ---- opening ---- */

static void refuse(const char *why)
{
    log_error("kafka", "librdkafka refuses its settings", log_str("why", why));
    abort();
}

static void set(rd_kafka_conf_t *conf, const struct bus_setting *s)
{
    char why[256];

    if (rd_kafka_conf_set(conf, s->name, s->value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        refuse(why);
}

static rd_kafka_conf_t *make_conf(rd_kafka_type_t type, const char *brokers, const char *client_id,
                                  const struct bus_setting *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, &(struct bus_setting){"bootstrap.servers", brokers});
    set(conf, &(struct bus_setting){"client.id", client_id});
    for (const struct bus_setting *s = common; s->name; s++)
        set(conf, s);
    for (const struct bus_setting *s = settings; s->name; s++)
        set(conf, s);
    if (type ==
        RD_KAFKA_CONSUMER) /* unknown before 2.2, which pauses a second when a queue is full */
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", NULL, 0);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
                                       RD_KAFKA_EVENT_STATS);
    return conf;
}

void bus_client_open(struct bus_client *c, rd_kafka_type_t type, const char *brokers,
                     const char *client_id, const struct bus_setting *settings)
{
    char why[256];
    int rc;

    c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = uv_poll_init(&c->loop->uv, &c->wake, c->wake_fd);
    assert(c->wake_fd >= 0 && rc == 0);
    (void)rc;
    uv_poll_start(&c->wake, UV_READABLE, woken);
    turn_end_init(&c->again, serve_again);
    c->rk = rd_kafka_new(type, make_conf(type, brokers, client_id, settings), why, sizeof(why));
    if (!c->rk)
        refuse(why);
    rd_kafka_set_log_queue(c->rk, NULL); /* the main queue */
    c->main = rd_kafka_queue_get_main(c->rk);
    bus_client_watch(c, c->main);
    set_up(c, false, "connecting");
}

/* ---- closing: joining librdkafka's threads takes up to a second, which the loop does not have
 * ---- */

static void destroy_run(uv_work_t *work)
{
    struct bus_client *c = container_of(work, struct bus_client, destroy);

    if (c->ops->before_destroy)
        c->ops->before_destroy(c);
    rd_kafka_queue_io_event_enable(c->main, -1, NULL, 0);
    rd_kafka_queue_destroy(c->main);
    rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void destroy_done(uv_work_t *work, int status)
{
    struct bus_client *c = container_of(work, struct bus_client, destroy);

    (void)status;
    close(c->wake_fd);
    c->ops->closed(c);
}

/* Only now: nothing of the handle is in use on the loop any more, which may have been in the middle
 * of serving it. */
static void wake_closed(uv_handle_t *handle)
{
    struct bus_client *c = container_of((uv_poll_t *)(void *)handle, struct bus_client, wake);

    if (uv_queue_work(&c->loop->uv, &c->destroy, destroy_run, destroy_done) < 0)
        abort();
}

void bus_client_close(struct bus_client *c)
{
    assert(!c->closing);
    c->closing = true;
    c->up = false;
    turn_end_cancel(&c->again);
    uv_close((uv_handle_t *)&c->wake, wake_closed);
}
