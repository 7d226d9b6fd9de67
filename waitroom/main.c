/* The waiting room: a daemon of the line, its admin calls, and the static pages. */
#include "engine/base/mem.h"
#include "engine/net/daemon.h"
#include "engine/store/db_pq.h"
#include "engine/store/kv_redis.h"
#include "waitroom/admin_api.h"
#include "waitroom/meter.h"
#include "waitroom/static_files.h"
#include "waitroom/waitroom_api.h"

#include <stdio.h>

struct waitroom_settings {
    struct daemon_settings daemon;
    const char *redis, *database, *ticket_keys, *pass_key, *public_url, *web_root;
    int64_t queues, pause_seconds;
};

#define AT(field) offsetof(struct waitroom_settings, field)

static const struct config_option options[] = {
    DAEMON_OPTIONS(struct waitroom_settings, daemon, "8081", "9081"),
    {"redis", CONFIG_STR, AT(redis), "127.0.0.1:6379", 0, 0, false, "host:port of Redis"},
    {"database", CONFIG_STR, AT(database), "", 0, 0, true, "libpq connection string of PostgreSQL"},
    {"ticket-keys", CONFIG_STR, AT(ticket_keys), NULL, 0, 0, false,
     "file of the HMAC keys of the tickets"},
    {"pass-key", CONFIG_STR, AT(pass_key), NULL, 0, 0, false,
     "PEM file: Ed25519 private key of the passes"},
    {"public-url", CONFIG_STR, AT(public_url), NULL, 0, 0, false, "origin that browsers see"},
    {"web-root", CONFIG_STR, AT(web_root), NULL, 0, 0, false,
     "directory of the static pages; none: they are not served"},
    {"queues", CONFIG_INT, AT(queues), "4096", 1, 1000000, false, "queues kept in memory at most"},
    {"pause-seconds", CONFIG_INT, AT(pause_seconds), "10", 0, 3600, false,
     "admission pauses so long after Redis forgot a line, seconds"},
};

struct program {
    struct config config;
    struct waitroom_settings settings;
    struct daemon daemon;
    struct waitroom room;
    struct token_keys keys;
    struct static_site site;
    struct meter meter;
    struct metric_group metrics;
    struct daemon_check checks[2];
};

/* ---- keys and pages ---- */

static bool load_ticket_keys(struct program *p, struct token_keys *ret_keys)
{
    char why[200] = "no file is configured";

    if (p->settings.ticket_keys &&
        token_keys_load(ret_keys, p->settings.ticket_keys, why, sizeof(why)) == STATUS_OK)
        return true;
    log_error("waitroom", "no ticket keys", log_str("why", why),
              log_str("remedy", "--ticket-keys FILE"));
    return false;
}

static bool load_signer(struct program *p, struct jwt_signer **ret_signer)
{
    enum status status = STATUS_NOT_FOUND;

    if (p->settings.pass_key)
        status = jwt_signer_load(p->settings.pass_key, ret_signer);
    if (status == STATUS_OK)
        return true;
    log_error("waitroom", "no pass key", log_status(status),
              log_str("remedy", "--pass-key FILE (PEM, Ed25519)"));
    return false;
}

static bool load_site(struct program *p, struct static_files **ret_files)
{
    char why[300];

    *ret_files = NULL;
    if (!p->settings.web_root ||
        static_files_load(p->settings.web_root, ret_files, why, sizeof(why)) == STATUS_OK)
        return true;
    log_error("waitroom", "pages not loaded", log_str("why", why));
    return false;
}

/* All or nothing: what cannot be read leaves the old in place. The path of each file is that of the
 * start. */
static void reload(void *ctx)
{
    struct program *p = ctx;
    struct token_keys keys = {.count = 0};
    struct jwt_signer *signer = NULL;
    struct static_files *files = NULL;

    if (!load_ticket_keys(p, &keys) || !load_signer(p, &signer) || !load_site(p, &files)) {
        token_keys_free(&keys);
        jwt_signer_free(signer);
        log_error("waitroom", "reload failed, nothing changed");
        return;
    }
    token_keys_free(&p->keys);
    p->keys = keys;
    jwt_signer_free(p->room.signer);
    p->room.signer = signer;
    buf_clear(&p->room.jwks);
    jwt_signer_jwks(&p->room.signer, 1, &p->room.jwks);
    static_files_unref(p->site.files);
    p->site.files = files;
    log_info("waitroom", "reloaded");
}

/* ---- readiness ---- */

static bool redis_ready(void *ctx, const char **ret_why)
{
    return kv_ready(ctx, ret_why);
}

static bool postgres_ready(void *ctx, const char **ret_why)
{
    return db_ready(ctx, ret_why);
}

static void add_checks(struct program *p)
{
    p->checks[0] = (struct daemon_check){.name = "redis", .ready = redis_ready, .ctx = p->room.kv};
    p->checks[1] =
        (struct daemon_check){.name = "postgresql", .ready = postgres_ready, .ctx = p->room.db};
    daemon_check_add(&p->daemon, &p->checks[0]);
    daemon_check_add(&p->daemon, &p->checks[1]);
}

/* ---- life ---- */

static void open_stores(struct program *p)
{
    struct kv_redis_options redis = {.address = p->settings.redis};
    struct db_pq_options postgres = {.conninfo = p->settings.database,
                                     .application = "holdfast-waitroom"};

    p->room.kv = kv_redis_new(&p->daemon.loop, &redis);
    p->room.db = db_pq_new(&p->daemon.loop, &postgres);
    metric_page_add(&p->daemon.metrics, kv_redis_metrics(p->room.kv));
    metric_page_add(&p->daemon.metrics, db_pq_metrics(p->room.db));
}

static void open_room(struct program *p)
{
    struct waitroom *w = &p->room;

    w->loop = &p->daemon.loop;
    w->keys = &p->keys;
    w->origins = p->settings.public_url;
    w->pause_ms = p->settings.pause_seconds * 1000;
    w->queues_max = (size_t)p->settings.queues;
    w->requests_max = (size_t)p->settings.daemon.requests;
    open_stores(p);
    waitroom_init(w);
    p->metrics = waitroom_metric_group(w);
    metric_page_add(&p->daemon.metrics, &p->metrics);
    waitroom_api_add(&p->daemon.router, w);
    admin_api_add(&p->daemon.ops_router, w);
    if (p->site.files)
        static_site_add(&p->daemon.router, &p->site);
    meter_start(&p->meter, w);
    add_checks(p);
}

/* The stores complete everything while daemon_free runs the loop for the last time; only then the
 * queues may go. */
static void close_room(struct program *p)
{
    meter_stop(&p->meter);
    metric_group_free(&p->metrics);
    kv_close(p->room.kv);
    db_close(p->room.db);
    daemon_free(&p->daemon);
    waitroom_free(&p->room);
}

static int run(struct program *p)
{
    int code;

    daemon_init(&p->daemon, "waitroom", &p->settings.daemon);
    p->daemon.reload = reload;
    p->daemon.ctx = p;
    if (!load_ticket_keys(p, &p->keys) || !load_signer(p, &p->room.signer) ||
        !load_site(p, &p->site.files)) {
        daemon_free(&p->daemon);
        return 1;
    }
    open_room(p);
    code = daemon_run(&p->daemon);
    close_room(p);
    return code;
}

int main(int argc, char **argv)
{
    static struct program p;
    int code;

    p.config = (struct config){.program = "waitroom",
                               .summary = "the virtual waiting room: line, tickets, passes",
                               .options = options,
                               .count = array_len(options),
                               .target = &p.settings};
    switch (config_load(&p.config, argc, argv)) {
    case CONFIG_DONE: return 0;
    case CONFIG_WRONG: return 2;
    case CONFIG_RUN: break;
    }
    code = run(&p);
    token_keys_free(&p.keys);
    jwt_signer_free(p.room.signer);
    static_files_unref(p.site.files);
    config_free(&p.config);
    return code;
}
