/* How much work may be in flight at once: a limit that finds itself, so that what is let in is done
 * in time and what is not is known at once.
 *
 * Whoever uses it tells, at the end of each interval, how long the standing queue is against how
 * long it may be. What stands is the smallest delay of the interval, as in CoDel (Nichols and
 * Jacobson 2012, RFC 8289): a burst drains within an interval, a queue that is too long does not.
 * Too long: the limit falls by that much, at most by half (of what was in flight, when that was
 * less). Short: it grows by a twentieth, so that after a quiet time a burst is let in
 * (multiplicative decrease and slow increase: Chiu and Jain 1989). */
#ifndef HOLDFAST_BASE_LIMITER_H
#define HOLDFAST_BASE_LIMITER_H

#include "engine/base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct limiter {
    size_t least, most; /* the limit stays between them */
    /* to read */
    size_t limit, in_flight;
    /* private */
    size_t peak; /* most in flight, or asked for, in this interval */
};

/* Starts at `most`. 1 <= least <= most. */
void limiter_init(struct limiter *l, size_t least, size_t most);
/* False: the limit is reached, nothing was taken. */
bool limiter_enter(struct limiter *l) MUST_CHECK;
/* Work that may not be refused: it counts, whatever the limit. */
void limiter_force(struct limiter *l);
void limiter_leave(struct limiter *l);
/* The interval is over. `load`: the standing delay over the longest that is wanted; above 1 is too
 * much. */
void limiter_adjust(struct limiter *l, double load);

#endif
