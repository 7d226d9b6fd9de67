/* Which shards of events this engine relays: sixteen advisory locks in PostgreSQL, taken by whoever
 * is there, lost with the connection. */
#ifndef HOLDFAST_BOOKING_SHARD_H
#define HOLDFAST_BOOKING_SHARD_H

#include "engine/net/loop.h"
#include "engine/store/db.h"

#define SHARD_COUNT 16

static inline unsigned shard_of(uint64_t event_id)
{
    return (unsigned)(event_id % SHARD_COUNT);
}

struct shards;
typedef void (*shards_changed_cb)(struct shards *s, void *ctx);

/* Embedded by the relay. */
struct shards {
    uint32_t held; /* a bit a shard: read this */
    /* private */
    struct loop *loop;
    struct db *db;
    shards_changed_cb changed;
    void *ctx;
    struct timer timer;
    unsigned asking; /* requests not yet answered */
    bool closing;
    struct shard_ask {
        struct db_request db;
        struct shards *shards;
        unsigned shard;
        bool busy;
    } asks[SHARD_COUNT];
};

/* Tries every second for what it does not hold. `changed` is called whenever `held` changed. Sets
 * db->on_lock_lost. */
void shards_start(struct shards *s, struct loop *l, struct db *db, shards_changed_cb changed,
                  void *ctx);
/* Gives the locks back. The memory must live until db is closed and the loop has turned. */
void shards_stop(struct shards *s);

static inline bool shards_hold(const struct shards *s, uint64_t event_id)
{
    return s->held >> shard_of(event_id) & 1;
}

#endif
