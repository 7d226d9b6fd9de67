#include "engine/base/buf.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(buf, .fini = assert_no_leaks);

Test(buf, appends_of_every_kind)
{
    struct buf b;

    buf_init(&b, 1000);
    buf_append(&b, "ab", 2);
    buf_append_char(&b, '-');
    buf_append_str(&b, "cd");
    buf_append_slice(&b, SLICE_LITERAL("ef"));
    buf_append_u64(&b, UINT64_MAX);
    buf_append_i64(&b, INT64_MIN);
    buf_append_i64(&b, 7);
    buf_append_u64(&b, 0);
    buf_printf(&b, "[%d %s]", 5, "x");
    cr_assert(slice_is(buf_slice(&b), "ab-cdef18446744073709551615-922337203685477580870[5 x]"));
    cr_assert_eq(buf_status(&b), STATUS_OK);
    buf_free(&b);
}

Test(buf, empty_appends_allocate_nothing)
{
    struct buf b;

    buf_init(&b, 10);
    buf_append(&b, NULL, 0);
    buf_append_str(&b, "");
    buf_append_slice(&b, SLICE_NONE);
    cr_assert_null(b.at);
    cr_assert_eq(buf_slice(&b).len, 0);
    buf_free(&b);
}

Test(buf, the_limit_is_exact)
{
    struct buf b;

    buf_init(&b, 4);
    buf_append_str(&b, "abcd");
    cr_assert_eq(buf_status(&b), STATUS_OK);
    buf_append_char(&b, 'e');
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
    cr_assert(slice_is(buf_slice(&b), "abcd"), "what was there stays");
    buf_free(&b);
}

Test(buf, after_a_failure_nothing_is_appended)
{
    struct buf b;

    buf_init(&b, 4);
    buf_append_str(&b, "abcde");
    buf_append_char(&b, 'x');
    buf_append_u64(&b, 1);
    buf_append_i64(&b, -1);
    buf_printf(&b, "%d", 1);
    cr_assert_null(buf_reserve(&b, 1));
    cr_assert_eq(b.len, 0);
    buf_clear(&b);
    buf_append_str(&b, "ok");
    cr_assert_eq(buf_status(&b), STATUS_OK);
    cr_assert(slice_is(buf_slice(&b), "ok"));
    buf_free(&b);
}

/* At every length around the limit, printf must behave like append. */
Test(buf, printf_fits_to_the_byte)
{
    for (int len = 0; len < 700; len++) {
        struct buf b;

        buf_init(&b, 600);
        buf_printf(&b, "%*s", len, "");
        cr_assert_eq(buf_status(&b), len <= 600 ? STATUS_OK : STATUS_TOO_LARGE, "%d", len);
        cr_assert_eq(b.len, len <= 600 ? (size_t)len : 0);
        buf_free(&b);
    }
}

Test(buf, printf_appends_behind_what_is_there)
{
    struct buf b;

    buf_init(&b, 5000);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%03d,", i);
    cr_assert_eq(b.len, 4000);
    cr_assert(slice_eq(slice_of(b.at + 3996, 4), SLICE_LITERAL("999,")));
    cr_assert(slice_eq(slice_of(b.at, 8), SLICE_LITERAL("000,001,")));
    buf_free(&b);
}

Test(buf, growth_keeps_all_bytes)
{
    struct buf b;

    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        buf_append_char(&b, (char)(i % 251));
    cr_assert_eq(buf_status(&b), STATUS_OK);
    cr_assert_eq(b.cap, 100000, "never more than the limit");
    for (int i = 0; i < 100000; i++)
        cr_assert_eq(b.at[i], (char)(i % 251));
    buf_free(&b);
}

Test(buf, reserve_then_commit)
{
    struct buf b;
    char *at;

    buf_init(&b, 300);
    at = buf_reserve(&b, 300);
    cr_assert_not_null(at);
    cr_assert_eq(b.len, 0);
    memset(at, 'x', 300);
    buf_commit(&b, 5);
    cr_assert(slice_is(buf_slice(&b), "xxxxx"));
    cr_assert_null(buf_reserve(&b, 296));
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
    buf_free(&b);
}

Test(buf, reserve_does_not_overflow)
{
    struct buf b;

    buf_init(&b, 100);
    buf_append_char(&b, 'x');
    cr_assert_null(buf_reserve(&b, SIZE_MAX));
    buf_free(&b);
}

Test(buf, consume_drops_the_front)
{
    struct buf b;

    buf_init(&b, 100);
    buf_append_str(&b, "abcdef");
    buf_consume(&b, 2);
    cr_assert(slice_is(buf_slice(&b), "cdef"));
    buf_consume(&b, 0);
    buf_consume(&b, 4);
    cr_assert_eq(b.len, 0);
    buf_append_char(&b, 'x');
    cr_assert(slice_is(buf_slice(&b), "x"));
    buf_free(&b);
}

Test(buf, free_takes_any_state_and_leaves_it_usable)
{
    struct buf zero = {0}, b;

    buf_free(&zero);
    buf_init(&b, 10);
    buf_free(&b);
    buf_append_str(&b, "again");
    cr_assert(slice_is(buf_slice(&b), "again"));
    buf_free(&b);
    buf_free(&b);
}

Test(buf, swap_exchanges_all)
{
    struct buf a, b;

    buf_init(&a, 3);
    buf_init(&b, 10);
    buf_append_str(&a, "toolong");
    buf_append_str(&b, "b");
    buf_swap(&a, &b);
    cr_assert(slice_is(buf_slice(&a), "b"));
    cr_assert_eq(a.limit, 10);
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
    buf_free(&a);
    buf_free(&b);
}
