/* Sealed tokens: nothing that a stranger writes opens, save by knowing the secret, and what is
 * sealed opens. */
#include "engine/base/token.h"
#include "tests/fuzz/fuzz.h"

static const struct token_keys keys = {.count = 1, .keys = {{.id = 1, .secret = {1, 2, 3}}}};

static void check_opening(struct slice text)
{
    uint8_t payload[TOKEN_PAYLOAD_MAX];
    char back[TOKEN_TEXT_MAX + 1];

    for (size_t len = 0; len <= TOKEN_PAYLOAD_MAX; len += 8) {
        if (token_open(&keys, "fuzz", text, payload, len) != STATUS_OK)
            continue;
        token_seal(&keys, "fuzz", payload, len, back);
        must(slice_is(text, back));
    }
}

static void check_sealing(struct slice payload)
{
    uint8_t back[TOKEN_PAYLOAD_MAX];
    char text[TOKEN_TEXT_MAX + 1];
    size_t len;

    if (payload.len > TOKEN_PAYLOAD_MAX)
        payload.len = TOKEN_PAYLOAD_MAX;
    len = token_seal(&keys, "fuzz", payload.at, payload.len, text);
    must(token_open(&keys, "fuzz", slice_of(text, len), back, payload.len) == STATUS_OK);
    must(slice_eq(slice_of(back, payload.len), payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    check_opening(slice_of(at, len));
    check_sealing(slice_of(at, len));
    return 0;
}
