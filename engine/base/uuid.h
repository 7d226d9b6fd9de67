/* UUIDs as 16 bytes and as text (RFC 9562). */
#ifndef HOLDFAST_BASE_UUID_H
#define HOLDFAST_BASE_UUID_H

#include "engine/base/clock.h"
#include "engine/base/rng.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37 /* with the NUL */

/* Version 7: milliseconds of `wall_ms`, then 74 random bits from `rng`. For database keys, never
 * for secrets. */
struct uuid uuid_v7(int64_t wall_ms, struct rng *rng);
/* Version 4: 122 bits from the kernel. May be a credential. */
struct uuid uuid_v4_secret(void);

void uuid_format(const struct uuid *u, char ret_text[UUID_TEXT_SIZE]); /* lower case */
bool uuid_parse(struct slice text,
                struct uuid *ret_uuid); /* 8-4-4-4-12, either case, any version */

#endif
