/* One engine process of a world: what engine/main.c makes, without its HTTP server. */
#ifndef HOLDFAST_TESTS_SIM_PROCESS_H
#define HOLDFAST_TESTS_SIM_PROCESS_H

#include "engine/booking/sweeper.h"
#include "engine/booking/till.h"
#include "tests/sim/world.h"

#define PROCESSES_MAX 3

struct process {
    struct host *host;
    struct engine engine;
    struct till till;
    struct sweeper *sweeper;
};

extern struct process *processes[PROCESSES_MAX]; /* NULL: dead */

/* Bugs in an engine. */
struct process_plants {
    bool unswept; /* nobody ends what has expired */
};
extern struct process_plants process_plants;

void process_start(unsigned id);
void process_kill(unsigned id); /* harmless when it is dead */
/* One that lives, by chance; NULL when there is none. */
struct process *process_any(void);
/* The one whose life this is; NULL when that is over. */
struct process *process_of(const struct host *h);
/* A rebuild of the mirror that the box office asked for. */
void process_rebuild(struct process *p, uint64_t event_id);
/* A webhook of the provider came to this engine. */
void process_webhook(struct process *p, struct slice payload);

#endif
