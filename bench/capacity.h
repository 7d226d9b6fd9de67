/* Scenarios that find a capacity: rounds in which every side does the same work in turn, each on an
 * event of its own, in alternating order; then each at half of what it reached, for the latency
 * from the intended instant.
 *
 *   http          our own flood, through an engine
 *   core          --core: the booking core on its store, without HTTP
 *   comparators   --against, --against-batch: what the store's own benchmark tool reaches
 *
 * The report has, for the first two, the ratio to each comparator: taken round by round, the median
 * counts. */
#ifndef HOLDFAST_BENCH_CAPACITY_H
#define HOLDFAST_BENCH_CAPACITY_H

#include "bench/box_office.h"
#include "bench/flood.h"

/* The steps of the meter. */
enum { CAPACITY_PEAK, CAPACITY_HALF };

struct capacity {
    struct run *run;
    struct client *client;    /* made by capacity_run */
    const char *what;         /* "bookings" */
    size_t total;             /* operations a round */
    size_t at_once;           /* requests in flight at most; 0: as many as there are connections */
    struct box_office office; /* the event of each round */
    /* What a flood sends and what came of it. */
    void (*make)(struct flood *f, size_t i, struct client_request *r);
    void (*took)(struct flood *f, size_t i, int status, struct slice body);
    /* Runs unmeasured before each round's clock starts; may be NULL. */
    enum bench_exit (*prepare)(struct capacity *c);
    void *ctx;
    /* of the present round */
    char event[24];
    size_t good; /* operations that did what they should: counted by `took` */
};

enum bench_exit capacity_run(struct capacity *c);

/* A flood that nobody measures, for `prepare`: all `total` must be counted good. */
enum bench_exit capacity_prepare(struct capacity *c,
                                 void (*make)(struct flood *f, size_t i, struct client_request *r),
                                 void (*took)(struct flood *f, size_t i, int status,
                                              struct slice body));
/* A `took` that counts the 201s. */
void capacity_took_201(struct flood *f, size_t i, int status, struct slice body);

#endif
