#include "engine/booking/pressure.h"

#include <criterion/criterion.h>

static struct pressure_metrics parts;

static unsigned value(struct pressure_signs signs, unsigned before)
{
    return pressure_value(&signs, before, &parts);
}

Test(pressure, a_part_is_a_straight_line)
{
    cr_assert_eq(pressure_part(0, 100, 1000), 0);
    cr_assert_eq(pressure_part(100, 100, 1000), 0);
    cr_assert_eq(pressure_part(550, 100, 1000), 50);
    cr_assert_eq(pressure_part(999, 100, 1000), 99);
    cr_assert_eq(pressure_part(1000, 100, 1000), 100);
    cr_assert_eq(pressure_part(INT64_MAX, 100, 1000), 100);
    cr_assert_eq(pressure_part(-1, 100, 1000), 0);
}

Test(pressure, the_worst_sign_counts)
{
    cr_assert_eq(value((struct pressure_signs){0}, 0), 0);
    cr_assert_eq(value((struct pressure_signs){.commit_p99_ms = 550}, 0), 50);
    cr_assert_eq(value((struct pressure_signs){.pool_wait_ms = 500}, 0), 100);
    cr_assert_eq(value((struct pressure_signs){.fill = 75}, 0), 50);
    cr_assert_eq(
        value((struct pressure_signs){.commit_p99_ms = 280, .pool_wait_ms = 164, .fill = 60}, 0),
        30);
    cr_assert(parts.pressure_commit == 20 && parts.pressure_pool == 30 &&
              parts.pressure_in_flight == 20);
    cr_assert_eq(value((struct pressure_signs){.away = true}, 0), 100);
}

Test(pressure, rises_at_once_and_falls_slowly)
{
    unsigned now = value((struct pressure_signs){.fill = 100}, 0);

    cr_assert_eq(now, 100);
    for (int i = 9; i >= 0; i--) {
        now = value((struct pressure_signs){0}, now);
        cr_assert_eq(now, (unsigned)i * 10);
    }
    cr_assert_eq(value((struct pressure_signs){.fill = 75}, 55), 50, "not below what is");
}
