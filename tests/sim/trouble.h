/* What goes wrong in a world, and when: by the seed. */
#ifndef HOLDFAST_TESTS_SIM_TROUBLE_H
#define HOLDFAST_TESTS_SIM_TROUBLE_H

#include "tests/sim/world.h"

/* Kinds of worlds. In one that lies, Redis gives wrong data under its own name; then only the truth
 * is held to the promises. */
enum trouble_kind { TROUBLE_NONE, TROUBLE_FAULTS, TROUBLE_LIES };

/* What befell the worlds so far, by name: a fault that never comes is not simulated. */
#define TROUBLE_MAP(X)                                                                             \
    X(killed)                                                                                      \
    X(stopped)                                                                                     \
    X(suspended)                                                                                   \
    X(frozen_paying)                                                                               \
    X(killed_paying)                                                                               \
    X(clock_jumps)                                                                                 \
    X(redis_restarts)                                                                              \
    X(redis_flushes)                                                                               \
    X(redis_fail_overs)                                                                            \
    X(redis_cuts)                                                                                  \
    X(redis_lies)                                                                                  \
    X(postgres_restarts)                                                                           \
    X(postgres_cuts)                                                                               \
    X(kafka_outages)                                                                               \
    X(rebuilds)                                                                                    \
    X(map_restarts)

struct trouble_counts {
#define X(name) uint64_t name;
    TROUBLE_MAP(X)
#undef X
};
extern struct trouble_counts trouble_counts;

enum trouble_kind trouble_begin(enum trouble_kind kind);
/* An engine is stopped with a charge on its lips, which reaches the provider at the end of that. */
void trouble_freeze(struct host *h, int64_t for_ns);
/* It has: the engine dies of it, or wakes. */
void trouble_charged(const struct host *h);
bool trouble_is_over(void); /* healed, or there was none */
void trouble_heal(void);    /* everything is well from now on, and every engine lives */

#endif
