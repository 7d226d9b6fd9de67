/* The payload, little-endian, 38 bytes:
 *
 *   0  u8   type, 'Q'
 *   1  u8   layout, 1
 *   2  u64  event id
 *  10  u32  epoch
 *  14  u64  number
 *  22  u32  issued, seconds since 1970
 *  26  u32  expires
 *  30  8    session
 *
 * token.h puts version and key id before it and the MAC after it. */
#include "waitroom/place.h"

#define PLACE_TYPE   'Q'
#define PLACE_LAYOUT 1
#define PLACE_SIZE   38
#define PLACE_LABEL  "place"

size_t place_seal(const struct token_keys *keys, const struct place *place, char *ret_text)
{
    uint8_t bytes[PLACE_SIZE] = {PLACE_TYPE, PLACE_LAYOUT};

    put_le64(bytes + 2, place->event_id);
    put_le32(bytes + 10, place->epoch);
    put_le64(bytes + 14, place->number);
    put_le32(bytes + 22, place->issued_s);
    put_le32(bytes + 26, place->expires_s);
    memcpy(bytes + 30, place->session, PLACE_SESSION_SIZE);
    return token_seal(keys, PLACE_LABEL, bytes, sizeof(bytes), ret_text);
}

enum status place_open(const struct token_keys *keys, struct slice text, uint64_t event_id,
                       int64_t now_s, struct place *ret_place)
{
    uint8_t bytes[PLACE_SIZE];
    enum status status = token_open(keys, PLACE_LABEL, text, bytes, sizeof(bytes));

    if (status != STATUS_OK)
        return status;
    if (bytes[0] != PLACE_TYPE || bytes[1] != PLACE_LAYOUT || get_le64(bytes + 2) != event_id)
        return STATUS_UNAUTHORIZED;
    ret_place->event_id = event_id;
    ret_place->epoch = get_le32(bytes + 10);
    ret_place->number = get_le64(bytes + 14);
    ret_place->issued_s = get_le32(bytes + 22);
    ret_place->expires_s = get_le32(bytes + 26);
    memcpy(ret_place->session, bytes + 30, PLACE_SESSION_SIZE);
    return now_s >= ret_place->expires_s ? STATUS_EXPIRED : STATUS_OK;
}
