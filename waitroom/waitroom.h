/* What the parts of the waiting room share: the stores, the keys, the pools, the counters. One per
 * process, made by main.c. */
#ifndef HOLDFAST_WAITROOM_WAITROOM_H
#define HOLDFAST_WAITROOM_WAITROOM_H

#include "engine/base/jwt.h"
#include "engine/base/metric.h"
#include "engine/base/pool.h"
#include "engine/base/rng.h"
#include "engine/base/token.h"
#include "engine/net/http.h"
#include "engine/net/loop.h"
#include "engine/store/db.h"
#include "engine/store/kv.h"

#define WAITROOM_METRICS(X)                                                                        \
    X(GAUGE, queues_known, "queues in the cache, absent ones included")                            \
    X(COUNTER, joins_total, "numbers given")                                                       \
    X(COUNTER, joins_repeated_total, "joins answered with the number they already had")            \
    X(COUNTER, join_calls_total, "script calls that carried joins")                                \
    X(COUNTER, passes_total, "passes given")                                                       \
    X(COUNTER, passes_repeated_total, "passes given again")                                        \
    X(COUNTER, turns_missed_total, "requests that came after their turn")                          \
    X(COUNTER, tickets_refused_total, "tickets that were forged, foreign or expired")              \
    X(COUNTER, meter_passes_total, "passes of the meter")                                          \
    X(COUNTER, meter_failures_total, "passes of the meter without an answer")                      \
    X(COUNTER, watermarks_total, "watermarks written to PostgreSQL")                               \
    X(COUNTER, watermark_failures_total, "watermarks that PostgreSQL did not take: people wait")   \
    X(COUNTER, reserves_total, "blocks of numbers reserved")                                       \
    X(COUNTER, recoveries_total, "lines rebuilt from PostgreSQL")                                  \
    X(COUNTER, stream_frames_total, "frames sent to stream subscribers")                           \
    X(COUNTER, stream_skips_total,                                                                 \
      "frames not sent because the subscriber was still busy with the last")                       \
    X(GAUGE, stream_subscribers, "open streams")                                                   \
    X(GAUGE, line_pressure, "what the engines said at the last pass of the hardest pressed line")

METRIC_STRUCT(waitroom_metrics, WAITROOM_METRICS);

struct queues;

struct waitroom {
    /* set by main.c, borrowed */
    struct loop *loop;
    struct kv *kv;
    struct db *db;
    const struct token_keys *keys; /* seal and open the tickets */
    struct jwt_signer *signer;     /* of the passes */
    const char *origins;           /* allowed for the stream, beside the own host */
    int64_t pause_ms;              /* admission pauses so long after Redis forgot a line */
    size_t queues_max, requests_max;

    struct queues *queues;
    struct waitroom_metrics metrics;
    struct rng rng;
    struct buf jwks; /* the document */
    /* Pools of what a request needs while it waits for a store; empty: 503. */
    struct pool waiters, joins, join_batches, claims;
};

/* Pools and queues; the borrowed members are set. */
void waitroom_init(struct waitroom *w);
/* After the stores have completed everything. */
void waitroom_free(struct waitroom *w);
/* The row table of the metrics. */
struct metric_group waitroom_metric_group(struct waitroom *w);

#endif
