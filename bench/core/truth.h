/* A truth that knows one event, all of whose seats are free: what the mirror is built from when the
 * booking core's path to Redis is measured alone, without PostgreSQL. */
#ifndef HOLDFAST_BENCH_CORE_TRUTH_H
#define HOLDFAST_BENCH_CORE_TRUTH_H

#include "engine/net/loop.h"
#include "engine/store/db.h"

struct truth {
    struct db db;
    /* private */
    size_t seats;
    char *state, *versions; /* owned; as the mirror's statement tells them */
    char count[24];
    struct db_request *asked;
    struct timer answer;
};

/* Answers one statement at a time, in the turn after. */
void truth_init(struct truth *t, struct loop *l, size_t seats);
void truth_close(struct truth *t); /* turn the loop once more before the memory goes */

#endif
