#include "engine/base/mem.h"
#include "engine/base/token.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"
#include "tests/lib/temp.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(token, .fini = assert_no_leaks);

static struct token_keys two_keys(void)
{
    struct token_keys k = {.count = 2, .keys = {{.id = 7}, {.id = 3}}};

    memset(k.keys[0].secret, 0x11, 32);
    memset(k.keys[1].secret, 0x22, 32);
    return k;
}

static enum status open_guarded(const struct token_keys *k, const char *text, size_t text_len,
                                void *payload, size_t len)
{
    struct guard g = guard_new(text, text_len);
    enum status status = token_open(k, "ticket", g.bytes, payload, len);

    guard_free(&g);
    return status;
}

/* ---- digests ---- */

static void expect_hex(const uint8_t digest[32], const char *hex)
{
    char text[65] = "";

    hex_encode(digest, 32, text);
    cr_assert_str_eq(text, hex);
}

/* FIPS 180-4 examples. */
Test(token, sha256_of_the_standard)
{
    uint8_t digest[32];

    sha256("abc", 3, digest);
    expect_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256("", 0, digest);
    expect_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
Test(token, hmac_of_the_rfc)
{
    uint8_t mac[32], key[131];
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";

    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, mac);
    expect_hex(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
    expect_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(key, sizeof(key), text, strlen(text), mac);
    expect_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

Test(token, secrets_are_compared_whole)
{
    cr_assert(secret_equal("abc", "abc", 3));
    cr_assert(!secret_equal("abc", "abd", 3));
    cr_assert(!secret_equal("xbc", "abc", 3));
    cr_assert(secret_equal("a", "b", 0));
}

/* ---- tokens ---- */

Test(token, opens_what_it_sealed_for_every_length)
{
    struct token_keys k = two_keys();
    uint8_t payload[TOKEN_PAYLOAD_MAX], opened[TOKEN_PAYLOAD_MAX];
    char text[TOKEN_TEXT_MAX + 1];

    for (size_t len = 0; len <= TOKEN_PAYLOAD_MAX; len++) {
        size_t n;

        memset(payload, (int)len, len);
        n = token_seal(&k, "ticket", payload, len, text);
        cr_assert_eq(n, BASE64URL_LEN(2 + len + 32));
        cr_assert_eq(strlen(text), n);
        cr_assert_eq(open_guarded(&k, text, n, opened, len), STATUS_OK);
        cr_assert_eq(memcmp(payload, opened, len), 0);
    }
}

/* The layout in the head of token.c, built here from its parts. */
Test(token, has_the_documented_layout)
{
    struct token_keys k = two_keys();
    const uint8_t signed_bytes[] = "ticket\0\x01\x07seat";
    uint8_t bytes[2 + 4 + 32], mac[32];
    char text[TOKEN_TEXT_MAX + 1];

    token_seal(&k, "ticket", "seat", 4, text);
    cr_assert_eq(base64url_decode(slice_str(text), bytes, sizeof(bytes)), (long)sizeof(bytes));
    cr_assert_eq(bytes[0], 1);
    cr_assert_eq(bytes[1], 7);
    hmac_sha256(k.keys[0].secret, 32, signed_bytes, sizeof(signed_bytes) - 1, mac);
    cr_assert_eq(memcmp(bytes + 6, mac, 32), 0);
}

Test(token, an_older_key_still_opens)
{
    struct token_keys k = two_keys(), older = {.count = 1, .keys = {k.keys[1]}};
    char text[TOKEN_TEXT_MAX + 1], opened[4];
    size_t n = token_seal(&older, "ticket", "seat", 4, text);

    cr_assert_eq(open_guarded(&k, text, n, opened, 4), STATUS_OK);
    cr_assert_eq(memcmp(opened, "seat", 4), 0);
}

Test(token, another_label_another_key_or_a_wrong_length_do_not_open)
{
    struct token_keys k = two_keys(), foreign = two_keys();
    char text[TOKEN_TEXT_MAX + 1], opened[8] = "intact!";
    size_t n = token_seal(&k, "ticket", "seat", 4, text);

    cr_assert_eq(token_open(&k, "booking", slice_str(text), opened, 4), STATUS_UNAUTHORIZED);
    cr_assert_eq(token_open(&k, "ticke", slice_str(text), opened, 4), STATUS_UNAUTHORIZED);
    cr_assert_eq(open_guarded(&k, text, n, opened, 5), STATUS_UNAUTHORIZED);
    cr_assert_eq(open_guarded(&k, text, n, opened, 3), STATUS_UNAUTHORIZED);
    foreign.keys[0].secret[31] ^= 1;
    cr_assert_eq(open_guarded(&foreign, text, n, opened, 4), STATUS_UNAUTHORIZED);
    foreign = k;
    foreign.keys[0].id = 8;
    cr_assert_eq(open_guarded(&foreign, text, n, opened, 4), STATUS_UNAUTHORIZED);
    foreign.count = 0;
    cr_assert_eq(open_guarded(&foreign, text, n, opened, 4), STATUS_UNAUTHORIZED);
    cr_assert_str_eq(opened, "intact!", "nothing is given out");
}

Test(token, every_changed_bit_is_noticed)
{
    struct token_keys k = two_keys();
    uint8_t bytes[2 + 16 + 32];
    char text[TOKEN_TEXT_MAX + 1], opened[16];

    token_seal(&k, "ticket", "0123456789abcdef", 16, text);
    cr_assert_eq(base64url_decode(slice_str(text), bytes, sizeof(bytes)), (long)sizeof(bytes));
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        size_t n;

        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        n = base64url_encode(bytes, sizeof(bytes), text);
        cr_assert_eq(open_guarded(&k, text, n, opened, 16), STATUS_UNAUTHORIZED, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(token, truncated_extended_and_malformed_texts_do_not_open)
{
    struct token_keys k = two_keys();
    char text[TOKEN_TEXT_MAX + 2], opened[16];
    size_t n = token_seal(&k, "ticket", "0123456789abcdef", 16, text);

    for (size_t len = 0; len < n; len++)
        cr_assert_eq(open_guarded(&k, text, len, opened, 16), STATUS_UNAUTHORIZED);
    text[n] = 'A';
    cr_assert_eq(open_guarded(&k, text, n + 1, opened, 16), STATUS_UNAUTHORIZED);
    text[5] = '+';
    cr_assert_eq(open_guarded(&k, text, n, opened, 16), STATUS_UNAUTHORIZED);
}

/* 34 bytes end in the middle of a base64 group: its last character has spare bits, and only one
 * spelling may open. */
Test(token, one_token_has_one_spelling)
{
    struct token_keys k = two_keys();
    char text[TOKEN_TEXT_MAX + 1];
    size_t n = token_seal(&k, "ticket", "", 0, text), opened = 0;

    for (int c = 0; c < 256; c++) {
        text[n - 1] = (char)c;
        opened += open_guarded(&k, text, n, NULL, 0) == STATUS_OK;
    }
    cr_assert_eq(opened, 1);
}

/* ---- key files ---- */

static char why[200];

static enum status load_text(struct token_keys *k, const char *text)
{
    struct temp_dir dir = temp_dir_new();
    char path[200];
    enum status status;

    temp_file(&dir, "keys", text, strlen(text), path, sizeof(path));
    why[0] = '\0';
    status = token_keys_load(k, path, why, sizeof(why));
    temp_dir_free(&dir);
    return status;
}

#define SECRET "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

Test(token, loads_a_key_file)
{
    struct token_keys k;

    cr_assert_eq(load_text(&k, "# the newest first\n\n255 " SECRET "\r\n  0   " SECRET "  \n#end"),
                 STATUS_OK, "%s", why);
    cr_assert_eq(k.count, 2);
    cr_assert_eq(k.keys[0].id, 255);
    cr_assert_eq(k.keys[1].id, 0);
    cr_assert_eq(k.keys[0].secret[31], 0x1f);
    token_keys_free(&k);
    cr_assert_eq(k.count, 0);
    for (size_t i = 0; i < sizeof(k.keys); i++)
        cr_assert_eq(((uint8_t *)k.keys)[i], 0, "wiped");
}

Test(token, a_bad_key_file_is_refused_by_line)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "there is no key"},
        {"# only this\n", "there is no key"},
        {"1 " SECRET "\n256 " SECRET "\n", "line 2: the key id is not a number from 0 to 255"},
        {"x " SECRET "\n", "line 1: the key id is not a number from 0 to 255"},
        {"1 " SECRET "\n1 " SECRET "\n", "line 2: the key id was there before"},
        {"1\n", "line 1: the secret is not 64 hex digits"},
        {"1 " SECRET "0\n", "line 1: the secret is not 64 hex digits"},
        {"1 zz\n", "line 1: the secret is not 64 hex digits"},
        {"1 g00102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n",
         "line 1: the secret is not 64 hex digits"},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        struct token_keys k;

        cr_assert_eq(load_text(&k, cases[i].text), STATUS_MALFORMED, "case %zu", i);
        cr_assert_not_null(strstr(why, cases[i].why), "%s", why);
        cr_assert_eq(k.count, 0);
    }
}

Test(token, nine_keys_and_long_lines_are_refused)
{
    struct token_keys k;
    char text[2000] = "";

    for (int i = 0; i < 9; i++)
        sprintf(text + strlen(text), "%d %s\n", i, SECRET);
    cr_assert_eq(load_text(&k, text), STATUS_MALFORMED);
    cr_assert_not_null(strstr(why, "line 9: more than 8 keys"), "%s", why);
    memset(text, ' ', 500);
    cr_assert_eq(load_text(&k, text), STATUS_MALFORMED);
    cr_assert_not_null(strstr(why, "too long"), "%s", why);
}

Test(token, a_missing_key_file_is_told)
{
    struct token_keys k;

    cr_assert_eq(token_keys_load(&k, "/nonexistent/keys", why, sizeof(why)), STATUS_IO);
    cr_assert_str_eq(why, "/nonexistent/keys: No such file or directory");
    cr_assert_eq(token_keys_load(&k, "/", why, sizeof(why)), STATUS_IO, "a directory");
}
