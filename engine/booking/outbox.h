/* The outbox: rows written in the sale's transaction go to Kafka, and into Redis where the engine
 * that sold died before it could mark the seats.
 *
 *   FETCHING -> MARKING (seats in Redis, harmless when done already) -> SENDING -> DELETING ->
 * FETCHING
 *
 * Only the holder of a shard's lock works on its rows, oldest first. A row leaves when it is marked
 * and acknowledged, so at least once; of one key a later row never overtakes an earlier one. A row
 * that Kafka or Redis will never take is parked, with the reason, and the rest goes on: one that is
 * refused for its size once it was refused alone, one whose topic is not there after half a minute.
 */
#ifndef HOLDFAST_BOOKING_OUTBOX_H
#define HOLDFAST_BOOKING_OUTBOX_H

#include "engine/booking/seat_store.h"
#include "engine/booking/shard.h"
#include "engine/store/bus.h"

/* Rows in memory at once, of all shards and of one: the bound of this relay's memory, however long
 * Kafka was away. sql/0007_relay.sql has the same numbers. */
#define OUTBOX_BATCH       512
#define OUTBOX_SHARD_BATCH 256

enum outbox_state {
    OUTBOX_RESTING,
    OUTBOX_FETCHING,
    OUTBOX_MARKING,
    OUTBOX_SENDING,
    OUTBOX_DELETING
};

struct outbox_row;

#define OUTBOX_MISSING_MAX 4

/* A topic that is not there, since when. */
struct outbox_missing {
    char topic[64]; /* "": none */
    int64_t since_ns;
    bool wanted; /* by a row of the last batch */
};

/* Embedded by the relay. */
struct outbox {
    uint64_t sent, parked, failures; /* counters: read these */
    int64_t oldest_ms;               /* age of the oldest row of the last fetch, 0: none */
    /* private */
    struct loop *loop;
    struct db *db;
    struct bus *bus;
    struct seat_store *seats;
    struct shards *shards;
    enum outbox_state state;
    bool stopping;
    struct timer timer;
    struct db_request request;
    struct outbox_row *rows; /* owned, only while a batch is under way */
    size_t batch, row_count, waiting;
    struct outbox_missing missing[OUTBOX_MISSING_MAX];
    void (*stopped)(struct outbox *o, void *ctx);
    void *ctx;
};

extern const struct db_statement outbox_fetch_statement, outbox_settle_statement;

void outbox_start(struct outbox *o, struct loop *l, struct db *db, struct bus *bus,
                  struct seat_store *seats, struct shards *shards);
/* Finishes the batch under way, then `stopped`, never inside. */
void outbox_stop(struct outbox *o, void (*stopped)(struct outbox *o, void *ctx), void *ctx);

#endif
