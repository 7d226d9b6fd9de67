/* The pressure on this engine, 0 to 100, and the telling of it to the waiting room: each half
 * second the engine writes its value beside those of the other engines into the slot of every event
 * that has a queue and is asked for here (lua/pressure_tell.lua), and the meter of the line slows
 * by their mean (waitroom/lua/line_meter.lua). So load is shed at the door, not on people already
 * inside.
 *
 * The value is the worst of
 *
 *   commit    p99 of the commits of the last second       0 at 100 ms, 100 at 1,000 ms
 *   pool      the longest wait for a database connection  0 at 20 ms, 100 at 500 ms
 *   in flight writes, in percent of what is let in        0 at 50 %, 100 at 100 %
 *   away      Redis or PostgreSQL is not there            100
 *
 * straight lines between. It rises at once and falls by 10 at a time: what it keeps away comes back
 * slowly. A value lives for two seconds, so that of a dead engine counts no longer; no value is no
 * pressure. */
#ifndef HOLDFAST_BOOKING_PRESSURE_H
#define HOLDFAST_BOOKING_PRESSURE_H

#include "engine/base/metric.h"
#include "engine/booking/scripts.h"
#include "engine/net/loop.h"
#include "engine/store/db.h"

#define PRESSURE_EVENTS_MAX 256 /* hot at once; beyond it some are not told of */
#define PRESSURE_TELL_MS    500
#define PRESSURE_LIFE_MS    2000
#define PRESSURE_HOT_MS     10000 /* since an event was asked for */

#define PRESSURE_METRICS(X)                                                                        \
    X(GAUGE, pressure, "what slows the lines of the events served here, 0 to 100")                 \
    X(GAUGE, pressure_commit, "its part from the p99 of the last second's commits")                \
    X(GAUGE, pressure_pool, "its part from the wait for a database connection")                    \
    X(GAUGE, pressure_in_flight, "its part from the writes in flight")                             \
    X(GAUGE, pressure_events, "events whose line is told")

METRIC_STRUCT(pressure_metrics, PRESSURE_METRICS);

/* What is felt. */
struct pressure_signs {
    int64_t commit_p99_ms, pool_wait_ms;
    unsigned fill; /* percent */
    bool away;
};

/* One part: 0 up to `low`, 100 from `high` on, a straight line between. */
unsigned pressure_part(int64_t value, int64_t low, int64_t high);
/* The value now, given the one before. Fills the gauges of the parts. */
unsigned pressure_value(const struct pressure_signs *signs, unsigned before,
                        struct pressure_metrics *ret_parts);

struct pressure;

/* Feels: called each half second. */
typedef void (*pressure_feel_fn)(void *ctx, struct pressure_signs *ret_signs);

struct pressure *pressure_new(struct loop *l, struct kv *kv, pressure_feel_fn feel, void *ctx);
struct metric_group *pressure_metrics(struct pressure *p);
/* Somebody wants something of this event, which has a queue. */
void pressure_touch(struct pressure *p, uint64_t event_id);
void pressure_stop(struct pressure *p); /* before the kv is closed */
void pressure_free(struct pressure *p); /* after that, and when the loop has turned */

#endif
