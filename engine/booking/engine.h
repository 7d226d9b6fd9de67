/* What the parts of the booking server share: stores, caches, passes, metrics. Made by main.c,
 * borrowed by everybody. */
#ifndef HOLDFAST_BOOKING_ENGINE_H
#define HOLDFAST_BOOKING_ENGINE_H

#include "engine/base/metric.h"
#include "engine/base/pool.h"
#include "engine/base/rng.h"
#include "engine/booking/event.h"
#include "engine/booking/pass.h"
#include "engine/booking/pressure.h"
#include "engine/booking/relay.h"
#include "engine/booking/seat_store.h"
#include "engine/booking/view.h"

#define SEATS_METRICS(X)                                                                           \
    X(COUNTER, holds_granted_total, "holds given")                                                 \
    X(COUNTER, holds_replayed_total, "holds answered from the record of their key")                \
    X(COUNTER, holds_refused_total,                                                                \
      "holds refused because a seat was not free or no block was left")                            \
    X(COUNTER, holds_limited_total, "holds refused by a limit or a cool-down")                     \
    X(COUNTER, holds_released_total, "holds given up")                                             \
    X(COUNTER, holds_expired_total, "holds that this process swept")                               \
    X(COUNTER, best_available_total, "choices of best available, repeated ones included")          \
    X(COUNTER, best_available_lost_total, "choices that a rival was faster to")                    \
    X(GAUGE, hold_requests, "hold requests in flight")                                             \
    X(HISTOGRAM, hold_us, "time from a hold request's head to its answer")

METRIC_STRUCT(seats_metrics, SEATS_METRICS);

struct engine {
    struct loop *loop;
    struct kv *kv;
    struct db *db;
    struct seat_store *seats;
    struct event_cache *events;
    struct views *views;
    struct passes *passes;
    struct relay *relay;       /* NULL: none here */
    struct pressure *pressure; /* NULL: nobody is told */
    struct rng rng;            /* for choices, never for secrets */
    struct pool hold_requests; /* hold_api.c */
    struct seats_metrics metrics;
};

extern const struct metric_desc seats_metric_descs[];
extern const size_t seats_metric_count;

/* This process has changed seats of the event: the news need not wait for the next poll. */
static inline void engine_changed(struct engine *e, uint64_t event_id)
{
    if (e->relay)
        relay_wake(e->relay, event_id);
}

#endif
