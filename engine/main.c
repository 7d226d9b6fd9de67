/* The booking server: events, holds, bookings, the relay of the news. */
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/booking/admission.h"
#include "engine/booking/drift.h"
#include "engine/booking/event_admin_api.h"
#include "engine/booking/event_api.h"
#include "engine/booking/hold_api.h"
#include "engine/booking/mirror.h"
#include "engine/booking/sweeper.h"
#include "engine/booking/till.h"
#include "engine/net/daemon.h"
#include "engine/store/bus_rdkafka.h"
#include "engine/store/db_pq.h"
#include "engine/store/kv_redis.h"

#include <stdio.h>

enum { RELAY_PATIENCE_MS = 2000 };

struct engine_settings {
    struct daemon_settings daemon;
    const char *redis, *database, *kafka, *jwks_url;
    int64_t database_connections, events, passes, drift_seconds, queue_ms;
    struct till_settings till;
};

#define OPTION_STR(option, field, fallback, is_secret, help)                                       \
    {                                                                                              \
        option, CONFIG_STR, offsetof(struct engine_settings, field), fallback, 0, 0, is_secret,    \
            help                                                                                   \
    }
#define OPTION_INT(option, field, fallback, low, high, help)                                       \
    {                                                                                              \
        option, CONFIG_INT, offsetof(struct engine_settings, field), fallback, low, high, false,   \
            help                                                                                   \
    }

static const struct config_option options[] = {
    DAEMON_OPTIONS(struct engine_settings, daemon, "8082", "9082"),
    OPTION_STR("redis", redis, "127.0.0.1:6379", false, "host:port of Redis"),
    OPTION_STR("database", database, "", true, "libpq connection string of PostgreSQL"),
    OPTION_STR("kafka", kafka, NULL, false,
               "bootstrap servers of Kafka; none: no news are sent by this process"),
    OPTION_STR("jwks-url", jwks_url, NULL, false,
               "where the public keys of the passes are; none: no pass is accepted"),
    OPTION_INT("database-connections", database_connections, "8", 1, 1000,
               "connections to PostgreSQL"),
    OPTION_INT("events", events, "1024", 1, 100000, "events kept in memory at most"),
    OPTION_INT("passes", passes, "65536", 16, 10000000, "checked passes remembered at most"),
    OPTION_INT("drift-seconds", drift_seconds, "10", 0, 3600,
               "from one comparison of Redis with PostgreSQL to the next, s; 0: none is made"),
    OPTION_INT("queue-ms", queue_ms, "500", 1, 10000,
               "how long the shortest answer to a hold or a commit may take before holds are "
               "refused, ms"),
    TILL_OPTIONS(struct engine_settings, till),
};

struct program {
    struct config config;
    struct engine_settings settings;
    struct daemon daemon;
    struct engine engine;
    struct bus *bus; /* NULL: none */
    struct http_client *jwks;
    struct sweeper *sweeper;
    struct drift *drift; /* NULL: none */
    struct till till;
    struct admission admission;
    struct hist commits_seen, commits_lately[2]; /* by half seconds, for the pressure */
    unsigned half_second;
    struct metric_group metrics;
    struct daemon_check checks[4];
    struct timer patience;
    bool relay_stopped;
};

/* ---- readiness ---- */

static bool redis_ready(void *ctx, const char **ret_why)
{
    return kv_ready(ctx, ret_why);
}

static bool postgres_ready(void *ctx, const char **ret_why)
{
    return db_ready(ctx, ret_why);
}

static bool keys_ready(void *ctx, const char **ret_why)
{
    return passes_ready(ctx, ret_why);
}

static void add_checks(struct program *p)
{
    p->checks[0] =
        (struct daemon_check){.name = "redis", .ready = redis_ready, .ctx = p->engine.kv};
    p->checks[1] =
        (struct daemon_check){.name = "postgresql", .ready = postgres_ready, .ctx = p->engine.db};
    p->checks[2] =
        (struct daemon_check){.name = "pass keys", .ready = keys_ready, .ctx = p->engine.passes};
    for (size_t i = 0; i < 3; i++)
        daemon_check_add(&p->daemon, &p->checks[i]);
}

/* ---- load ---- */

static void feel(void *ctx, struct pressure_signs *ret_signs)
{
    struct program *p = ctx;
    const struct commit_metrics *commits = p->admission.commits;
    struct hist *now = &p->commits_lately[p->half_second++ % 2];
    const struct hist *before = &p->commits_lately[p->half_second % 2];
    struct hist second;

    hist_since(&commits->commit_us, &p->commits_seen, now);
    hist_init(&second);
    hist_merge(&second, now);
    hist_merge(&second, before);
    *ret_signs = (struct pressure_signs){
        .commit_p99_ms = (int64_t)hist_quantile(&second, 0.99) / 1000,
        .pool_wait_ms = db_waited_ms(p->engine.db),
        .fill = admission_fill(&p->admission),
        .away = !kv_ready(p->engine.kv, NULL) || !db_ready(p->engine.db, NULL),
    };
    hist_free(&second);
}

static void watch_load(struct program *p)
{
    struct metric_page *page = &p->daemon.metrics;

    p->admission = (struct admission){.loop = p->engine.loop,
                                      .kv = p->engine.kv,
                                      .db = p->engine.db,
                                      .commits = commit_metrics(p->till.commit)->base,
                                      .queue_ms = p->settings.queue_ms};
    for (size_t i = 0; i < PURCHASE_PROVIDERS_MAX; i++)
        p->admission.providers[i] = p->till.clients[i];
    admission_open(&p->admission, (size_t)p->settings.daemon.requests);
    http_server_gate(p->daemon.server, admission_gate, admission_done, &p->admission);
    hist_init(&p->commits_seen);
    for (size_t i = 0; i < array_len(p->commits_lately); i++)
        hist_init(&p->commits_lately[i]);
    p->engine.pressure = pressure_new(p->engine.loop, p->engine.kv, feel, p);
    metric_page_add(page, &p->admission.group);
    metric_page_add(page, pressure_metrics(p->engine.pressure));
}

static void forget_load(struct program *p)
{
    pressure_free(p->engine.pressure);
    hist_free(&p->commits_seen);
    for (size_t i = 0; i < array_len(p->commits_lately); i++)
        hist_free(&p->commits_lately[i]);
}

/* ---- life ---- */

static void open_stores(struct program *p)
{
    struct engine *e = &p->engine;
    struct metric_page *page = &p->daemon.metrics;
    const struct db_pq_options postgres = {.conninfo = p->settings.database,
                                           .connections = (size_t)p->settings.database_connections,
                                           .application = "holdfast-engine"};

    e->loop = &p->daemon.loop;
    e->kv = kv_redis_new(e->loop, &(struct kv_redis_options){.address = p->settings.redis});
    e->db = db_pq_new(e->loop, &postgres);
    metric_page_add(page, kv_redis_metrics(e->kv));
    metric_page_add(page, db_pq_metrics(e->db));
    if (p->settings.kafka && *p->settings.kafka) {
        p->bus =
            bus_rdkafka_new(e->loop, &(struct bus_rdkafka_options){.brokers = p->settings.kafka,
                                                                   .client_id = "holdfast-engine",
                                                                   .producer = true});
        metric_page_add(page, bus_rdkafka_metrics(p->bus));
    }
}

static void wake_cb(void *ctx, uint64_t event_id)
{
    engine_changed(ctx, event_id);
}

static bool is_mine(void *ctx, uint64_t event_id)
{
    const struct engine *e = ctx;

    return relay_holds(e->relay, event_id);
}

/* Without a relay no shard is ours: another process compares. */
static void open_drift(struct program *p)
{
    struct engine *e = &p->engine;

    if (!e->relay || p->settings.drift_seconds == 0)
        return;
    p->drift = drift_new(&(struct drift_options){.loop = e->loop,
                                                 .kv = e->kv,
                                                 .db = e->db,
                                                 .mirror = seat_store_mirror(e->seats),
                                                 .mine = is_mine,
                                                 .changed = wake_cb,
                                                 .ctx = e,
                                                 .pass_ms = p->settings.drift_seconds * 1000});
    metric_page_add(&p->daemon.metrics, drift_metrics(p->drift));
}

static void open_engine(struct program *p)
{
    struct engine *e = &p->engine;

    open_stores(p);
    rng_seed_random(&e->rng);
    e->seats = seat_store_new(e->loop, e->kv, e->db);
    mirror_on_rebuilt(seat_store_mirror(e->seats), wake_cb, e);
    e->events = event_cache_new(e->loop, e->db, (size_t)p->settings.events);
    e->views = views_new(e->loop, e->seats);
    p->jwks = http_client_new(e->loop, "jwks");
    e->passes = passes_new(e->loop, p->jwks, p->settings.jwks_url, (size_t)p->settings.passes);
    if (p->bus) {
        e->relay = relay_new(e->loop, e->kv, e->db, p->bus, e->seats);
        metric_page_add(&p->daemon.metrics, relay_metrics(e->relay));
    }
    p->metrics = (struct metric_group){
        .descs = seats_metric_descs, .count = seats_metric_count, .base = &e->metrics};
    metric_page_add(&p->daemon.metrics, &p->metrics);
    metric_page_add(&p->daemon.metrics, http_client_metrics(p->jwks));
    hold_api_init(e, (size_t)p->settings.daemon.requests);
    hold_api_routes(&p->daemon.router, e);
    event_api_routes(&p->daemon.router, e);
    event_admin_api_routes(&p->daemon.ops_router, e);
    till_open(&p->till, e, &p->settings.till, (size_t)p->settings.daemon.requests);
    till_metrics(&p->till, &p->daemon.metrics);
    till_routes(&p->till, &p->daemon.router);
    till_admin_routes(&p->till, &p->daemon.ops_router);
    watch_load(p);
    p->sweeper = sweeper_new(e);
    open_drift(p);
    add_checks(p);
}

static void relay_stopped_cb(void *ctx)
{
    ((struct program *)ctx)->relay_stopped = true;
}

static void patience_ended(struct timer *t)
{
    bus_abandon(container_of(t, struct program, patience)->bus);
}

/* What is on its way to Kafka is given a moment to arrive; the next relay sends again what did not.
 */
static void stop_relay(struct program *p)
{
    struct engine *e = &p->engine;

    relay_stop(e->relay, relay_stopped_cb, p);
    timer_init(e->loop, &p->patience, patience_ended);
    timer_start(&p->patience, RELAY_PATIENCE_MS, 0);
    while (!p->relay_stopped)
        loop_turn(e->loop, true);
    timer_close(&p->patience, NULL);
}

/* What waits ends first, then the stores complete what is under way while daemon_free runs the loop
 * for the last time; only then the rest may go. */
static void close_engine(struct program *p)
{
    struct engine *e = &p->engine;

    drift_stop(p->drift); /* asks the relay */
    if (e->relay)
        stop_relay(p);
    pressure_stop(e->pressure);
    admission_close(&p->admission);
    sweeper_stop(p->sweeper);
    till_stop(&p->till);
    passes_stop(e->passes);
    views_stop(e->views);
    seat_store_stop(e->seats);
    metric_group_free(&p->metrics);
    http_client_free(p->jwks);
    kv_close(e->kv);
    db_close(e->db);
    if (p->bus)
        bus_close(p->bus);
    daemon_free(&p->daemon);
    forget_load(p);
    till_free(&p->till);
    sweeper_free(p->sweeper);
    drift_free(p->drift);
    if (e->relay)
        relay_free(e->relay);
    views_free(e->views);
    event_cache_free(e->events);
    passes_free(e->passes);
    seat_store_free(e->seats);
    hold_api_free(e);
}

static void reload(void *ctx)
{
    struct program *p = ctx;
    char why[300];

    if (till_reload(&p->till, &p->settings.till, why, sizeof(why)) == STATUS_OK)
        log_info("engine", "reloaded");
    else
        log_error("engine", "reload failed, nothing changed", log_str("why", why));
}

static int run(struct program *p)
{
    char why[300];
    int code;

    if (till_load(&p->till, &p->settings.till, why, sizeof(why))) {
        fprintf(stderr, "engine: %s\n", why);
        return 2;
    }
    daemon_init(&p->daemon, "engine", &p->settings.daemon);
    p->daemon.reload = reload;
    p->daemon.ctx = p;
    open_engine(p);
    code = daemon_run(&p->daemon);
    close_engine(p);
    return code;
}

int main(int argc, char **argv)
{
    static struct program p;
    int code;

    p.config = (struct config){.program = "engine",
                               .summary = "the booking server: events, holds, bookings",
                               .options = options,
                               .count = array_len(options),
                               .target = &p.settings};
    switch (config_load(&p.config, argc, argv)) {
    case CONFIG_DONE: return 0;
    case CONFIG_WRONG: return 2;
    case CONFIG_RUN: break;
    }
    code = run(&p);
    config_free(&p.config);
    return code;
}
