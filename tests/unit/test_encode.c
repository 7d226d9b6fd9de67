#include "engine/base/encode.h"
#include "engine/base/rng.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(encode, .fini = assert_no_leaks);

typedef long (*decode_fn)(struct slice text, void *ret_bytes, size_t size);

/* The text stands against the end of a page, the bytes as well. */
static long decode(decode_fn fn, const char *text, size_t size)
{
    struct guard in = guard_new(text, strlen(text)), out = guard_new(NULL, 0);
    static char zeros[256];
    long n;

    guard_free(&out);
    out = guard_new(zeros, size);
    n = fn(in.bytes, (void *)(uintptr_t)out.bytes.at, size);
    guard_free(&in);
    guard_free(&out);
    return n;
}

/* RFC 4648 section 10. */
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

Test(encode, base64_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const char *plain = vectors[i][0], *text = vectors[i][1];
        char bytes[8];
        struct buf b;

        buf_init(&b, 100);
        base64_append(&b, plain, strlen(plain));
        cr_assert(slice_is(buf_slice(&b), text), "%s", plain);
        cr_assert_eq(base64_decode(slice_str(text), bytes, sizeof(bytes)), (long)strlen(plain));
        cr_assert_eq(memcmp(bytes, plain, strlen(plain)), 0);
        buf_free(&b);
    }
}

Test(encode, base64url_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const char *plain = vectors[i][0];
        struct slice text = slice_of(vectors[i][1], strcspn(vectors[i][1], "="));
        char encoded[16], bytes[8];
        size_t n = base64url_encode(plain, strlen(plain), encoded);

        cr_assert_eq(n, BASE64URL_LEN(strlen(plain)));
        cr_assert(slice_eq(slice_of(encoded, n), text), "%s", plain);
        cr_assert_eq(base64url_decode(text, bytes, sizeof(bytes)), (long)strlen(plain));
    }
}

Test(encode, the_alphabets_differ_in_two_characters)
{
    const uint8_t bytes[] = {0xfb, 0xef, 0xff};
    char text[4];
    struct buf b;

    cr_assert_eq(base64url_encode(bytes, 3, text), 4);
    cr_assert_eq(memcmp(text, "--__", 4), 0);
    buf_init(&b, 10);
    base64_append(&b, bytes, 3);
    cr_assert(slice_is(buf_slice(&b), "++//"));
    buf_free(&b);
    cr_assert_eq(decode(base64url_decode, "++//", 3), -1);
    cr_assert_eq(decode(base64_decode, "--__", 3), -1);
}

Test(encode, all_lengths_read_back)
{
    struct rng rng;
    uint8_t bytes[200], back[200];
    char text[400];

    rng_seed(&rng, 7);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        size_t n;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        n = base64url_encode(bytes, len, text);
        cr_assert_eq(base64url_decode(slice_of(text, n), back, len), (long)len);
        cr_assert_eq(memcmp(bytes, back, len), 0);
        hex_encode(bytes, len, text);
        cr_assert_eq(hex_decode(slice_of(text, 2 * len), back, len), (long)len);
        cr_assert_eq(memcmp(bytes, back, len), 0);
    }
}

Test(encode, base64url_is_strict)
{
    cr_assert_eq(decode(base64url_decode, "Zg", 1), 1);
    cr_assert_eq(decode(base64url_decode, "Zg==", 8), -1, "padding");
    cr_assert_eq(decode(base64url_decode, "Z", 8), -1, "one character is no byte");
    cr_assert_eq(decode(base64url_decode, "Zm9vZ", 8), -1);
    cr_assert_eq(decode(base64url_decode, "Zh", 8), -1, "bits after the last byte");
    cr_assert_eq(decode(base64url_decode, "Zm9", 8), -1, "bits after the last byte");
    cr_assert_eq(decode(base64url_decode, "Zm 9v", 8), -1);
    cr_assert_eq(decode(base64url_decode, "Zm9v\n", 8), -1);
    cr_assert_eq(decode(base64url_decode, "Zm\xC3\xA9", 8), -1);
    cr_assert_eq(base64url_decode(slice_of("Zm\0v", 4), (char[8]){0}, 8), -1);
}

Test(encode, base64_is_strict)
{
    cr_assert_eq(decode(base64_decode, "Zg", 8), -1, "padding is missing");
    cr_assert_eq(decode(base64_decode, "Zg=", 8), -1);
    cr_assert_eq(decode(base64_decode, "Z===", 8), -1);
    cr_assert_eq(decode(base64_decode, "====", 8), -1);
    cr_assert_eq(decode(base64_decode, "Zg==Zg==", 8), -1, "padding inside");
    cr_assert_eq(decode(base64_decode, "Zh==", 8), -1);
}

Test(encode, nothing_is_written_past_the_size)
{
    cr_assert_eq(decode(base64url_decode, "Zm9vYmFy", 6), 6);
    cr_assert_eq(decode(base64url_decode, "Zm9vYmFy", 5), -1);
    cr_assert_eq(decode(base64_decode, "Zm9vYg==", 4), 4);
    cr_assert_eq(decode(base64_decode, "Zm9vYg==", 3), -1);
    cr_assert_eq(decode(hex_decode, "00ff", 2), 2);
    cr_assert_eq(decode(hex_decode, "00ff", 1), -1);
}

Test(encode, base64_append_respects_the_limit)
{
    struct buf b;

    buf_init(&b, 7);
    base64_append(&b, "abcd", 4);
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
    cr_assert_eq(b.len, 0);
    buf_free(&b);
}

Test(encode, hex)
{
    char text[5] = "";
    uint8_t bytes[2];

    hex_encode("\x00\xaf", 2, text);
    cr_assert_str_eq(text, "00af");
    cr_assert_eq(decode(hex_decode, "", 0), 0);
    cr_assert_eq(hex_decode(SLICE_LITERAL("AfBc"), bytes, 2), 2);
    cr_assert_eq(bytes[0], 0xaf);
    cr_assert_eq(bytes[1], 0xbc);
    cr_assert_eq(decode(hex_decode, "abc", 4), -1, "odd");
    cr_assert_eq(decode(hex_decode, "0g", 4), -1);
    cr_assert_eq(decode(hex_decode, "0x", 4), -1);
    cr_assert_eq(decode(hex_decode, " 0", 4), -1);
}

Test(encode, integers_are_little_endian)
{
    uint8_t at[8];

    put_le16(at, 0x0102);
    cr_assert_eq(memcmp(at, "\x02\x01", 2), 0);
    cr_assert_eq(get_le16(at), 0x0102);
    put_le32(at, 0xfffefdfc);
    cr_assert_eq(memcmp(at, "\xfc\xfd\xfe\xff", 4), 0);
    cr_assert_eq(get_le32(at), 0xfffefdfc);
    put_le64(at, 0x8102030405060708);
    cr_assert_eq(memcmp(at, "\x08\x07\x06\x05\x04\x03\x02\x81", 8), 0);
    cr_assert_eq(get_le64(at), 0x8102030405060708);
}
