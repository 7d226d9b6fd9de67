/* The pump of one event: takes the event's change log (a Redis stream) to Kafka in rev order, trims
 * what Kafka acknowledged, and publishes a snapshot when it takes over, when the epoch changed, and
 * every two seconds while the event is hot.
 *
 *   RESTING --(time, wake)--> READING --entries--> SENDING --all acknowledged--> TRIMMING -->
 * READING |                    '--a failure: what was acknowledged before it is trimmed, the rest
 * is read again
 *                                '--none--> LOOKING (is the rev another than the last snapshot's?)
 * --> SNAPSHOT --> RESTING
 *
 * A crash between acknowledgement and trim sends the same revs again: consumers drop them by rev.
 *
 * What Kafka refuses for its size is sent again alone, and passed over only then. A topic that is
 * not there is waited for. What the log itself dropped at its limit (lua/common.lua) is told. */
#ifndef HOLDFAST_BOOKING_LOG_PUMP_H
#define HOLDFAST_BOOKING_LOG_PUMP_H

#include "engine/booking/seat_store.h"
#include "engine/store/bus.h"

#define PUMP_BATCH 512 /* entries in memory at most */

enum pump_state {
    PUMP_RESTING,
    PUMP_READING,
    PUMP_SENDING,
    PUMP_TRIMMING,
    PUMP_LOOKING,
    PUMP_SNAPSHOT
};

struct pump_send;
struct pump;

/* What all pumps of a process share; borrowed. */
struct pump_shared {
    struct loop *loop;
    struct kv *kv;
    struct bus *bus;
    struct seat_store *seats;
    void (*rested)(
        struct pump *p,
        void *ctx); /* a stopped pump is at rest: pump_free may be called. Never inside pump_stop */
    void *ctx;
    uint64_t sent, skipped, snapshots, failures; /* counters */
};

struct pump {
    uint64_t event_id;
    struct list link; /* the owner's */
    /* private */
    struct pump_shared *shared;
    enum pump_state state;
    bool woken, stopping;
    struct timer timer;
    unsigned rest_ms;
    struct kv_request kv;
    struct pump_send *sends; /* at most `batch` of them, only while SENDING */
    size_t batch, send_count, waiting;
    bool missing;      /* the topic, and that was told */
    uint64_t sent_rev; /* of the last entry on Kafka, 0: none yet */
    char trim_id[48];
    int64_t looked_ns;     /* last look at the rev, 0: never */
    uint64_t snapshot_rev; /* of the last one published */
    struct seat_read look;
    struct bus_send snapshot_send;
};

struct pump *pump_new(struct pump_shared *shared, uint64_t event_id);
void pump_wake(struct pump *p); /* something changed: read at once */
/* The shard is another's, or the end: finishes what is on its way, then `rested`. */
void pump_stop(struct pump *p);
void pump_free(struct pump *p);

#endif
