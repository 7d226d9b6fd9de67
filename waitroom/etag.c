#include "waitroom/etag.h"

#include "engine/base/token.h"

void etag_of(struct slice content, char ret_etag[ETAG_SIZE])
{
    uint8_t digest[32];

    sha256(content.at, content.len, digest);
    ret_etag[0] = ret_etag[ETAG_SIZE - 2] = '"';
    hex_encode(digest, 8, ret_etag + 1);
    ret_etag[ETAG_SIZE - 1] = '\0';
}

bool etag_matches(struct slice if_none_match, const char *etag)
{
    while (if_none_match.at) {
        struct slice tag = slice_trim(slice_cut(&if_none_match, ','));

        if (slice_starts_with(tag, SLICE_LITERAL("W/")))
            tag = slice_of(tag.at + 2, tag.len - 2);
        if (slice_is(tag, "*") || slice_is(tag, etag))
            return true;
    }
    return false;
}
