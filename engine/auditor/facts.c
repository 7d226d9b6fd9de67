#include "engine/auditor/facts.h"

enum { ANSWER_MS = 60000, TOPIC_SECONDS = 120 };

static bool all_ready(struct facts *f, const char **ret_why)
{
    return db_ready(f->db, ret_why) && kv_ready(f->kv, ret_why) && bus_ready(f->bus, ret_why);
}

struct wait {
    struct timer timer;
    bool over, closed;
};

static void wait_over(struct timer *t)
{
    container_of(t, struct wait, timer)->over = true;
}

static void wait_closed(struct timer *t)
{
    container_of(t, struct wait, timer)->closed = true;
}

/* A loop_turn that waits needs something that ends it. */
static void turn(struct facts *f, unsigned ms)
{
    struct wait w = {.over = false};

    timer_init(f->loop, &w.timer, wait_over);
    timer_start(&w.timer, ms, 0);
    loop_turn(f->loop, true);
    timer_close(&w.timer, wait_closed);
    while (!w.closed)
        loop_turn(f->loop, false);
}

void facts_wait(struct facts *f, unsigned ms)
{
    int64_t end_ns = loop_mono_ns(f->loop) + (int64_t)ms * 1000000;

    while (loop_mono_ns(f->loop) < end_ns)
        turn(f, 10);
}

bool facts_ready(struct facts *f, unsigned seconds, const char **ret_why)
{
    int64_t end_ns = loop_mono_ns(f->loop) + (int64_t)seconds * 1000000000;

    while (!all_ready(f, ret_why)) {
        if (loop_mono_ns(f->loop) > end_ns)
            return false;
        turn(f, 20);
    }
    return true;
}

struct question {
    struct db_request db;
    struct kv_request kv;
    facts_rows_fn read_rows;
    facts_reply_fn read_reply;
    void *ctx;
    enum status status;
    bool answered;
};

static void rows_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct question *q = container_of(request, struct question, db);

    q->status = status;
    q->answered = true;
    if (status == STATUS_OK)
        q->read_rows(result, q->ctx);
}

enum status facts_query(struct facts *f, const struct db_statement *statement,
                        const struct slice *params, facts_rows_fn read, void *ctx)
{
    struct question q = {.read_rows = read, .ctx = ctx, .db.cb = rows_cb};
    enum status status = db_query(f->db, &q.db, statement, params, ANSWER_MS);

    if (status != STATUS_OK)
        return status;
    while (!q.answered)
        turn(f, 1000);
    return q.status;
}

static void reply_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct question *q = container_of(request, struct question, kv);

    q->status = status;
    q->answered = true;
    if (status == STATUS_OK)
        q->read_reply(reply, q->ctx);
}

enum status facts_command(struct facts *f, const struct slice *args, size_t count,
                          facts_reply_fn read, void *ctx)
{
    struct question q = {.read_reply = read, .ctx = ctx, .kv.cb = reply_cb};
    enum status status = kv_command(f->kv, &q.kv, args, count, ANSWER_MS);

    if (status != STATUS_OK)
        return status;
    while (!q.answered)
        turn(f, 1000);
    return q.status;
}

struct reading {
    struct bus_feed feed;
    void (*read)(const struct bus_message *message, void *ctx);
    void *ctx;
    bool over;
};

static void topic_message(struct bus_feed *feed, const struct bus_message *message)
{
    struct reading *r = feed->ctx;

    r->read(message, r->ctx);
}

static void topic_over(struct bus_feed *feed)
{
    struct reading *r = feed->ctx;

    r->over = true;
}

static const struct bus_feed_ops reading_ops = {.message = topic_message, .caught_up = topic_over};

enum status facts_topic(struct facts *f, const char *topic,
                        void (*read)(const struct bus_message *message, void *ctx), void *ctx)
{
    struct reading r = {.feed.ops = &reading_ops, .read = read, .ctx = ctx};
    int64_t end_ns = loop_mono_ns(f->loop) + (int64_t)TOPIC_SECONDS * 1000000000;

    r.feed.ctx = &r;
    enum status status = bus_feed_start(f->bus, &r.feed, topic, BUS_FROM_BEGINNING);
    if (status != STATUS_OK)
        return status;
    while (!r.over && loop_mono_ns(f->loop) < end_ns)
        turn(f, 100);
    bus_feed_stop(f->bus, &r.feed);
    return r.over ? STATUS_OK : STATUS_TIMEOUT;
}
