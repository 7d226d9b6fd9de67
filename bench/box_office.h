/* What a scenario needs of the box office: an event of its own. */
#ifndef HOLDFAST_BENCH_BOX_OFFICE_H
#define HOLDFAST_BENCH_BOX_OFFICE_H

#include "bench/scenario.h"

/* Makes an event without queue and without charge, `seats` seats at 50.00 each, holds that last an
 * hour; its id in ret_event. False with what the engine said in ret_why. */
bool box_office_event(struct run *run, uint32_t seats, char ret_event[24], char *ret_why,
                      size_t why_size);

#endif
