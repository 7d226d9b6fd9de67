/* What every daemon of the house is: public listener, ops listener (livez, readyz, metrics,
 * version, admin), signals, drain. */
#ifndef HOLDFAST_NET_DAEMON_H
#define HOLDFAST_NET_DAEMON_H

#include "engine/base/config.h"
#include "engine/base/log.h"
#include "engine/net/http_server.h"

/* The settings all daemons share, first member of a daemon's own settings struct (which is what
 * config_load fills). */
struct daemon_settings {
    const char *bind;
    int64_t port, ops_port;
    const char *log_level, *log_format;
    const char *admin_token;
    int64_t connections, requests, request_ms;
};

/* Rows of a config_option table for them: `DAEMON_OPTIONS(struct engine_settings, daemon, "8082",
 * "9082")`. */
#define DAEMON_OPTIONS(type, member, port_text, ops_port_text)                                     \
    {"bind", CONFIG_STR, offsetof(type, member.bind),     "127.0.0.1", 0,                          \
     0,      false,      "address of the public listener"},                                        \
        {"port", CONFIG_INT,   offsetof(type, member.port), port_text, 0, 65535,                   \
         false,  "public port"},                                                                   \
        {"ops-port", CONFIG_INT, offsetof(type, member.ops_port), ops_port_text, 0,                \
         65535,      false,      "ops port, always on 127.0.0.1"},                                 \
        {"log-level", CONFIG_STR, offsetof(type, member.log_level), "info", 0,                     \
         0,           false,      "debug, info, warn or error"},                                   \
        {"log-format", CONFIG_STR,      offsetof(type, member.log_format), "logfmt", 0, 0,         \
         false,        "logfmt or json"},                                                          \
        {"admin-token",                                                                            \
         CONFIG_STR,                                                                               \
         offsetof(type, member.admin_token),                                                       \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         true,                                                                                     \
         "bearer token of the admin calls; none: they are refused"},                               \
        {"connections", CONFIG_INT, offsetof(type, member.connections), "16384", 16,               \
         1000000,       false,      "open connections at most"},                                   \
        {"requests", CONFIG_INT, offsetof(type, member.requests),           "4096", 1,             \
         1000000,    false,      "requests in flight at most, above it 503"},                      \
    {                                                                                              \
        "request-ms", CONFIG_INT, offsetof(type, member.request_ms), "9000", 10, 600000, false,    \
            "from the head of a request to its answer, ms: no step begins later, 503"              \
    }

/* A dependency for /readyz. */
struct daemon_check {
    const char *name; /* "redis" */
    bool (*ready)(void *ctx, const char **ret_why);
    void *ctx;
    struct list link; /* private */
};

struct daemon {
    struct loop loop;
    struct router router, ops_router;
    struct http_server *server, *ops_server;
    struct metric_page metrics;
    const struct daemon_settings *settings;
    const char *name;
    /* private */
    struct list checks;
    uv_signal_t signals[3];
    bool draining;
    void (*reload)(void *ctx); /* SIGHUP; may be NULL */
    void (*drain)(
        void *ctx); /* SIGTERM, SIGINT: called once, readiness is already off; may be NULL */
    void *ctx;
};

/* Logging, loop, routers, servers (not yet listening), ops routes, process metrics, signal
 * handlers; ignores SIGPIPE, raises RLIMIT_NOFILE to the hard limit. */
void daemon_init(struct daemon *d, const char *name, const struct daemon_settings *settings);
void daemon_check_add(struct daemon *d, struct daemon_check *check);
/* Listens (port 0 picks; the ports are logged as `event=listening port= ops_port=`), runs until
 * drained. Returns the exit code. */
int daemon_run(struct daemon *d);
void daemon_free(struct daemon *d);

#endif
