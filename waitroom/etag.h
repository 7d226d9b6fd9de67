/* Entity tags (RFC 9110 section 8.8.3): a hash of the content, and whether the client has it. */
#ifndef HOLDFAST_WAITROOM_ETAG_H
#define HOLDFAST_WAITROOM_ETAG_H

#include "engine/base/slice.h"

#define ETAG_SIZE 19 /* 16 hex digits in quotes, and the NUL */

void etag_of(struct slice content, char ret_etag[ETAG_SIZE]);
/* Whether If-None-Match (section 13.1.2, weak comparison) names it; false for a header that is
 * absent (at == NULL). */
bool etag_matches(struct slice if_none_match, const char *etag);

#endif
