/* What a buyer carries away: the access token of a booking and the code of each ticket. Both are
 * sealed with the house's keys and the same whenever they are made, so that a replayed answer is
 * the first one; a ticket's code can be checked at the door without a network, by whoever has the
 * keys. */
#ifndef HOLDFAST_BOOKING_TICKET_CODE_H
#define HOLDFAST_BOOKING_TICKET_CODE_H

#include "engine/base/token.h"
#include "engine/base/uuid.h"

#define TICKET_CODE_SIZE (TOKEN_TEXT_MAX + 1)

struct ticket_code {
    uint64_t event_id;
    struct uuid booking_id;
    uint32_t seat, version; /* version: of the seat as sold; a refunded seat has gone further */
};

void booking_token_seal(const struct token_keys *k, uint64_t event_id,
                        const struct uuid *booking_id, char ret_text[TICKET_CODE_SIZE]);
/* UNAUTHORIZED for anything that is not ours. */
enum status booking_token_open(const struct token_keys *k, struct slice text,
                               uint64_t *ret_event_id, struct uuid *ret_booking_id) MUST_CHECK;

void ticket_code_seal(const struct token_keys *k, const struct ticket_code *code,
                      char ret_text[TICKET_CODE_SIZE]);
enum status ticket_code_open(const struct token_keys *k, struct slice text,
                             struct ticket_code *ret_code) MUST_CHECK;

/* The QR symbol of a code as an SVG document, error correction level M, quiet zone of 4 modules.
 * INVALID when it does not fit into one. */
enum status ticket_code_svg(struct slice code, struct buf *b) MUST_CHECK;

#endif
