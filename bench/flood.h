/* A flood: so many requests, each made by the scenario when its turn comes, either with a fixed
 * number in flight (to find the capacity) or at a fixed rate from intended instants (to find the
 * latency under a load). */
#ifndef HOLDFAST_BENCH_FLOOD_H
#define HOLDFAST_BENCH_FLOOD_H

#include "bench/client.h"
#include "bench/pace.h"
#include "bench/scenario.h"

struct flood {
    /* the scenario's */
    struct run *run;
    struct client *client;
    size_t step;      /* of the meter; FLOOD_UNMEASURED: set-up that nobody measures */
    size_t total;     /* requests */
    size_t in_flight; /* at most */
    double rate;      /* requests a second; 0: as many as `in_flight` allows */
    /* Writes request `i` (client_request_begin); what came of it, with the problem's code. */
    void (*make)(struct flood *f, size_t i, struct client_request *r);
    void (*took)(struct flood *f, size_t i, int status, struct slice body);
    void *ctx;
    char refused[200]; /* the first answer that was none or a refusal, for people */
    /* private */
    struct flood_slot *slots;
    struct list idle;
    size_t next, done;
    int64_t begun_ns, woken_ns; /* woken_ns: when `pace` will call */
    struct timer timer;         /* looks whether the run was interrupted */
    struct pace pace;
    bool closed;
};

#define FLOOD_UNMEASURED SIZE_MAX

/* Runs the loop until all are answered or the run is interrupted; the seconds it took. */
double flood_run(struct flood *f);

#endif
