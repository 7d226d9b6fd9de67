/* The world of a simulation: one thread, one seed, a clock that jumps from event to event.
 * Everything that happens is an event in one queue; the production code of engine/booking runs on
 * it unchanged, its loop and timers are loop_virtual.c, its memory is mem_virtual.c, its secrets
 * come from the seed. */
#ifndef HOLDFAST_TESTS_SIM_WORLD_H
#define HOLDFAST_TESTS_SIM_WORLD_H

#include "engine/base/clock.h"
#include "engine/base/list.h"
#include "engine/base/rng.h"
#include "engine/net/loop.h"

#include <stdio.h>

#define MS INT64_C(1000000) /* in ns */

struct host;
struct sim_event;
typedef void (*sim_event_fn)(struct sim_event *e);

/* Embedded by its owner; zeroed before its first use. */
struct sim_event {
    int64_t due_ns;
    uint64_t seq;
    sim_event_fn fn;
    struct host *host; /* it happens in: NULL for the stores and the buyers */
    size_t at;         /* place in the queue, from 1; 0: not in it */
};

/* One life of an engine process. Dies without a word: its events never happen, its memory is gone.
 */
struct host {
    unsigned id;
    bool alive;
    int64_t wall_offset_ms; /* of its clock */
    int64_t mono_behind_ns; /* its monotonic clock stood still for so long */
    int64_t wakes_ns;       /* it is stopped until then: what is due for it waits */
    struct clock clock;
    struct loop loop;
    struct sim_event turn; /* the end of a turn */
    struct list blocks;    /* its memory */
    struct list link;
};

struct world {
    uint64_t seed;
    struct rng rng;
    int64_t now_ns;
    uint64_t steps, hash; /* the hash is over everything that was traced: equal for equal runs */
    struct host *current; /* whose code runs now */
    bool trace;
    /* private */
    struct sim_event **queue;
    size_t count, cap;
    uint64_t seq;
    struct list hosts;
};

extern struct world world;

void world_begin(uint64_t seed, bool trace);
void world_end(void); /* every host is dead by then */
/* The next event; false when there is none. */
bool world_step(void);

void world_at(struct sim_event *e, struct host *host, int64_t after_ns,
              sim_event_fn fn); /* again: moves it */
void world_cancel(struct sim_event *e);

struct host *host_new(unsigned id);
void host_kill(struct host *h);
/* Stops it, as SIGSTOP does: both clocks go on, its timers are overdue when it wakes. Frozen, as a
 * machine is that is suspended: the monotonic clock stands still and every timer is that much
 * later.
 */
void host_stop(struct host *h, int64_t for_ns, bool frozen);
/* For events of the stores that end in an engine's callback: true when it is stopped, then the
 * event comes again when it wakes, in the same order. */
bool world_put_off(struct sim_event *e, const struct host *h);
/* Runs code as this host (NULL: nobody's); returns who ran before. */
static inline struct host *world_enter(struct host *h)
{
    struct host *was = world.current;

    world.current = h;
    return was;
}

static inline int64_t world_wall_ms(void)
{
    return INT64_C(1800000000000) + world.now_ns / MS;
}

/* 0 .. bound-1 */
static inline uint32_t chance(uint32_t bound)
{
    return (uint32_t)rng_below(&world.rng, bound);
}

/* True `per_mille` times of a thousand. */
static inline bool happens(unsigned per_mille)
{
    return per_mille && chance(1000) < per_mille;
}

/* How long a message is on its way: 0.1 to 1.1 ms, now and then much longer. */
int64_t latency_ns(unsigned slow_per_mille);

/* One line of the trace. The arguments are always evaluated; the text is only made when somebody
 * reads it. */
#define TRACE(...)                                                                                 \
    do {                                                                                           \
        if (world.trace) {                                                                         \
            world_trace_head();                                                                    \
            printf(__VA_ARGS__);                                                                   \
            putchar('\n');                                                                         \
        }                                                                                          \
    } while (0)
void world_trace_head(void);
/* Goes into the hash: what happened, in numbers or bytes. */
void world_mark(uint64_t value);
void world_mark_bytes(const void *at, size_t len);

/* A promise is broken: says so, with the seed, and ends the seed (sim.c). */
_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
