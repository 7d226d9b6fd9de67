/* Rebuilding a line that Redis does not know (first use, restart, fail-over, loss, reset) from what
 * PostgreSQL remembers. */
#ifndef HOLDFAST_WAITROOM_RECOVER_H
#define HOLDFAST_WAITROOM_RECOVER_H

#include "waitroom/queue.h"

/* Starts it, unless it is under way. A LOADING queue is settled when there is no such queue or a
 * store failed. Meanwhile nobody is admitted. */
void recover_start(struct queue *q);

#endif
