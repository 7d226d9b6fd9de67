/* What a ticket buys: how its number stands, and the pass once it is called. */
#ifndef HOLDFAST_WAITROOM_PASS_H
#define HOLDFAST_WAITROOM_PASS_H

#include "engine/net/http.h"

#include <stddef.h>
#include <stdint.h>

/* GET /v1/queues/{eventId}/tickets/me */
void pass_get_me(struct http_request *req, void *ctx);
/* POST /v1/queues/{eventId}/passes */
void pass_post(struct http_request *req, void *ctx);

/* The id of the one pass a number can have: a UUID (version 8) from the line's salt, the same
 * whenever it is computed. Text with NUL, 37 bytes. */
void pass_id(const uint8_t salt[16], uint64_t number, char *ret_jti);

size_t pass_claim_size(void); /* for the pool */

#endif
