#include "engine/base/uuid.h"

#include "engine/base/encode.h"

static void mark(struct uuid *u, unsigned version)
{
    u->bytes[6] = (uint8_t)((u->bytes[6] & 0x0F) | version << 4);
    u->bytes[8] = (uint8_t)((u->bytes[8] & 0x3F) | 0x80);
}

struct uuid uuid_v7(int64_t wall_ms, struct rng *rng)
{
    struct uuid u;

    for (int i = 0; i < 6; i++)
        u.bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    put_le16(u.bytes + 6, (uint16_t)(rng_next(rng) >> 48));
    put_le64(u.bytes + 8, rng_next(rng));
    mark(&u, 7);
    return u;
}

struct uuid uuid_v4_secret(void)
{
    struct uuid u;

    rng_secret(u.bytes, sizeof(u.bytes));
    mark(&u, 4);
    return u;
}

/* The groups of 8-4-4-4-12 in bytes. */
static const uint8_t groups[] = {4, 2, 2, 2, 6};

void uuid_format(const struct uuid *u, char ret_text[UUID_TEXT_SIZE])
{
    const uint8_t *from = u->bytes;
    char *to = ret_text;

    for (size_t i = 0; i < sizeof(groups); i++) {
        if (i > 0)
            *to++ = '-';
        hex_encode(from, groups[i], to);
        from += groups[i];
        to += 2 * groups[i];
    }
    *to = '\0';
}

bool uuid_parse(struct slice text, struct uuid *ret_uuid)
{
    struct uuid u;
    uint8_t *to = u.bytes;
    const char *from = text.at;

    if (text.len != UUID_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < sizeof(groups); i++) {
        if (i > 0 && *from++ != '-')
            return false;
        if (hex_decode(slice_of(from, 2u * groups[i]), to, groups[i]) < 0)
            return false;
        from += 2 * groups[i];
        to += groups[i];
    }
    *ret_uuid = u;
    return true;
}
