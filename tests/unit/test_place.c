#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"
#include "waitroom/pass.h"
#include "waitroom/place.h"

#include <criterion/criterion.h>

TestSuite(place, .fini = assert_no_leaks);

static const struct token_keys keys = {.keys = {{.id = 7, .secret = {1, 2, 3}}}, .count = 1};
static const struct token_keys other_keys = {.keys = {{.id = 7, .secret = {9}}}, .count = 1};
static const struct place place = {.event_id = 42,
                                   .number = 123456789012,
                                   .epoch = 3,
                                   .issued_s = 1000,
                                   .expires_s = 2000,
                                   .session = {8, 7, 6}};

static enum status opens(const char *text, size_t len, uint64_t event_id, int64_t now_s,
                         struct place *ret_place)
{
    struct guard g = guard_new(text, len);
    enum status status = place_open(&keys, g.bytes, event_id, now_s, ret_place);

    guard_free(&g);
    return status;
}

Test(place, comes_back_as_it_was)
{
    char text[TOKEN_TEXT_MAX + 1];
    size_t len = place_seal(&keys, &place, text);
    struct place got;

    cr_assert_eq(len, strlen(text));
    cr_assert_eq(opens(text, len, 42, 1500, &got), STATUS_OK);
    cr_assert_eq(got.event_id, place.event_id);
    cr_assert_eq(got.number, place.number);
    cr_assert_eq(got.epoch, place.epoch);
    cr_assert_eq(got.issued_s, place.issued_s);
    cr_assert_eq(got.expires_s, place.expires_s);
    cr_assert_eq(memcmp(got.session, place.session, sizeof(got.session)), 0);
}

Test(place, expires)
{
    char text[TOKEN_TEXT_MAX + 1];
    size_t len = place_seal(&keys, &place, text);
    struct place got;

    cr_assert_eq(opens(text, len, 42, 1999, &got), STATUS_OK);
    cr_assert_eq(opens(text, len, 42, 2000, &got), STATUS_EXPIRED);
}

Test(place, of_another_event_is_refused)
{
    char text[TOKEN_TEXT_MAX + 1];
    size_t len = place_seal(&keys, &place, text);
    struct place got;

    cr_assert_eq(opens(text, len, 43, 1500, &got), STATUS_UNAUTHORIZED);
    cr_assert_eq(opens(text, len, 43, 5000, &got), STATUS_UNAUTHORIZED,
                 "and not said to have expired");
}

Test(place, any_changed_byte_is_refused)
{
    char text[TOKEN_TEXT_MAX + 1];
    size_t len = place_seal(&keys, &place, text);
    struct place got;

    for (size_t i = 0; i < len; i++) {
        char was = text[i];

        text[i] = was == 'A' ? 'B' : 'A';
        cr_assert_eq(opens(text, len, 42, 1500, &got), STATUS_UNAUTHORIZED, "byte %zu", i);
        text[i] = was;
    }
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(opens(text, cut, 42, 1500, &got), STATUS_UNAUTHORIZED, "cut at %zu", cut);
}

Test(place, of_another_key_or_use_is_refused)
{
    char text[TOKEN_TEXT_MAX + 1];
    uint8_t bytes[38] = {'Q', 1};
    struct place got;
    size_t len = place_seal(&other_keys, &place, text);

    cr_assert_eq(opens(text, len, 42, 1500, &got), STATUS_UNAUTHORIZED);
    put_le64(bytes + 2, 42);
    put_le32(bytes + 26, 2000);
    len = token_seal(&keys, "booking", bytes, sizeof(bytes), text);
    cr_assert_eq(opens(text, len, 42, 1500, &got), STATUS_UNAUTHORIZED, "another label");
    len = token_seal(&keys, "place", bytes, sizeof(bytes), text);
    cr_assert_eq(opens(text, len, 42, 1500, &got), STATUS_OK, "the same with the right label");
    bytes[1] = 2;
    len = token_seal(&keys, "place", bytes, sizeof(bytes), text);
    cr_assert_eq(opens(text, len, 42, 1500, &got), STATUS_UNAUTHORIZED, "another layout");
}

Test(place, pass_id_is_the_numbers_own)
{
    uint8_t salt[16] = {1}, other_salt[16] = {2};
    char a[37], b[37];

    pass_id(salt, 5, a);
    pass_id(salt, 5, b);
    cr_assert_str_eq(a, b);
    cr_assert_eq(strlen(a), 36);
    cr_assert_eq(a[14], '8', "UUID version 8");
    pass_id(salt, 6, b);
    cr_assert_str_neq(a, b);
    pass_id(other_salt, 5, b);
    cr_assert_str_neq(a, b);
}
