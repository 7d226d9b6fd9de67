/* The box office's calls on the ops listener: POST /admin/v1/events, PUT .../layout, POST
 * .../seats/block and /unblock, GET .../report, POST .../rebuild. */
#ifndef HOLDFAST_BOOKING_EVENT_ADMIN_API_H
#define HOLDFAST_BOOKING_EVENT_ADMIN_API_H

#include "engine/booking/engine.h"
#include "engine/net/router.h"

void event_admin_api_routes(struct router *ops, struct engine *e);

#endif
