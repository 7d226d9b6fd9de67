/* What a scenario needs of the box office: an event of its own. */
#ifndef HOLDFAST_BENCH_BOX_OFFICE_H
#define HOLDFAST_BENCH_BOX_OFFICE_H

#include "bench/scenario.h"

/* How the event is: without queue, seats at 50.00 each, holds that last an hour. */
struct box_office {
    size_t seats;
    bool area;   /* one general-admission area "floor" instead of named seats */
    bool charge; /* bookings are paid for */
};

/* Makes the event; its id in ret_event. False with what the engine said in ret_why. */
bool box_office_event(struct run *run, const struct box_office *office, char ret_event[24],
                      char *ret_why, size_t why_size);

#endif
