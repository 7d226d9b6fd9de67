/* The calls about bookings: buying, reading, cancelling, giving back, tickets, the providers'
 * webhooks. */
#ifndef HOLDFAST_BOOKING_BOOKING_API_H
#define HOLDFAST_BOOKING_BOOKING_API_H

#include "engine/booking/till.h"

/* booking_exchange.c */
void booking_exchanges_init(struct till *t, size_t requests);
void booking_post(struct http_request *req, void *till);
/* booking_api.c */
void booking_get(struct http_request *req, void *till);
void ticket_get(struct http_request *req, void *till);
/* refund_api.c */
void booking_cancel(struct http_request *req, void *till);
void booking_refund(struct http_request *req, void *till);
void office_refund(struct http_request *req,
                   void *till); /* of the box office, on the ops listener */
/* webhook_api.c */
extern const struct db_statement webhook_receive_statement;
void webhook_post(struct http_request *req, void *till);

/* The booking that path and access token name. Answers 401 without a token that is ours, 404 when
 * it is of another booking, and returns false. */
bool booking_access(struct till *t, struct http_request *req, uint64_t *ret_event_id,
                    struct uuid *ret_booking_id) MUST_CHECK;

#endif
