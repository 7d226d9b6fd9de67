/* The drift detector: compares what Redis has of every event with PostgreSQL, again and again at a
 * bounded cost, and marks what has drifted as the truth has it. What it finds has no innocent
 * cause: every change that PostgreSQL committed is marked in Redis before its outbox row goes, so a
 * seat that differs while no row waits for it was changed by hand, by a lost write, or by a bug. */
#ifndef HOLDFAST_BOOKING_DRIFT_H
#define HOLDFAST_BOOKING_DRIFT_H

#include "engine/base/metric.h"
#include "engine/booking/mirror.h"

/* More seats of one event than this are not mended one by one: its mirror is rebuilt. */
#define DRIFT_MEND_MAX 100

#define DRIFT_METRICS(X)                                                                           \
    X(GAUGE, drift_seats,                                                                          \
      "seats that redis had otherwise than postgresql, found by the last pass over all events")    \
    X(GAUGE, drift_age_ms, "time since the last pass ended; 0 while this process has no shard")    \
    X(COUNTER, drift_compared_total, "seats compared with postgresql")                             \
    X(COUNTER, drift_mended_total, "seats marked as postgresql has them because they had drifted") \
    X(COUNTER, drift_rebuilds_total, "events rebuilt because too many of their seats had drifted") \
    X(COUNTER, drift_failures_total,                                                               \
      "comparisons that a store did not answer, left to the next pass")

METRIC_STRUCT(drift_metrics, DRIFT_METRICS);

struct drift_options {
    struct loop *loop; /* all borrowed */
    struct kv *kv;
    struct db *db;
    struct mirror *mirror;
    bool (*mine)(void *ctx,
                 uint64_t event_id); /* whether this process is to look after the event; one does */
    void (*changed)(void *ctx, uint64_t event_id); /* seats were marked */
    void *ctx;
    /* ms, 0 for what is customary: 10 s from one pass to the next, 100 ms from one reading of up to
     * 4,096 seats to the next, 6 s until what differs is read again (so long a hold past its expiry
     * may take to be swept) */
    int64_t pass_ms, step_ms, settle_ms;
};

struct drift;
struct drift *drift_new(const struct drift_options *options);
struct metric_group *drift_metrics(struct drift *d);
void drift_stop(struct drift *d);
/* After it was stopped, mirror, kv and db are closed and the loop has turned. */
void drift_free(struct drift *d);

#endif
