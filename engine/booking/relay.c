#include "engine/booking/relay.h"

#include "engine/base/log.h"
#include "engine/base/map.h"
#include "engine/booking/log_pump.h"
#include "engine/booking/outbox.h"
#include "engine/booking/shard.h"

enum { EVENTS_MS = 1000, DB_DEADLINE_MS = 5000 };

struct relay {
    struct loop *loop;
    struct db *db;
    struct shards shards;
    struct outbox outbox;
    struct pump_shared pumps_shared;
    struct map pumps;   /* by event_id, the key is inside the pump */
    struct timer timer; /* asks for the events */
    struct db_request events_request;
    bool asking, stopping, outbox_stopped, timer_closed;
    size_t pump_count; /* stopping ones included */
    struct relay_metrics metrics;
    struct metric_group group;
    void (*stopped)(void *ctx);
    void *ctx;
};

#define METRIC_ROW_TAG relay_metrics
static const struct metric_desc metric_descs[] = {RELAY_METRICS(METRIC_ROW_)};

/* Events that may still change: on sale, or not yet over (refunds). */
const struct db_statement relay_events_statement = {
    .name = "relay_events",
    .text = "SELECT event_id FROM event WHERE (1 << (event_id % 16)::integer) & $1::integer <> 0"
            " AND (sale_state = 'on_sale' OR starts_at > now() - interval '1 day')",
    .params = 1,
    .read_only = true,
};

static struct slice pump_key(const uint64_t *event_id)
{
    return slice_of(event_id, sizeof(*event_id));
}

/* ---- the end ---- */

static void stopped_if_done(struct relay *r)
{
    if (!r->stopping || r->pump_count || !r->outbox_stopped || r->asking || !r->timer_closed)
        return;
    void (*stopped)(void *) = r->stopped;
    void *ctx = r->ctx;
    shards_stop(&r->shards);
    metric_group_free(&r->group);
    map_free(&r->pumps);
    stopped(ctx);
}

/* ---- which events are pumped ---- */

static void pump_rested(struct pump *p, void *ctx)
{
    struct relay *r = ctx;

    pump_free(p);
    r->pump_count--;
    stopped_if_done(r);
}

static void pump_add(struct relay *r, uint64_t event_id)
{
    if (map_get(&r->pumps, pump_key(&event_id)))
        return;
    struct pump *p = pump_new(&r->pumps_shared, event_id);
    map_put(&r->pumps, pump_key(&p->event_id), p);
    r->pump_count++;
}

static void pump_drop(struct relay *r, struct pump *p)
{
    map_remove(&r->pumps, pump_key(&p->event_id));
    pump_stop(p);
}

static void drop_foreign_pumps(struct relay *r)
{
    size_t cursor = 0;
    struct pump *p;

    while ((p = map_next(&r->pumps, &cursor)))
        if (r->stopping || !shards_hold(&r->shards, p->event_id))
            pump_drop(r, p);
}

static void events_cb(struct db_request *request, enum status status,
                      const struct db_result *result)
{
    struct relay *r = container_of(request, struct relay, events_request);

    r->asking = false;
    for (size_t i = 0; status == STATUS_OK && !r->stopping && i < result->rows; i++) {
        uint64_t event_id = (uint64_t)db_i64(result, i, 0);
        if (shards_hold(&r->shards, event_id)) /* the shards may have changed meanwhile */
            pump_add(r, event_id);
    }
    stopped_if_done(r);
}

static void ask_events(struct relay *r)
{
    char mask[16];

    if (r->asking || r->stopping || !r->shards.held)
        return;
    snprintf(mask, sizeof(mask), "%u", r->shards.held);
    r->events_request.cb = events_cb;
    r->asking = db_query(r->db, &r->events_request, &relay_events_statement,
                         (struct slice[]){slice_str(mask)}, DB_DEADLINE_MS) == STATUS_OK;
}

static void shards_changed(struct shards *s, void *ctx)
{
    struct relay *r = ctx;

    (void)s;
    drop_foreign_pumps(r);
    ask_events(r);
}

/* ---- once a second ---- */

static void metrics_update(struct relay *r)
{
    r->metrics.relay_shards = __builtin_popcount(r->shards.held);
    r->metrics.relay_events = (int64_t)r->pumps.len;
    r->metrics.relay_outbox_oldest_ms = r->outbox.oldest_ms;
    r->metrics.relay_outbox_sent_total = r->outbox.sent;
    r->metrics.relay_outbox_parked_total = r->outbox.parked;
    r->metrics.relay_changes_sent_total = r->pumps_shared.sent;
    r->metrics.relay_changes_skipped_total = r->pumps_shared.skipped;
    r->metrics.relay_snapshots_total = r->pumps_shared.snapshots;
    r->metrics.relay_failures_total = r->pumps_shared.failures + r->outbox.failures;
}

static void second_cb(struct timer *t)
{
    struct relay *r = container_of(t, struct relay, timer);

    metrics_update(r);
    ask_events(r);
}

/* ---- life ---- */

struct relay *relay_new(struct loop *l, struct kv *kv, struct db *db, struct bus *bus,
                        struct seat_store *seats)
{
    struct relay *r = mem_alloc(sizeof(*r));

    r->loop = l;
    r->db = db;
    r->pumps_shared = (struct pump_shared){
        .loop = l, .kv = kv, .bus = bus, .seats = seats, .rested = pump_rested, .ctx = r};
    map_init(&r->pumps);
    r->group = (struct metric_group){
        .descs = metric_descs, .count = array_len(metric_descs), .base = &r->metrics};
    shards_start(&r->shards, l, db, shards_changed, r);
    outbox_start(&r->outbox, l, db, bus, seats, &r->shards);
    timer_init(l, &r->timer, second_cb);
    timer_start(&r->timer, EVENTS_MS, EVENTS_MS);
    return r;
}

struct metric_group *relay_metrics(struct relay *r)
{
    return &r->group;
}

void relay_wake(struct relay *r, uint64_t event_id)
{
    struct pump *p = map_get(&r->pumps, pump_key(&event_id));

    if (p)
        pump_wake(p);
    else if (shards_hold(&r->shards, event_id))
        ask_events(r);
}

bool relay_holds(const struct relay *r, uint64_t event_id)
{
    return shards_hold(&r->shards, event_id);
}

static void outbox_stopped(struct outbox *o, void *ctx)
{
    struct relay *r = ctx;

    (void)o;
    r->outbox_stopped = true;
    stopped_if_done(r);
}

static void timer_closed(struct timer *t)
{
    struct relay *r = container_of(t, struct relay, timer);

    r->timer_closed = true;
    stopped_if_done(r);
}

void relay_stop(struct relay *r, void (*stopped)(void *ctx), void *ctx)
{
    r->stopping = true;
    r->stopped = stopped;
    r->ctx = ctx;
    outbox_stop(&r->outbox, outbox_stopped, r);
    drop_foreign_pumps(r);
    timer_close(&r->timer, timer_closed);
}

void relay_free(struct relay *r)
{
    mem_free(r);
}
