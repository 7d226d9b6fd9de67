#include "engine/base/clock.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <time.h>

TestSuite(clock, .fini = assert_no_leaks);

#define NOON_MS 1795255890123LL /* 2026-11-21T10:11:30.123Z */

static const char *text_of(int64_t wall_ms)
{
    static char text[CLOCK_TEXT_SIZE];

    clock_format(wall_ms, text);
    return text;
}

static bool parse(const char *text, int64_t *ret_ms)
{
    struct guard g = guard_new(text, strlen(text));
    bool ok = clock_parse(g.bytes, ret_ms);

    guard_free(&g);
    return ok;
}

Test(clock, the_system_tells_the_time)
{
    int64_t before_ns = clock_mono_ns(&clock_system), wall_ms = clock_wall_ms(&clock_system);

    cr_assert_leq(llabs(wall_ms / 1000 - time(NULL)), 2);
    cr_assert_geq(clock_mono_ns(&clock_system), before_ns);
}

Test(clock, a_fake_one_moves_when_told)
{
    struct fake_clock f;

    fake_clock_init(&f, 1000);
    fake_clock_advance(&f, 5);
    cr_assert_eq(clock_wall_ms(&f.clock), 1005);
    fake_clock_jump(&f, -1000);
    cr_assert_eq(clock_wall_ms(&f.clock), 5);
    cr_assert_eq(clock_mono_ns(&f.clock), 1005000000, "steady while the wall jumps");
}

Test(clock, formats)
{
    cr_assert_str_eq(text_of(0), "1970-01-01T00:00:00.000Z");
    cr_assert_str_eq(text_of(NOON_MS), "2026-11-21T10:11:30.123Z");
    cr_assert_str_eq(text_of(-1), "1969-12-31T23:59:59.999Z");
    cr_assert_str_eq(text_of(951782400000), "2000-02-29T00:00:00.000Z");
    cr_assert_str_eq(text_of(4107542400000), "2100-03-01T00:00:00.000Z", "2100 has no leap day");
}

Test(clock, formats_the_nearest_that_four_digits_can_say)
{
    cr_assert_str_eq(text_of(INT64_MIN), "0000-01-01T00:00:00.000Z");
    cr_assert_str_eq(text_of(INT64_MAX), "9999-12-31T23:59:59.999Z");
}

/* Against the C library, every 13 days and some odd milliseconds over four centuries. */
Test(clock, agrees_with_gmtime_and_reads_back)
{
    for (int64_t ms = -6000000000000; ms < 7000000000000; ms += 13 * 86400000LL + 3601017) {
        time_t s = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
        char expected[CLOCK_TEXT_SIZE];
        struct tm tm;
        int64_t back;

        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.", gmtime_r(&s, &tm));
        cr_assert_eq(memcmp(text_of(ms), expected, strlen(expected)), 0, "%s", expected);
        cr_assert(clock_parse(slice_str(text_of(ms)), &back));
        cr_assert_eq(back, ms);
    }
}

Test(clock, parses_offsets_and_fractions)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2026-11-21T10:11:30.123Z", NOON_MS},
        {"2026-11-21t10:11:30.123z", NOON_MS},
        {"2026-11-21T10:11:30.123+00:00", NOON_MS},
        {"2026-11-21T10:11:30.123-00:00", NOON_MS},
        {"2026-11-21T12:11:30.123+02:00", NOON_MS},
        {"2026-11-20T23:41:30.123-10:30", NOON_MS},
        {"2026-11-21T10:11:30Z", NOON_MS - 123},
        {"2026-11-21T10:11:30.1Z", NOON_MS - 23},
        {"2026-11-21T10:11:30.123999999999999999999999Z", NOON_MS},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"2016-12-31T23:59:60.9Z", 1483228800000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"0000-01-01T00:00:00Z", -62167219200000},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 0;

        cr_assert(parse(cases[i].text, &ms), "%s", cases[i].text);
        cr_assert_eq(ms, cases[i].ms, "%s", cases[i].text);
    }
}

Test(clock, refuses_what_is_not_rfc_3339)
{
    static const char *const bad[] = {
        "2026-11-21",
        "2026-11-21 10:11:30Z",
        "2026-11-21T10:11:30",
        "2026-11-21T10:11Z",
        "2026-11-21T10:11:30.Z",
        "2026-11-21T10:11:30,5Z",
        "2026-13-21T10:11:30Z",
        "2026-00-21T10:11:30Z",
        "2026-11-31T10:11:30Z",
        "2026-11-00T10:11:30Z",
        "2023-02-29T10:11:30Z",
        "2100-02-29T10:11:30Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:30Z",
        "2026-11-21T10:11:61Z",
        "2026-11-21T10:11:30+24:00",
        "2026-11-21T10:11:30+01:60",
        "2026-11-21T10:11:30+0100",
        "2026-11-21T10:11:30+01",
        "2026-11-21T10:11:30Z ",
        " 2026-11-21T10:11:30Z",
        "+2026-11-21T10:11:30Z",
        "-026-11-21T10:11:30Z",
        "2026-11-21T10:11:3-Z",
        "20261121T101130Z",
        "2026-11-21T10:11:30ZZ",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 42;

        cr_assert(!parse(bad[i], &ms), "%s", bad[i]);
        cr_assert_eq(ms, 42, "untouched");
    }
}

Test(clock, every_truncation_is_refused)
{
    const char *whole = "2026-11-21T10:11:30.123+02:00";

    for (size_t len = 0; len < strlen(whole); len++) {
        struct guard g = guard_new(whole, len);
        int64_t ms;

        cr_assert(!clock_parse(g.bytes, &ms), "%zu", len);
        guard_free(&g);
    }
}
