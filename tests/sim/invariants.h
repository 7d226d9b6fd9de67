/* The promises of DESIGN I1 to I8, as far as the booking core keeps them, looked at in the stores
 * themselves. A broken one ends the seed (broken). */
#ifndef HOLDFAST_TESTS_SIM_INVARIANTS_H
#define HOLDFAST_TESTS_SIM_INVARIANTS_H

#include "engine/booking/purchase_row.h"

void invariants_begin(void);
void invariants_end(void);
/* After every step; looks only at what has changed since. */
void check_step(void);
/* Redis has lied: from now on only the truth is held to the promises. */
void invariants_redis_lied(void);
bool invariants_have_lied(void);
/* I6, of worlds in which nothing goes wrong any more: what expired 5 s ago is not held. */
void check_expired(void);
/* Nobody works on anything any more: there is nothing to wait for. */
bool everything_ended(void);
/* Everything has healed and had its time. */
void check_settled(void);
/* An engine is about to tell a buyer that it is sold (I2). */
void check_confirmed(const struct purchase_row *row);

#endif
