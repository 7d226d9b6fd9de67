/* The meter: every 100 ms one Lua pass a queue that is in use, and what such a pass asks for
 * (watermark, reserved numbers). Any worker may do it. */
#ifndef HOLDFAST_WAITROOM_METER_H
#define HOLDFAST_WAITROOM_METER_H

#include "waitroom/queue.h"

struct meter {
    struct timer timer;
    struct waitroom *room;
};

void meter_start(struct meter *m, struct waitroom *w);
void meter_stop(struct meter *m); /* the memory must live one more loop turn */

/* The first pass of a queue that is LOADING; ends in queue_settle. */
void meter_load(struct queue *q);
/* One pass now, unless one is under way. */
void meter_pass(struct queue *q);
/* Something has happened to a calm line: passes come at every tick for a while. */
void meter_wake(struct queue *q);
/* Reserves numbers up to `high`; join_reserved is told how it ended. Does nothing while another
 * reservation is under way. */
void meter_reserve(struct queue *q, uint64_t high);
/* Puts settings that PostgreSQL has into the line, if they are newer. */
void meter_push_settings(struct queue *q, const struct line_settings *settings);

#endif
