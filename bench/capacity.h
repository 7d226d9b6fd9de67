/* Scenarios that find a capacity: rounds of our own flood and of the comparator, alternating, each
 * on an event of its own; then one flood at half of what was found, for the latency from the
 * intended instant. */
#ifndef HOLDFAST_BENCH_CAPACITY_H
#define HOLDFAST_BENCH_CAPACITY_H

#include "bench/flood.h"

#define CAPACITY_ROUNDS_MAX 100

/* Which flood: `prepare` (may be NULL) runs unmeasured before each round's clock starts. */
struct capacity {
    struct run *run;
    struct client *client;
    const char *what;    /* "bookings" */
    size_t total;        /* operations a round */
    uint32_t seats_each; /* seats of one operation */
    size_t step_peak, step_half;
    void (*make)(struct flood *f, size_t i, struct client_request *r);
    void (*took)(struct flood *f, size_t i, int status, struct slice body);
    enum bench_exit (*prepare)(struct capacity *c);
    void *ctx;
    /* of the present round */
    char event[24];
    size_t good; /* operations that did what they should: counted by `took` */
};

enum bench_exit capacity_run(struct capacity *c);

#endif
