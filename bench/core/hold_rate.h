/* The two senders of hold_rate: each places all holds of the stage and says what it reached. */
#ifndef HOLDFAST_BENCH_CORE_HOLD_RATE_H
#define HOLDFAST_BENCH_CORE_HOLD_RATE_H

#include "bench/core/hold_stage.h"
#include "engine/base/hist.h"

struct holding {
    size_t in_flight; /* at most */
    double rate;      /* holds a second; 0: as many as in_flight allows */
    /* what came of it */
    size_t granted;
    double seconds, cpu_us; /* cpu_us: of this process, while the clock ran */
    struct hist times;      /* from the intended instant */
};

/* Through the seat store, as the API does it. */
void hold_core(struct stage *s, struct holding *h);
/* The commands encoded beforehand, written to the socket, the answers counted: what a generator can
 * reach that has nothing else to do. */
void hold_raw(struct stage *s, const char *redis, struct holding *h);

/* Processor time of this process until now. */
double hold_cpu_us(void);

/* When the i-th hold should be sent, if the first was due at begun_ns. */
static inline int64_t hold_intended_ns(const struct holding *h, int64_t begun_ns, size_t i)
{
    return begun_ns + (int64_t)((double)i / h->rate * 1e9);
}

#endif
