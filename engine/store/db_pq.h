/* The truth on a real PostgreSQL 15+: an asynchronous pool of libpq connections in pipeline mode
 * with prepared statements. */
#ifndef HOLDFAST_STORE_DB_PQ_H
#define HOLDFAST_STORE_DB_PQ_H

#include "engine/base/metric.h"
#include "engine/net/loop.h"
#include "engine/store/db.h"

#define DB_PQ_METRICS(X)                                                                           \
    X(COUNTER, db_statements_total, "statements sent")                                             \
    X(COUNTER, db_errors_total, "statements refused by PostgreSQL")                                \
    X(COUNTER, db_timeouts_total, "statements without an answer at their deadline")                \
    X(COUNTER, db_connects_total, "connections made")                                              \
    X(GAUGE, db_connections, "connections that are ready")                                         \
    X(GAUGE, db_waiting, "statements waiting for a connection")                                    \
    X(GAUGE, db_breaker_open,                                                                      \
      "above 0 while PostgreSQL is away and statements are refused at once")                       \
    X(COUNTER, db_retries_total,                                                                   \
      "reads repeated after a lost connection, at most a tenth of the statements")                 \
    X(HISTOGRAM, db_statement_us, "time from submit to answer")

METRIC_STRUCT(db_pq_metrics, DB_PQ_METRICS);

struct db_pq_options {
    const char *conninfo;    /* libpq connection string */
    size_t connections;      /* 0: 4 */
    size_t pipeline;         /* statements in flight per connection, each with its own Sync; 0: 8 */
    size_t waiting_max;      /* 0: 16,384 */
    const char *application; /* application_name */
    bool reports; /* statements read whole tables: PostgreSQL plans each as it finds best */
};

/* Starts connecting; never fails (see db_ready). The breaker opens, and what is submitted is
 * refused with UNAVAILABLE, when there has been no connection for a second, or when statements are
 * on their way and nothing at all has been answered for 1.5 s (a statement of our own each quiet
 * half second finds that out when nobody asks anything, and is the probe; with a single connection
 * nobody can tell a slow statement from a frozen server). An answer, or a new connection, closes
 * it. Every connection runs with synchronous_commit = on, a statement_timeout, idle limits and
 * (without `reports`) plans by index. A statement whose deadline passes completes with TIMEOUT and
 * is canceled on the server. */
struct db *db_pq_new(struct loop *l, const struct db_pq_options *options);
struct metric_group *db_pq_metrics(struct db *db);

#endif
