/* The relay: for the shards this engine holds, the outbox and every event's change log go to Kafka.
 */
#ifndef HOLDFAST_BOOKING_RELAY_H
#define HOLDFAST_BOOKING_RELAY_H

#include "engine/base/metric.h"
#include "engine/booking/seat_store.h"
#include "engine/net/loop.h"
#include "engine/store/bus.h"
#include "engine/store/db.h"

#define RELAY_METRICS(X)                                                                           \
    X(GAUGE, relay_shards, "shards whose lock this process holds")                                 \
    X(GAUGE, relay_events, "events whose change log this process pumps")                           \
    X(GAUGE, relay_outbox_oldest_ms, "age of the oldest outbox row at the last fetch")             \
    X(COUNTER, relay_outbox_sent_total, "outbox rows acknowledged by kafka")                       \
    X(COUNTER, relay_outbox_parked_total, "outbox rows set aside as poison")                       \
    X(COUNTER, relay_changes_sent_total, "seat changes acknowledged by kafka")                     \
    X(COUNTER, relay_changes_skipped_total, "seat changes that could not be sent, ever")           \
    X(COUNTER, relay_snapshots_total, "snapshots published")                                       \
    X(COUNTER, relay_failures_total, "steps that failed and are tried again")

METRIC_STRUCT(relay_metrics, RELAY_METRICS);

struct relay;

extern const struct db_statement relay_events_statement;

/* Everything is borrowed until `stopped` of relay_stop. */
struct relay *relay_new(struct loop *l, struct kv *kv, struct db *db, struct bus *bus,
                        struct seat_store *seats);
struct metric_group *relay_metrics(struct relay *r);
/* This process just changed seats of the event: saves its change log the wait for the
 * next poll. */
void relay_wake(struct relay *r, uint64_t event_id);
/* Whether the event is of a shard whose lock this process holds: at most one process says so. */
bool relay_holds(const struct relay *r, uint64_t event_id);
/* Finishes what is on its way, gives the shards back, then `stopped`, never inside. */
void relay_stop(struct relay *r, void (*stopped)(void *ctx), void *ctx);
/* After it stopped, the database is closed and the loop has turned (answers about locks may still
 * be on their way until then). */
void relay_free(struct relay *r);

#endif
