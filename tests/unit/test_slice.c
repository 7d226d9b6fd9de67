#include "engine/base/slice.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(slice, .fini = assert_no_leaks);

static struct slice s(const char *text)
{
    return slice_str(text);
}

Test(slice, equality)
{
    cr_assert(slice_eq(s("seat"), s("seat")));
    cr_assert(!slice_eq(s("seat"), s("seats")));
    cr_assert(!slice_eq(s("seat"), s("sear")));
    cr_assert(slice_eq(SLICE_NONE, s("")));
    cr_assert(slice_is(s("row"), "row"));
    cr_assert(slice_is(SLICE_LITERAL("row"), "row"));
    cr_assert(!slice_is(SLICE_NONE, "row"));
    cr_assert_eq(slice_str(NULL).len, 0);
}

Test(slice, equality_without_case_is_for_ascii_only)
{
    cr_assert(slice_eq_nocase(s("Content-LENGTH"), s("content-length")));
    cr_assert(!slice_eq_nocase(s("abc"), s("abd")));
    cr_assert(!slice_eq_nocase(s("abc"), s("abcd")));
    cr_assert(!slice_eq_nocase(s("\xC4"), s("\xE4")), "Latin-1 letters have no case here");
    cr_assert(!slice_eq_nocase(s("@["), s("`{")), "neighbours of the letters are no letters");
}

Test(slice, starts_with)
{
    cr_assert(slice_starts_with(s("/v1/holds"), s("/v1/")));
    cr_assert(slice_starts_with(s("a"), s("")));
    cr_assert(!slice_starts_with(s("/v"), s("/v1/")));
}

Test(slice, trim_takes_spaces_and_tabs_of_both_ends)
{
    cr_assert(slice_is(slice_trim(s(" \t a b\t ")), "a b"));
    cr_assert(slice_is(slice_trim(s("a")), "a"));
    cr_assert_eq(slice_trim(s(" \t ")).len, 0);
    cr_assert_eq(slice_trim(SLICE_NONE).len, 0);
    cr_assert(slice_is(slice_trim(s("\na\n")), "\na\n"));
}

Test(slice, cut_visits_every_part)
{
    struct slice rest = s("a,,b,");
    const char *expected[] = {"a", "", "b", ""};
    size_t n = 0;

    while (rest.at) {
        struct slice part = slice_cut(&rest, ',');

        cr_assert_lt(n, 4);
        cr_assert(slice_is(part, expected[n++]));
    }
    cr_assert_eq(n, 4);
}

Test(slice, cut_without_a_delimiter_takes_all)
{
    struct slice rest = s("whole");

    cr_assert(slice_is(slice_cut(&rest, ','), "whole"));
    cr_assert_null(rest.at);
    cr_assert_eq(slice_cut(&rest, ',').len, 0, "cutting nothing gives nothing");
}

Test(slice, to_u64_takes_digits_only)
{
    uint64_t v = 7;

    cr_assert(slice_to_u64(s("0"), &v) && v == 0);
    cr_assert(slice_to_u64(s("18446744073709551615"), &v) && v == UINT64_MAX);
    cr_assert(slice_to_u64(s("007"), &v) && v == 7);
    for (size_t i = 0; i < 8; i++) {
        const char *bad[] = {
            "", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616", "99999999999999999999"};

        v = 42;
        cr_assert(!slice_to_u64(s(bad[i]), &v), "%s", bad[i]);
        cr_assert_eq(v, 42, "untouched");
    }
}

Test(slice, to_i64_covers_the_whole_range)
{
    int64_t v = 7;

    cr_assert(slice_to_i64(s("-9223372036854775808"), &v) && v == INT64_MIN);
    cr_assert(slice_to_i64(s("9223372036854775807"), &v) && v == INT64_MAX);
    cr_assert(slice_to_i64(s("-0"), &v) && v == 0);
    v = 42;
    cr_assert(!slice_to_i64(s("9223372036854775808"), &v));
    cr_assert(!slice_to_i64(s("-9223372036854775809"), &v));
    cr_assert(!slice_to_i64(s("-"), &v));
    cr_assert(!slice_to_i64(s("--1"), &v));
    cr_assert_eq(v, 42);
}

Test(slice, to_str_terminates_and_refuses)
{
    char text[4] = "xyz";

    cr_assert(slice_to_str(s("abc"), text, sizeof(text)));
    cr_assert_str_eq(text, "abc");
    cr_assert(!slice_to_str(s("abcd"), text, sizeof(text)));
    cr_assert_str_eq(text, "");
    cr_assert(!slice_to_str(slice_of("a\0b", 3), text, sizeof(text)), "holds a NUL");
    cr_assert(slice_to_str(SLICE_NONE, text, sizeof(text)));
    cr_assert_str_eq(text, "");
    cr_assert(!slice_to_str(s(""), text, 0), "no room for the NUL");
}

Test(slice, utf8_takes_the_shortest_forms_only)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        {"a", 1},
        {"\x7F", 1},
        {"\xC2\x80", 2},
        {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3},
        {"\xED\x9F\xBF", 3},
        {"\xEF\xBF\xBD", 3},
        {"\xF0\x90\x80\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4},
        {"", 0},
        {"\x80", 0},             /* a continuation alone */
        {"\xC0\x80", 0},         /* overlong NUL */
        {"\xC1\xBF", 0},         /* overlong */
        {"\xE0\x9F\xBF", 0},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 0}, /* overlong */
        {"\xED\xA0\x80", 0},     /* a surrogate */
        {"\xF4\x90\x80\x80", 0}, /* past U+10FFFF */
        {"\xF5\x80\x80\x80", 0},
        {"\xFF", 0},
        {"\xC2", 0}, /* truncated */
        {"\xE2\x82", 0},
        {"\xF0\x9F\x8E", 0},
        {"\xE2(\xA1", 0}, /* the second is no continuation */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct guard g = guard_new(cases[i].text, strlen(cases[i].text));

        cr_assert_eq(slice_utf8(g.bytes), cases[i].len, "case %zu", i);
        guard_free(&g);
    }
}
