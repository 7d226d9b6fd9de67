/* A place in the line as the client holds it: the ticket, sealed by token.h under the label
 * "place". */
#ifndef HOLDFAST_WAITROOM_PLACE_H
#define HOLDFAST_WAITROOM_PLACE_H

#include "engine/base/token.h"

#define PLACE_SESSION_SIZE 8
/* A ticket is good for a week: longer than any line. */
#define PLACE_LIFE_S (7 * 86400)

struct place {
    uint64_t event_id, number;
    uint32_t epoch;                      /* of the line when the ticket was given */
    uint32_t issued_s, expires_s;        /* seconds since 1970 */
    uint8_t session[PLACE_SESSION_SIZE]; /* of the join id's keyed hash */
};

/* `ret_text` takes TOKEN_TEXT_MAX + 1 bytes; returns the length. */
size_t place_seal(const struct token_keys *keys, const struct place *place, char *ret_text);
/* UNAUTHORIZED: not ours, or another event's. EXPIRED at now_s. */
enum status place_open(const struct token_keys *keys, struct slice text, uint64_t event_id,
                       int64_t now_s, struct place *ret_place) MUST_CHECK;

#endif
