/* One engine on the money rig (tests/lib/rig.h), and engines that are killed beside it: what the
 * tests of purchases share. */
#ifndef HOLDFAST_TESTS_PURCHASE_RIG_H
#define HOLDFAST_TESTS_PURCHASE_RIG_H

#include "tests/lib/rig.h"

extern struct rig_servers servers;
extern struct rig rig;

/* 100 free seats. */
void setup(void);
/* Settles and audits first. */
void teardown(void);

/* The one value of a query. */
long rows(const char *sql);
/* Waits, without a loop, until a query counts so many. */
void until_count(const char *sql, long count, int ms);
void until_one(const char *sql);

/* Buys two seats with this card and waits for the answer. */
void one(uint32_t seat, const char *token, struct rig_answer *a);
/* A point of purchases: what the completer of another engine does while this one is stopped. */
void end_at(void *ctx, const char *step);
/* An engine that is killed at a step of a purchase. Returns whether it was. idem NULL: a key of its
 * own; hold_ms 0: long enough. */
bool killed_engine(const char *step, uint32_t seat, const char *token, const struct uuid *idem,
                   int64_t hold_ms);

#endif
