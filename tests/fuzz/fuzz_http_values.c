/* Values of requests: query parts decode or say they are malformed, what was encoded decodes to
 * itself; an accepted traceparent has its shape. */
#include "engine/net/http_parse.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static void check_decoding(struct slice s)
{
    char *text = malloc(s.len + 1);
    long len;

    must(text != NULL);
    len = http_query_decode(s, text);
    must(len <= (long)s.len);
    must(len < 0 || memchr(text, '\0', (size_t)len) == NULL);
    free(text);
}

static void check_round_trip(struct slice s)
{
    char *encoded = malloc(3 * s.len + 1), *text = malloc(3 * s.len + 1);
    bool has_nul = s.len > 0 && memchr(s.at, '\0', s.len) != NULL;
    long len;

    must(encoded && text);
    for (size_t i = 0; i < s.len; i++)
        snprintf(encoded + 3 * i, 4, "%%%02x", (unsigned char)s.at[i]);
    len = http_query_decode(slice_of(encoded, 3 * s.len), text);
    must(has_nul ? len == -1 : len == (long)s.len && memcmp(text, s.at, s.len) == 0);
    free(encoded);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice s = slice_of(at, len);

    if (http_traceparent_ok(s)) {
        must(len >= 55 && at[2] == '-' && at[35] == '-' && at[52] == '-');
        must(memcmp(at, "ff", 2) != 0);
    }
    check_decoding(s);
    check_round_trip(s);
    return 0;
}
