/* The calls about holds and sessions: POST /v1/events/{eventId}/holds, GET and DELETE .../session,
 * GET, PATCH and DELETE /v1/holds/{holdId}. */
#ifndef HOLDFAST_BOOKING_HOLD_API_H
#define HOLDFAST_BOOKING_HOLD_API_H

#include "engine/booking/engine.h"
#include "engine/net/router.h"

/* Takes memory for `requests` holds calls at once; above it 503. */
void hold_api_init(struct engine *e, size_t requests);
void hold_api_free(struct engine *e);                     /* nothing may be in flight */
void hold_api_routes(struct router *r, struct engine *e); /* all of them */

/* Its parts: hold_change_api.c, session_api.c. */
void hold_change_api_routes(struct router *r, struct engine *e);
void session_api_routes(struct router *r, struct engine *e);

#endif
