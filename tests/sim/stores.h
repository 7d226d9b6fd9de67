/* The three stores of a world, with a network between them and the engines that loses, delays and
 * cuts. Each engine has its own connections (kv_connect, ...); what the stores hold is one for all.
 */
#ifndef HOLDFAST_TESTS_SIM_STORES_H
#define HOLDFAST_TESTS_SIM_STORES_H

#include "engine/store/bus.h"
#include "tests/sim/pg_model.h"
#include "tests/sim/redis_model.h"
#include "tests/sim/world.h"

/* Chances of a thousand, for each message or statement. All zero: a perfect world. */
struct faults {
    unsigned slow;        /* takes up to 3 s */
    unsigned kv_cut;      /* the connection breaks with what is in flight */
    unsigned db_not_run;  /* fails, and did not run */
    unsigned db_lost;     /* ran, the answer is lost */
    unsigned db_lock_cut; /* the connection of the locks breaks */
    unsigned bus_lost;    /* on the topic, the acknowledgement is lost */
    unsigned bus_twice;
    unsigned pay_not_run, pay_lost, pay_twice;
    unsigned pay_frozen; /* the engine is stopped when it has decided to charge, before it does */
    unsigned ask_lost, ask_twice; /* a buyer's request; late ones: slow */
};

struct news {
    char *topic, *key, *payload, *type; /* owned */
    size_t payload_len;
};

struct stores {
    struct faults faults;
    struct redis_model redis, stale; /* stale: a replica of some moments ago */
    bool has_stale;
    char run_id[41];
    unsigned runs;
    int64_t redis_offset_ms, pg_offset_ms; /* of their wall clocks */
    struct pg_model pg;
    struct news *news; /* what Kafka has, oldest first */
    size_t news_count, news_cap;
    bool kafka_away, pg_away;
    unsigned bus_forgets; /* plant: every so many messages are acknowledged and not kept; 0: none */
    unsigned bus_count;
    struct list kvs, dbs, buses; /* connections */
};

extern struct stores stores;

void stores_begin(void);
void stores_end(void);

/* For the engine whose code runs now. They die with it (stores_forget). */
struct kv *kv_connect(void);
struct db *db_connect(void);
struct bus *bus_connect(void);
/* The host is about to be killed: what it has sent may still happen, nobody waits for it. */
void stores_forget(struct host *h);

void redis_snapshot(void);  /* the replica catches up, then falls behind */
void redis_fail_over(void); /* to the replica; another run_id */
void redis_restart(void);   /* empty; another run_id */
void redis_forget(void);    /* FLUSHALL; the same run_id */
void redis_cut(const struct host *h, int64_t away_ms); /* one engine cannot reach it */
void redis_go_back(void); /* a lie: the replica's data under the same run_id */

void pg_cut(const struct host *h); /* an engine's connections, with what is in flight */
void pg_stop(void);                /* all of them; pg_away until somebody takes it back */

/* Parts of stores_begin, _end and _forget. */
void fake_kv_forget(struct host *h);
void fake_db_forget(struct host *h);
void fake_bus_end(void);

static inline int64_t pg_wall_ms(void)
{
    return world_wall_ms() + stores.pg_offset_ms;
}

#endif
