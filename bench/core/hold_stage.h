/* The stage of the measurements of holds: one event in Redis that no engine knows, and the holds
 * that are asked of it, the same for whoever asks: key, fingerprint and terms as the API sends them
 * for an event without a queue. */
#ifndef HOLDFAST_BENCH_CORE_HOLD_STAGE_H
#define HOLDFAST_BENCH_CORE_HOLD_STAGE_H

#include "bench/core/truth.h"
#include "engine/booking/seat_store.h"

#define HOLD_SEATS 4

struct stage {
    /* the caller's, ready before stage_open */
    struct loop loop;
    struct kv *kv;
    /* set by stage_open */
    bool area; /* places of one area, twice as many as are asked for; else seats by name */
    size_t holds, seats;
    struct truth truth;
    struct seat_store *store;
};

/* Waits for the connection; exits with what is wrong when Redis does not answer within 5 s. */
void stage_open(struct stage *s, bool area, size_t holds);
void stage_close(struct stage *s);
/* Turns the loop until *done. */
void stage_wait(struct stage *s, const bool *done);

void stage_clean(struct stage *s);  /* takes everything of the event out of Redis */
void stage_build(struct stage *s);  /* all seats free */
size_t stage_held(struct stage *s); /* seats that are held, as Redis has it */

/* ---- one of the holds ---- */

struct ask {
    struct hold_call call;
    struct hold_terms terms;
};

/* The i-th hold; `hint` (of an area) is where a place is looked for. */
void stage_ask(const struct stage *s, size_t i, uint32_t hint, struct ask *ret_ask);
/* The very command that the seat store would send. */
struct buf;
void stage_encode(struct stage *s, struct ask *a, struct buf *ret_command);
/* Prints it, a word a line, for redis-benchmark: what differs from hold to hold is __rand_int__. */
void stage_print(struct stage *s);

#endif
