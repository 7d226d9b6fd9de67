/* Holds as JSON, and the refusals of hold calls as problems. */
#ifndef HOLDFAST_BOOKING_HOLD_JSON_H
#define HOLDFAST_BOOKING_HOLD_JSON_H

#include "engine/booking/event.h"
#include "engine/booking/seat_store.h"
#include "engine/net/http.h"

/* {"holdId","fence","tickets":[{"id","label","version","price"}],"total","currency","expiresAt","serverNow"}
 */
void hold_write(struct json_out *w, const struct event *event, const struct hold *hold,
                int64_t server_ms);
/* Answers `http_status` with the hold. */
void hold_reply(struct http_request *req, int http_status, const struct event *event,
                const struct hold *hold, int64_t server_ms);
/* Answers what is not a hold: every outcome but GRANTED, REPLAYED and SEATS_TAKEN. */
void hold_reply_refusal(struct http_request *req, const struct hold_call *call);
/* 409 with the seats, why, and a substitute (NULL: none). */
void hold_reply_taken(struct http_request *req, const struct hold_call *call,
                      const uint32_t *alternative, size_t alternative_count);

#endif
