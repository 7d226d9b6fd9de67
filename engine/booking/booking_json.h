/* Bookings on the wire. */
#ifndef HOLDFAST_BOOKING_BOOKING_JSON_H
#define HOLDFAST_BOOKING_BOOKING_JSON_H

#include "engine/base/json.h"
#include "engine/booking/purchase_row.h"
#include "engine/booking/refund.h"
#include "engine/booking/ticket_code.h"

/* The answer to a purchase that is confirmed, or pending: the same whenever it is made from the
 * row. */
void booking_json_answer(struct json_out *w, const struct purchase_row *row,
                         const struct token_keys *keys);
/* GET of a booking: as it stands. */
void booking_json(struct json_out *w, const struct purchase_row *row,
                  const struct token_keys *keys);
void refund_json(struct json_out *w, const struct refund_row *row);

#endif
