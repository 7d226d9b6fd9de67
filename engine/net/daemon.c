#include "engine/net/daemon.h"

#include "engine/base/token.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define DRAIN_MS        10000
#define OPS_CONNECTIONS 256
#define METRICS_TYPE    "text/plain; version=0.0.4; charset=utf-8"

/* ---- the ops calls ---- */

static void livez(struct http_request *req, void *ctx)
{
    (void)ctx;
    buf_append_str(req->out, "{\"status\":\"ok\"}");
    http_reply(req, 200, "application/json");
}

static bool write_check(struct json_out *w, const struct daemon_check *check)
{
    const char *why = NULL;
    bool ready = check->ready(check->ctx, &why);

    json_key(w, check->name);
    json_object_begin(w);
    json_put_bool(w, "ready", ready);
    if (!ready && why)
        json_put_str(w, "why", slice_str(why));
    json_object_end(w);
    return ready;
}

static void readyz(struct http_request *req, void *ctx)
{
    struct daemon *d = ctx;
    bool ready = !d->draining;
    struct json_out w;

    json_begin(&w, req->out);
    json_object_begin(&w);
    json_key(&w, "checks");
    json_object_begin(&w);
    list_for_each (it, &d->checks) {
        if (!write_check(&w, list_entry(it, struct daemon_check, link)))
            ready = false;
    }
    json_object_end(&w);
    json_put_bool(&w, "draining", d->draining);
    json_put_bool(&w, "ready", ready);
    json_object_end(&w);
    http_reply(req, ready ? 200 : 503, "application/json");
}

static void metrics(struct http_request *req, void *ctx)
{
    struct daemon *d = ctx;

    metric_page_write(&d->metrics, req->out);
    http_reply(req, 200, METRICS_TYPE);
}

static void version(struct http_request *req, void *ctx)
{
    struct daemon *d = ctx;
    struct json_out w;

    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_str(&w, "name", slice_str(d->name));
    json_put_str(&w, "version", slice_str(HOLDFAST_VERSION));
    json_object_end(&w);
    http_reply(req, 200, "application/json");
}

static const struct route ops_routes[] = {
    {HTTP_GET_, "/livez", livez, 0, 0},
    {HTTP_GET_, "/readyz", readyz, 0, 0},
    {HTTP_GET_, "/metrics", metrics, 0, 0},
    {HTTP_GET_, "/version", version, 0, 0},
};

/* Compares digests, so that neither content nor length of the token shows in the time. */
static bool token_is(struct slice given, const char *wanted)
{
    uint8_t a[32], b[32];

    sha256(given.at, given.len, a);
    sha256(wanted, strlen(wanted), b);
    return secret_equal(a, b, sizeof(a));
}

static bool admin_gate(struct http_request *req, void *ctx)
{
    const struct daemon *d = ctx;
    const char *wanted = d->settings->admin_token;
    struct slice given;

    if (!(req->route->flags & ROUTE_ADMIN))
        return true;
    if (!wanted || !wanted[0]) {
        http_reply_problem(req, PROBLEM_FORBIDDEN,
                           "No admin token is configured: admin calls are off");
        return false;
    }
    given = http_credential(req, "Bearer");
    if (given.at && token_is(given, wanted))
        return true;
    http_reply_problem(req, PROBLEM_UNAUTHORIZED, NULL);
    return false;
}

/* ---- signals and drain ---- */

static void stop_when_drained(struct daemon *d)
{
    if (!d->server && !d->ops_server)
        loop_stop(&d->loop);
}

static void ops_drained(void *ctx)
{
    struct daemon *d = ctx;

    http_server_free(d->ops_server);
    d->ops_server = NULL;
    stop_when_drained(d);
}

/* The ops listener answers until the last: a readiness probe sees the drain. */
static void public_drained(void *ctx)
{
    struct daemon *d = ctx;

    http_server_free(d->server);
    d->server = NULL;
    http_server_drain(d->ops_server, 500, ops_drained, d);
}

static void drain(struct daemon *d)
{
    if (d->draining)
        return;
    d->draining = true;
    log_info(d->name, "draining");
    if (d->drain)
        d->drain(d->ctx);
    http_server_drain(d->server, DRAIN_MS, public_drained, d);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct daemon *d = handle->data;

    if (signum != SIGHUP) {
        drain(d);
        return;
    }
    log_info(d->name, "reloading");
    if (d->reload)
        d->reload(d->ctx);
}

static void watch_signals(struct daemon *d)
{
    static const int signums[] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < array_len(signums); i++) {
        uv_signal_init(&d->loop.uv, &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, signums[i]);
        uv_unref((uv_handle_t *)&d->signals[i]);
    }
}

/* ---- life ---- */

static void setup_log(const struct daemon_settings *s)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_INFO;

    for (size_t i = 0; i < array_len(levels); i++) {
        if (s->log_level && strcmp(s->log_level, levels[i]) == 0)
            level = (enum log_level)i;
    }
    log_setup(level, s->log_format && strcmp(s->log_format, "json") == 0 ? LOG_JSON : LOG_LOGFMT,
              2);
}

static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

void daemon_init(struct daemon *d, const char *name, const struct daemon_settings *settings)
{
    struct http_server_options public = {.connections = (size_t)settings->connections,
                                         .requests = (size_t)settings->requests,
                                         .request_ms = (unsigned)settings->request_ms};
    struct http_server_options ops = {.connections = OPS_CONNECTIONS, .requests = OPS_CONNECTIONS};

    memset(d, 0, sizeof(*d));
    d->name = name;
    d->settings = settings;
    setup_log(settings);
    raise_file_limit();
    list_init(&d->checks);
    loop_init(&d->loop, &clock_system);
    metric_page_init(&d->metrics);
    router_init(&d->router);
    router_init(&d->ops_router);
    router_add(&d->ops_router, ops_routes, array_len(ops_routes), d);
    d->server = http_server_new(&d->loop, &d->router, &public);
    d->ops_server = http_server_new(&d->loop, &d->ops_router, &ops);
    http_server_gate(d->ops_server, admin_gate, NULL, d);
    metric_page_add(&d->metrics, http_server_metrics(d->server));
    watch_signals(d);
}

void daemon_check_add(struct daemon *d, struct daemon_check *check)
{
    list_push_back(&d->checks, &check->link);
}

static bool listen_on(struct daemon *d, struct http_server *server, const char *address,
                      int64_t port)
{
    char why[128];

    if (http_server_listen(server, address, (uint16_t)port, why, sizeof(why)) == STATUS_OK)
        return true;
    log_error(d->name, "cannot listen", log_str("why", why));
    return false;
}

int daemon_run(struct daemon *d)
{
    if (!listen_on(d, d->server, d->settings->bind, d->settings->port) ||
        !listen_on(d, d->ops_server, "127.0.0.1", d->settings->ops_port))
        return 1;
    log_info(d->name, "listening", log_str("address", d->settings->bind),
             log_u64("port", http_server_port(d->server)),
             log_u64("ops_port", http_server_port(d->ops_server)));
    loop_run(&d->loop);
    log_info(d->name, "stopped");
    return 0;
}

void daemon_free(struct daemon *d)
{
    if (d->server)
        http_server_free(d->server);
    if (d->ops_server)
        http_server_free(d->ops_server);
    for (size_t i = 0; i < array_len(d->signals); i++)
        uv_close((uv_handle_t *)&d->signals[i], NULL);
    loop_free(&d->loop);
    router_free(&d->router);
    router_free(&d->ops_router);
}
