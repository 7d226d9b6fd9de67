#include "engine/booking/log_pump.h"

#include "engine/base/log.h"
#include "engine/booking/news.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    REST_MIN_MS = 20,  /* after a read that found something */
    REST_MAX_MS = 500, /* an event where nothing happens */
    REST_FAILED_MS = 200,
    LOOK_NS = 2000000000, /* between two snapshots while the event is hot */
    KV_DEADLINE_MS = 2000,
    CHANGE_MAX = 1024 * 1024,
    SNAPSHOT_MAX = 900 * 1024,
};

/* One change on its way. */
struct pump_send {
    struct bus_send bus;
    struct pump *pump;
    char id[44]; /* of the stream entry, <rev>-0 */
    enum status status;
};

static void read_log(struct pump *p);
static void look(struct pump *p);

/* ---- resting ---- */

static void rest(struct pump *p, unsigned ms)
{
    p->state = PUMP_RESTING;
    if (p->woken || p->stopping)
        ms = 0;
    p->rest_ms = ms < REST_MIN_MS ? REST_MIN_MS : ms;
    timer_start(&p->timer, ms, 0);
}

static void rest_longer(struct pump *p)
{
    unsigned ms = p->rest_ms * 3 / 2;

    rest(p, ms > REST_MAX_MS ? REST_MAX_MS : ms);
}

static void rest_failed(struct pump *p)
{
    p->shared->failures++;
    p->woken = false;
    rest(p, REST_FAILED_MS);
}

static void rested_cb(struct timer *t)
{
    struct pump *p = container_of(t, struct pump, timer);

    if (p->stopping) {
        p->shared->rested(p, p->shared->ctx);
        return;
    }
    p->woken = false;
    read_log(p);
}

void pump_wake(struct pump *p)
{
    p->woken = true;
    if (p->state == PUMP_RESTING && !p->stopping)
        timer_start(&p->timer, 0, 0);
}

/* ---- trimming ---- */

static void trim_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct pump *p = container_of(request, struct pump, kv);

    (void)reply;
    if (status != STATUS_OK || p->stopping)
        rest_failed(p);
    else
        read_log(p);
}

static void key_of(const struct pump *p, const char *name, char *ret_key, size_t size)
{
    snprintf(ret_key, size, "{e%llu}:%s", (unsigned long long)p->event_id, name);
}

/* Everything up to and including `id` is on Kafka: the first id to keep is the next one. */
static void trim(struct pump *p, const char *id)
{
    char key[40];
    unsigned long long ms, seq;

    if (sscanf(id, "%llu-%llu", &ms, &seq) != 2) {
        rest_failed(p);
        return;
    }
    snprintf(p->trim_id, sizeof(p->trim_id), "%llu-%llu", ms, seq + 1);
    key_of(p, "log", key, sizeof(key));
    struct slice args[] = {SLICE_LITERAL("XTRIM"), slice_str(key), SLICE_LITERAL("MINID"),
                           slice_str(p->trim_id)};
    p->state = PUMP_TRIMMING;
    p->kv.cb = trim_cb;
    if (kv_command(p->shared->kv, &p->kv, args, array_len(args), KV_DEADLINE_MS) != STATUS_OK)
        rest_failed(p);
}

/* ---- sending ---- */

static uint64_t rev_of(const char *id)
{
    return strtoull(id, NULL, 10);
}

static void pass_over(struct pump *p, const struct pump_send *s, const char *why)
{
    log_error("pump", why, log_u64("event", p->event_id), log_str("entry", s->id));
    p->shared->skipped++;
}

/* Told once; told again when it was there in between. */
static void tell_missing(struct pump *p, bool missing)
{
    if (missing && !p->missing)
        log_error("pump", "the topic is not there: changes wait for it",
                  log_u64("event", p->event_id));
    p->missing = missing;
}

/* Whether the entry is done with. One that was refused alone is passed over, loudly: the consumers
 * see the gap and heal from the next snapshot. */
static bool send_done(struct pump *p, const struct pump_send *s)
{
    if (s->status == STATUS_INVALID && p->send_count == 1) {
        pass_over(p, s, "a change was refused by kafka");
        return true;
    }
    return s->status == STATUS_OK;
}

static void sends_done(struct pump *p)
{
    char id[sizeof(p->sends->id)] = "";
    bool refused = false, missing = false;
    size_t done = 0;

    while (done < p->send_count && send_done(p, &p->sends[done]))
        memcpy(id, p->sends[done++].id, sizeof(id));
    for (size_t i = done; i < p->send_count; i++) {
        refused |= p->sends[i].status == STATUS_INVALID;
        missing |= p->sends[i].status == STATUS_NOT_FOUND;
    }
    p->batch = refused ? 1 : p->batch * 2 > PUMP_BATCH ? PUMP_BATCH : p->batch * 2;
    mem_free(p->sends);
    p->sends = NULL;
    tell_missing(p, missing);
    if (done) {
        p->sent_rev = rev_of(id);
        trim(p, id);
    } else {
        rest_failed(p);
    }
}

static void send_cb(struct bus_send *send, enum status status)
{
    struct pump_send *s = container_of(send, struct pump_send, bus);
    struct pump *p = s->pump;

    s->status = status;
    p->shared->sent += status == STATUS_OK;
    if (--p->waiting == 0)
        sends_done(p);
}

/* Reads the field list of a stream entry; unknown fields are passed over. */
static struct news_change entry_read(const struct kv_reply *fields)
{
    struct news_change change = {.state = UINT32_MAX};
    uint64_t state;

    for (size_t i = 0; i + 1 < fields->count; i += 2) {
        struct slice name = fields->elements[i].str;
        const struct kv_reply *value = &fields->elements[i + 1];
        if (slice_is(name, "rev") && !kv_reply_u64(value, &change.rev))
            change.rev = 0;
        else if (slice_is(name, "state") && kv_reply_u64(value, &state))
            change.state = (unsigned)state;
        else if (slice_is(name, "seats"))
            change.seats = value->str;
        else if (slice_is(name, "cause"))
            change.cause = value->str;
        else if (slice_is(name, "trace"))
            change.trace = value->str;
    }
    return change;
}

/* Submits one entry; a damaged one counts as sent, or it would stop the event for ever. */
static enum status send_entry(struct pump_send *s, const struct kv_reply *entry, struct buf *b)
{
    struct pump *p = s->pump;
    struct news_change change = entry_read(kv_reply_at(entry, 1));
    struct news_headers headers;
    char key[24], id[48];

    buf_clear(b);
    if (news_put_change(b, p->event_id, &change) != STATUS_OK) {
        pass_over(p, s, "a damaged log entry was passed over");
        s->status = STATUS_OK;
        return STATUS_OK;
    }
    snprintf(key, sizeof(key), "%llu", (unsigned long long)p->event_id);
    snprintf(id, sizeof(id), "%s:%llu", key, (unsigned long long)change.rev);
    news_headers_make(&headers, slice_str(id), SLICE_LITERAL("seat.changed"),
                      loop_wall_ms(p->shared->loop), change.trace);
    s->bus.cb = send_cb;
    enum status status = bus_send(p->shared->bus, &s->bus, NEWS_TOPIC_CHANGES, slice_str(key),
                                  buf_slice(b), headers.list, headers.count);
    if (status == STATUS_OK)
        p->waiting++;
    return status;
}

/* A log that grew to its limit has dropped its oldest entries. The next look publishes a snapshot,
 * from which the consumers heal. */
static void tell_dropped(struct pump *p, uint64_t first)
{
    uint64_t dropped = first - p->sent_rev - 1;

    if (!p->sent_rev || first <= p->sent_rev + 1 || first >> 40 != p->sent_rev >> 40)
        return;
    log_error("pump", "the log had dropped changes before they were sent",
              log_u64("event", p->event_id), log_u64("changes", dropped));
    p->shared->skipped += dropped;
    p->looked_ns = 0;
}

static void send_entries(struct pump *p, const struct kv_reply *entries)
{
    struct buf b;

    p->state = PUMP_SENDING;
    p->rest_ms = REST_MIN_MS;
    p->sends = mem_alloc(entries->count * sizeof(*p->sends));
    p->send_count = p->waiting = 0;
    buf_init(&b, CHANGE_MAX);
    for (size_t i = 0; i < entries->count; i++) {
        struct pump_send *s = &p->sends[i];
        s->pump = p;
        s->status = STATUS_OVERLOADED;
        p->send_count++;
        if (!slice_to_str(kv_reply_at(&entries->elements[i], 0)->str, s->id, sizeof(s->id)))
            break;
        if (i == 0)
            tell_dropped(p, rev_of(s->id));
        if (send_entry(s, &entries->elements[i], &b) != STATUS_OK)
            break; /* the queue is full: what is after it must not overtake */
    }
    buf_free(&b);
    if (p->waiting == 0)
        sends_done(p);
}

/* ---- reading ---- */

static void read_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct pump *p = container_of(request, struct pump, kv);

    if (status != STATUS_OK || p->stopping || reply->kind != KV_ARRAY)
        rest_failed(p);
    else if (reply->count)
        send_entries(p, reply);
    else
        look(p);
}

static void read_log(struct pump *p)
{
    char key[40], count[16];

    key_of(p, "log", key, sizeof(key));
    snprintf(count, sizeof(count), "%zu", p->batch);
    struct slice args[] = {SLICE_LITERAL("XRANGE"), slice_str(key),         SLICE_LITERAL("-"),
                           SLICE_LITERAL("+"),      SLICE_LITERAL("COUNT"), slice_str(count)};
    p->state = PUMP_READING;
    p->kv.cb = read_cb;
    if (kv_command(p->shared->kv, &p->kv, args, array_len(args), KV_DEADLINE_MS) != STATUS_OK)
        rest_failed(p);
}

/* ---- snapshots ---- */

static void snapshot_sent_cb(struct bus_send *send, enum status status)
{
    struct pump *p = container_of(send, struct pump, snapshot_send);

    if (status != STATUS_OK) {
        rest_failed(p);
        return;
    }
    p->snapshot_rev = p->look.rev;
    p->shared->snapshots++;
    rest_longer(p);
}

static enum status send_snapshot(struct pump *p, uint64_t rev, struct slice states)
{
    struct news_headers headers;
    struct buf b;
    char key[24], id[56];

    buf_init(&b, SNAPSHOT_MAX);
    news_put_snapshot(&b, p->event_id, rev, states);
    snprintf(key, sizeof(key), "%llu", (unsigned long long)p->event_id);
    snprintf(id, sizeof(id), "%s:%llu:snapshot", key, (unsigned long long)rev);
    news_headers_make(&headers, slice_str(id), SLICE_LITERAL("seat.snapshot"),
                      loop_wall_ms(p->shared->loop), SLICE_NONE);
    p->state = PUMP_SNAPSHOT;
    p->snapshot_send.cb = snapshot_sent_cb;
    enum status status = buf_status(&b);
    if (status == STATUS_OK)
        status = bus_send(p->shared->bus, &p->snapshot_send, NEWS_TOPIC_SNAPSHOTS, slice_str(key),
                          buf_slice(&b), headers.list, headers.count);
    buf_free(&b);
    return status;
}

static void look_cb(struct seat_read *look, enum status status)
{
    struct pump *p = container_of(look, struct pump, look);

    if (status != STATUS_OK || p->stopping)
        rest_failed(p);
    else if (!look->state.at)
        rest_longer(p);
    else if (send_snapshot(p, look->rev, look->state) != STATUS_OK)
        rest_failed(p);
}

/* At most every two seconds. After Redis restarted this is also what has the mirror rebuilt, so
 * that the map of an event is live before its next buyer comes. */
static void look(struct pump *p)
{
    int64_t now_ns = loop_mono_ns(p->shared->loop);

    if (p->looked_ns && now_ns - p->looked_ns < LOOK_NS) {
        rest_longer(p);
        return;
    }
    p->looked_ns = now_ns;
    p->state = PUMP_LOOKING;
    p->look = (struct seat_read){.cb = look_cb, .event_id = p->event_id, .rev = p->snapshot_rev};
    if (seat_store_read(p->shared->seats, &p->look) != STATUS_OK)
        rest_failed(p);
}

/* ---- life ---- */

struct pump *pump_new(struct pump_shared *shared, uint64_t event_id)
{
    struct pump *p = mem_alloc(sizeof(*p));

    p->event_id = event_id;
    p->shared = shared;
    p->batch = PUMP_BATCH;
    list_init(&p->link);
    timer_init(shared->loop, &p->timer, rested_cb);
    rest(p, 0);
    return p;
}

void pump_stop(struct pump *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    if (p->state == PUMP_RESTING)
        timer_start(&p->timer, 0, 0);
}

static void freed_cb(struct timer *t)
{
    mem_free(container_of(t, struct pump, timer));
}

void pump_free(struct pump *p)
{
    timer_close(&p->timer, freed_cb);
}
