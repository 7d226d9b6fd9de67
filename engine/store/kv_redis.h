/* The fast store on a real Redis 7: one pipelined connection per process (hiredis parses, the loop
 * adapter is ours), reconnect with jitter. */
#ifndef HOLDFAST_STORE_KV_REDIS_H
#define HOLDFAST_STORE_KV_REDIS_H

#include "engine/base/metric.h"
#include "engine/net/loop.h"
#include "engine/store/kv.h"

#define KV_REDIS_METRICS(X)                                                                        \
    X(COUNTER, redis_commands_total, "commands sent")                                              \
    X(COUNTER, redis_errors_total, "commands answered with an error")                              \
    X(COUNTER, redis_timeouts_total, "commands without an answer at their deadline")               \
    X(COUNTER, redis_connects_total, "connections made")                                           \
    X(COUNTER, redis_scripts_loaded_total, "scripts loaded because Redis did not know them")       \
    X(GAUGE, redis_in_flight, "commands sent and not answered")                                    \
    X(GAUGE, redis_connected, "1 while connected")                                                 \
    X(GAUGE, redis_breaker_open, "1 while it answers nothing and commands are refused at once")    \
    X(HISTOGRAM, redis_command_us, "time to the answer")

METRIC_STRUCT(kv_redis_metrics, KV_REDIS_METRICS);

struct kv_redis_options {
    const char *address;  /* "host:port" or "unix:/path" */
    size_t in_flight_max; /* 0: 65,536 */
    unsigned connect_ms;  /* 0: 1,000 */
    uint64_t seed;        /* of the reconnect jitter; 0: random */
};

/* Starts connecting; never fails (see kv_ready). After a connect it reads run_id with INFO server
 * before anything else is sent. A PING each half second tells whether Redis answers when nobody
 * asks it anything; when the oldest command is a second old the breaker opens: what is submitted is
 * refused with UNAVAILABLE, until an answer comes. Nothing is ever repeated for a failure's sake. A
 * command whose deadline passes is completed with TIMEOUT; its late answer is dropped; a connection
 * whose oldest command is 2 s late is cut and made again. */
struct kv *kv_redis_new(struct loop *l, const struct kv_redis_options *options);
struct metric_group *kv_redis_metrics(struct kv *kv);

#endif
