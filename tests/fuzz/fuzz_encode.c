/* Base64, base64url and hex: whatever decodes encodes to the same text again. */
#include "engine/base/encode.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

static void check_base64url(struct slice text, uint8_t *bytes, char *back)
{
    long n = base64url_decode(text, bytes, text.len);

    if (n >= 0)
        must(slice_eq(slice_of(back, base64url_encode(bytes, (size_t)n, back)), text));
}

static void check_base64(struct slice text, uint8_t *bytes)
{
    long n = base64_decode(text, bytes, text.len);
    struct buf b;

    if (n < 0)
        return;
    buf_init(&b, text.len + 4);
    base64_append(&b, bytes, (size_t)n);
    must(slice_eq(buf_slice(&b), text));
    buf_free(&b);
}

static void check_hex(struct slice text, uint8_t *bytes, char *back)
{
    long n = hex_decode(text, bytes, text.len);

    if (n < 0)
        return;
    hex_encode(bytes, (size_t)n, back);
    must(slice_eq_nocase(slice_of(back, 2 * (size_t)n), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice text = slice_of(at, len);
    uint8_t *bytes = mem_alloc(len);
    char *back = mem_alloc(len + 4);

    check_base64url(text, bytes, back);
    check_base64(text, bytes);
    check_hex(text, bytes, back);
    mem_free(bytes);
    mem_free(back);
    return 0;
}
