/* A rush: people who each want one seat, hold it and buy it, over keep-alive connections; either as
 * many at once as there are connections, or arriving at a rate, whatever becomes of them. Who is
 * refused with 503 goes away. Plain epoll, one send and one receive a request, no parser: refusals
 * are the mass of an overload, and the generator must cost less than the server that refuses. */
#ifndef HOLDFAST_BENCH_RUSH_H
#define HOLDFAST_BENCH_RUSH_H

#include "bench/scenario.h"

#include <netinet/in.h>

/* Seats to buy: those of several events, each used once. What is refused comes back. */
struct rush_seats {
    const char (*events)[24]; /* ids */
    size_t event_count;
    uint32_t each; /* seats of an event */
    /* private, kept from rush to rush */
    uint64_t next;
    uint64_t *back; /* owned */
    size_t back_count, back_cap;
};

struct rush {
    /* the scenario's */
    struct run *run;
    struct rush_seats *seats;
    struct sockaddr_in address;
    size_t connections; /* at most */
    double rate; /* arrivals a second; 0: the next as soon as one is over, on each connection */
    double seconds, warm_seconds; /* of arrivals; of them not counted in `goodput` */
    bool measured;                /* tell the meter: steps `step_bought` and `step_refused` */
    size_t step_bought, step_refused;
    void (*tell)(struct rush *r, double second); /* each second, may be NULL */
    /* what came of it */
    uint64_t arrived; /* whose instant came */
    uint64_t unsent;  /* of them: found no connection for a second, or until the end */
    uint64_t bought, refused, bare_refusals, other; /* bare: 503 without Retry-After */
    uint64_t broken;                                /* connections */
    double goodput;                                 /* bought a second */
    double worst_lag_ms;                            /* from an instant to its sending */
    /* private */
    struct rusher *rushers;
    struct rusher *idle;
    int epoll;
    int64_t begun_ns;
    uint64_t counted;
    uint64_t open; /* rushers under way */
    uint64_t key;
};

/* False when no connection could be made or the seats ran out: `ret_why`. */
bool rush_run(struct rush *r, char *ret_why, size_t why_size);

#endif
