#include "tests/sim/trouble.h"

#include "engine/base/mem.h"
#include "tests/sim/invariants.h"
#include "tests/sim/process.h"
#include "tests/sim/stores.h"
#include "tests/sim/viewers.h"

#include <inttypes.h>
#include <stdio.h>

struct trouble_counts trouble_counts;

static enum trouble_kind kind;
static bool healed;
static struct sim_event next_blow, kafka_back, postgres_back;
static struct sim_event births[PROCESSES_MAX];

/* ---- single blows ---- */

static void born(struct sim_event *e)
{
    unsigned id = (unsigned)(e - births);

    if (!processes[id])
        process_start(id);
}

static void kill_for_a_while(unsigned id)
{
    process_kill(id);
    world_at(&births[id], NULL, (200 + (int64_t)chance(3000)) * MS, born);
}

static void kill_one(void)
{
    unsigned id = chance(PROCESSES_MAX);

    if (!processes[id])
        return;
    trouble_counts.killed++;
    kill_for_a_while(id);
}

void trouble_freeze(struct host *h, int64_t for_ns)
{
    if (!h->alive || h->wakes_ns > world.now_ns)
        return;
    TRACE("engine %u is frozen before it charges", h->id);
    trouble_counts.frozen_paying++;
    host_stop(h, for_ns, chance(2));
}

void trouble_charged(const struct host *h)
{
    if (!h->alive || trouble_is_over() || chance(2))
        return;
    trouble_counts.killed_paying++;
    kill_for_a_while(h->id);
}

/* For longer than a lease, now and then: it wakes believing what is no longer so. */
static void stop_one(void)
{
    struct process *p = process_any();
    int64_t for_ms = 50 + (int64_t)chance(chance(3) ? 1500 : 9000);
    bool frozen = chance(3) == 0;

    if (!p || p->host->wakes_ns > world.now_ns)
        return;
    TRACE("engine %u %s for %" PRId64 " ms", p->host->id, frozen ? "is frozen" : "stops", for_ms);
    *(frozen ? &trouble_counts.suspended : &trouble_counts.stopped) += 1;
    host_stop(p->host, for_ms * MS, frozen);
}

static void postgres_starts(struct sim_event *e)
{
    (void)e;
    TRACE("postgresql is back");
    stores.pg_away = false;
}

static void hurt_postgres(void)
{
    const struct process *p = process_any();

    if (chance(3) && p) {
        trouble_counts.postgres_cuts++;
        pg_cut(p->host);
        return;
    }
    trouble_counts.postgres_restarts++;
    pg_stop();
    world_at(&postgres_back, NULL, (50 + (int64_t)chance(chance(4) ? 800 : 5000)) * MS,
             postgres_starts);
}

static void cut_redis(void)
{
    const struct process *p = process_any();

    if (!p)
        return;
    trouble_counts.redis_cuts++;
    redis_cut(p->host, 50 + (int64_t)chance(6000));
}

static void back(struct sim_event *e)
{
    (void)e;
    TRACE("kafka is back");
    stores.kafka_away = false;
}

static void take_kafka_away(void)
{
    TRACE("kafka is away");
    trouble_counts.kafka_outages++;
    stores.kafka_away = true;
    world_at(&kafka_back, NULL, (100 + (int64_t)chance(chance(4) ? 2000 : 12000)) * MS, back);
}

/* Somebody sets a clock: of Redis, of PostgreSQL, or of an engine. */
static void jump(void)
{
    int64_t by = (int64_t)chance(8000) - 4000;
    struct process *p = process_any();

    trouble_counts.clock_jumps++;
    switch (chance(3)) {
    case 0: stores.redis_offset_ms = by; break;
    case 1: stores.pg_offset_ms = by; break;
    default:
        if (p)
            p->host->wall_offset_ms = by;
        break;
    }
    TRACE("a clock jumps by %" PRId64 " ms", by);
}

static void rebuild(void)
{
    struct process *p = process_any();

    if (!p || p->host->wakes_ns > world.now_ns)
        return;
    trouble_counts.rebuilds++;
    process_rebuild(p, 1 + chance(2));
}

/* ---- lies ---- */

static void command(size_t count, const struct slice *args)
{
    stores.redis.now_ms = world_wall_ms() + stores.redis_offset_ms;
    redis_run(&stores.redis, args, count);
}

/* The revision counter of an event is some steps back, its log is lost. */
static void lose_revs(void)
{
    char key[32], log[32], value[24];
    uint64_t rev, event = 1 + chance(2), back_by = 1 + chance(40);

    snprintf(key, sizeof(key), "{e%" PRIu64 "}:rev", event);
    snprintf(log, sizeof(log), "{e%" PRIu64 "}:log", event);
    if (!slice_to_u64(redis_string(&stores.redis, key), &rev) || (rev & 0xffffffffff) < back_by)
        return;
    snprintf(value, sizeof(value), "%" PRIu64, rev - back_by);
    command(2, (struct slice[]){SLICE_LITERAL("DEL"), slice_str(log)});
    command(3, (struct slice[]){SLICE_LITERAL("SET"), slice_str(key), slice_str(value)});
    TRACE("redis lies: event %" PRIu64 " is %" PRIu64 " revs back", event, back_by);
}

/* A seat that came back on sale has the version of an earlier time. */
static void lose_version(void)
{
    uint64_t event = 1 + chance(2);
    const struct pg_event *e = pg_event_find(&stores.pg, event);
    uint32_t seat = 0;
    char key[32], at[16], value[16];

    while (seat < e->seat_count &&
           (e->seats[seat].status != 0 || e->seats[seat].version == 0 || chance(2)))
        seat++;
    if (seat == e->seat_count)
        return;
    snprintf(key, sizeof(key), "{e%" PRIu64 "}:ver", event);
    snprintf(at, sizeof(at), "#%u", seat);
    snprintf(value, sizeof(value), "%u",
             e->seats[seat].version - 1 - chance(e->seats[seat].version));
    command(6, (struct slice[]){SLICE_LITERAL("BITFIELD"), slice_str(key), SLICE_LITERAL("SET"),
                                SLICE_LITERAL("u32"), slice_str(at), slice_str(value)});
    TRACE("redis lies: seat %u of event %" PRIu64 " has version %s", seat, event, value);
}

static void lie(void)
{
    invariants_redis_lied();
    trouble_counts.redis_lies++;
    switch (chance(5)) {
    case 0: redis_go_back(); return;
    case 1:
    case 2: lose_revs(); return;
    default: lose_version(); return;
    }
}

/* ---- one after another ---- */

static void blow(struct sim_event *e)
{
    world_at(e, NULL, (100 + (int64_t)chance(1500)) * MS, blow);
    if (kind == TROUBLE_LIES && chance(2)) {
        lie();
        return;
    }
    switch (chance(24)) {
    case 0:
    case 1:
    case 2:
    case 3: kill_one(); return;
    case 4:
        trouble_counts.redis_restarts++;
        redis_restart();
        return;
    case 5:
        trouble_counts.redis_flushes++;
        redis_forget();
        return;
    case 6:
    case 7:
    case 8: redis_snapshot(); return;
    case 9:
        trouble_counts.redis_fail_overs += stores.has_stale;
        redis_fail_over();
        return;
    case 10: take_kafka_away(); return;
    case 11: rebuild(); return;
    case 12:
    case 13:
    case 14: stop_one(); return;
    case 15:
    case 16: hurt_postgres(); return;
    case 17: cut_redis(); return;
    case 18:
        trouble_counts.map_restarts++;
        viewers_restart_map();
        return;
    default: jump(); return;
    }
}

static unsigned rate(unsigned most)
{
    return chance(2) ? 0 : chance(most + 1);
}

enum trouble_kind trouble_begin(enum trouble_kind asked)
{
    kind = asked;
    healed = false;
    memset(births, 0, sizeof(births));
    memset(&next_blow, 0, sizeof(next_blow));
    memset(&kafka_back, 0, sizeof(kafka_back));
    memset(&postgres_back, 0, sizeof(postgres_back));
    if (kind == TROUBLE_NONE)
        return kind;
    stores.faults = (struct faults){.slow = rate(30),
                                    .kv_cut = rate(8),
                                    .db_not_run = rate(30),
                                    .db_lost = rate(30),
                                    .db_lock_cut = rate(5),
                                    .bus_lost = rate(100),
                                    .bus_twice = rate(100),
                                    .pay_not_run = rate(100),
                                    .pay_lost = rate(100),
                                    .pay_twice = rate(100),
                                    .pay_frozen = rate(200),
                                    .ask_lost = rate(60),
                                    .ask_twice = rate(100)};
    world_at(&next_blow, NULL, (int64_t)chance(2000) * MS, blow);
    return kind;
}

void trouble_heal(void)
{
    TRACE("everything is well from now on");
    healed = true;
    world_cancel(&next_blow);
    world_cancel(&kafka_back);
    world_cancel(&postgres_back);
    stores.faults = (struct faults){0};
    stores.kafka_away = stores.pg_away = false;
    stores.redis_offset_ms = stores.pg_offset_ms = 0;
    for (unsigned id = 0; id < PROCESSES_MAX; id++) {
        world_cancel(&births[id]);
        if (!processes[id])
            process_start(id);
        processes[id]->host->wall_offset_ms = 0;
    }
}

bool trouble_is_over(void)
{
    return healed || kind == TROUBLE_NONE;
}
