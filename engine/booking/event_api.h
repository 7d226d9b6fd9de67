/* The open reads: GET /v1/events/{eventId}, .../layout, .../availability. */
#ifndef HOLDFAST_BOOKING_EVENT_API_H
#define HOLDFAST_BOOKING_EVENT_API_H

#include "engine/booking/engine.h"
#include "engine/net/router.h"

void event_api_routes(struct router *r, struct engine *e);

#endif
