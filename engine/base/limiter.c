#include "engine/base/limiter.h"

#include <assert.h>

#define FALL_LEAST 0.95 /* even when the queue is only a little too long */
#define FALL_MOST  0.5

void limiter_init(struct limiter *l, size_t least, size_t most)
{
    assert(least >= 1 && least <= most);
    *l = (struct limiter){.least = least, .most = most, .limit = most};
}

static void note_peak(struct limiter *l, size_t wanted)
{
    if (wanted > l->peak)
        l->peak = wanted;
}

bool limiter_enter(struct limiter *l)
{
    note_peak(l, l->in_flight + 1);
    if (l->in_flight >= l->limit)
        return false;
    l->in_flight++;
    return true;
}

void limiter_force(struct limiter *l)
{
    l->in_flight++;
    note_peak(l, l->in_flight);
}

void limiter_leave(struct limiter *l)
{
    assert(l->in_flight > 0);
    l->in_flight--;
}

static void fall(struct limiter *l, double load)
{
    size_t base =
        l->peak < l->limit ? l->peak : l->limit; /* a limit that nothing reached is none */
    double share = 1 / load;

    if (share > FALL_LEAST)
        share = FALL_LEAST;
    if (share < FALL_MOST)
        share = FALL_MOST;
    l->limit = (size_t)((double)base * share);
    if (l->limit < l->least)
        l->limit = l->least;
}

static void grow(struct limiter *l)
{
    l->limit += l->limit / 20 + 1;
    if (l->limit > l->most)
        l->limit = l->most;
}

void limiter_adjust(struct limiter *l, double load)
{
    if (load > 1)
        fall(l, load);
    else
        grow(l);
    l->peak = l->in_flight;
}
