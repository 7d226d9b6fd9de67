/* What every engine does for all events from time to time: ends holds past their time, tells the
 * waiting room how many seats are left. */
#ifndef HOLDFAST_BOOKING_SWEEPER_H
#define HOLDFAST_BOOKING_SWEEPER_H

#include "engine/booking/engine.h"

extern const struct db_statement sweeper_events_statement;

struct sweeper;
struct sweeper *sweeper_new(struct engine *e);
void sweeper_stop(struct sweeper *s);
void sweeper_free(
    struct sweeper *s); /* after it was stopped, kv and db are closed and the loop has turned */

#endif
