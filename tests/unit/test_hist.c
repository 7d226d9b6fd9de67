#include "engine/base/hist.h"

#include "engine/base/buf.h"
#include "engine/base/rng.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(hist, .fini = assert_no_leaks);

Test(hist, empty)
{
    struct hist h;

    hist_init(&h);
    cr_assert_eq(hist_quantile(&h, 0.5), 0);
    cr_assert_eq(hist_mean(&h), 0);
    cr_assert_eq(hist_count_below(&h, UINT64_MAX), 0);
    hist_free(&h);
    hist_free(&h);
}

Test(hist, small_values_are_exact)
{
    struct hist h;

    hist_init(&h);
    for (uint64_t us = 1; us <= 200; us++)
        hist_record(&h, us);
    cr_assert_eq(hist_quantile(&h, 0), 1);
    cr_assert_eq(hist_quantile(&h, 0.5), 100);
    cr_assert_eq(hist_quantile(&h, 0.99), 198);
    cr_assert_eq(hist_quantile(&h, 1), 200);
    cr_assert_float_eq(hist_mean(&h), 100.5, 1e-9);
    cr_assert_eq(h.min, 1);
    cr_assert_eq(h.max, 200);
    cr_assert_eq(hist_count_below(&h, 0), 0);
    cr_assert_eq(hist_count_below(&h, 50), 50);
    hist_free(&h);
}

/* One value alone is reported within 1 % of itself, from 1 us to 1 h, at and around every power of
 * two. */
static void check_error(uint64_t us)
{
    static struct hist h;
    uint64_t q;

    if (!h.counts)
        hist_init(&h);
    hist_reset(&h);
    hist_record(&h, us);
    hist_record(&h, 4000000000); /* so that the maximum does not hide the error */
    q = hist_quantile(&h, 0.5);
    cr_assert_geq(q, us, "%lu -> %lu", us, q);
    cr_assert_leq((double)(q - us), 0.01 * (double)us, "%lu -> %lu", us, q);
}

Test(hist, error_is_below_one_percent)
{
    struct rng rng;

    rng_seed(&rng, 3);
    for (int k = 0; k < 32; k++) {
        for (int64_t around = -2; around <= 2; around++) {
            int64_t us = (1LL << k) + around;

            if (us >= 0 && us <= 3600000000)
                check_error((uint64_t)us);
        }
    }
    for (int i = 0; i < 10000; i++)
        check_error(rng_below(&rng, 3600000000) >> rng_below(&rng, 31));
}

/* 0.07 * 100 is 7.000000000000001 in binary. */
Test(hist, the_seventh_of_a_hundred_is_the_seventh)
{
    struct hist h;

    hist_init(&h);
    for (uint64_t us = 1; us <= 100; us++)
        hist_record(&h, us);
    for (uint64_t p = 1; p <= 100; p++)
        cr_assert_eq(hist_quantile(&h, (double)p / 100), p);
    hist_free(&h);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

Test(hist, quantiles_agree_with_sorting)
{
    static uint64_t values[20000];
    struct hist h;
    struct rng rng;

    rng_seed(&rng, 9);
    hist_init(&h);
    for (size_t i = 0; i < 20000; i++) {
        values[i] = (uint64_t)rng_exponential(&rng, 50000);
        hist_record(&h, values[i]);
    }
    qsort(values, 20000, sizeof(values[0]), compare);
    for (int p = 1; p <= 1000; p++) {
        double exact = (double)values[p * 20 - 1], q = (double)hist_quantile(&h, p / 1000.0);

        cr_assert(q >= exact && q <= exact * 1.01 + 1, "p%d: %f, not %f", p, q, exact);
    }
    hist_free(&h);
}

Test(hist, values_past_the_end_are_counted_in_the_last_bucket)
{
    struct hist h;

    hist_init(&h);
    hist_record(&h, UINT64_MAX);
    hist_record(&h, 1ull << 32);
    hist_record(&h, 5);
    cr_assert_eq(h.total, 3);
    cr_assert_eq(hist_quantile(&h, 0.3), 5);
    cr_assert_eq(hist_quantile(&h, 1), UINT64_MAX);
    cr_assert_eq(hist_count_below(&h, 1000), 1);
    hist_free(&h);
}

Test(hist, merging_is_recording_both)
{
    struct hist a, b, both;

    hist_init(&a);
    hist_init(&b);
    hist_init(&both);
    for (uint64_t us = 1; us < 100000; us += 7) {
        hist_record(us % 2 ? &a : &b, us);
        hist_record(&both, us);
    }
    hist_merge(&a, &b);
    cr_assert_eq(memcmp(a.counts, both.counts, HIST_BUCKETS * sizeof(*a.counts)), 0);
    cr_assert_eq(a.total, both.total);
    cr_assert_eq(a.min, both.min);
    cr_assert_eq(a.max, both.max);
    cr_assert_float_eq(hist_mean(&a), hist_mean(&both), 1e-6);
    hist_free(&a);
    hist_free(&b);
    hist_free(&both);
}

Test(hist, merging_an_empty_one_changes_nothing)
{
    struct hist a, b;

    hist_init(&a);
    hist_init(&b);
    hist_record(&a, 5);
    hist_merge(&a, &b);
    cr_assert_eq(a.min, 5);
    cr_assert_eq(a.max, 5);
    hist_merge(&b, &a);
    cr_assert_eq(b.min, 5);
    hist_free(&a);
    hist_free(&b);
}

Test(hist, reset_forgets_all)
{
    struct hist h;

    hist_init(&h);
    hist_record(&h, 5);
    hist_reset(&h);
    cr_assert_eq(h.total, 0);
    cr_assert_eq(hist_quantile(&h, 1), 0);
    hist_record(&h, 9);
    cr_assert_eq(h.min, 9);
    cr_assert_eq(hist_quantile(&h, 1), 9);
    hist_free(&h);
}

/* The whole text of a small distribution, computed by hand after HistogramLogProcessor's format. */
Test(hist, hgrm_of_four_values)
{
    struct hist h;
    struct buf b;

    hist_init(&h);
    buf_init(&b, 10000);
    for (uint64_t us = 1; us <= 4; us++)
        hist_record(&h, us * 50);
    hist_write_hgrm(&h, &b);
    buf_append_char(&b, '\0');
    cr_assert_str_eq(b.at, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                           "\n"
                           "       0.050 0.000000000000          1           1.00\n"
                           "       0.050 0.100000000000          1           1.11\n"
                           "       0.050 0.200000000000          1           1.25\n"
                           "       0.100 0.300000000000          2           1.43\n"
                           "       0.100 0.400000000000          2           1.67\n"
                           "       0.100 0.500000000000          2           2.00\n"
                           "       0.150 0.550000000000          3           2.22\n"
                           "       0.150 0.600000000000          3           2.50\n"
                           "       0.150 0.650000000000          3           2.86\n"
                           "       0.150 0.700000000000          3           3.33\n"
                           "       0.150 0.750000000000          3           4.00\n"
                           "       0.200 1.000000000000          4\n"
                           "#[Mean    =        0.125, StdDeviation   =        0.056]\n"
                           "#[Max     =        0.200, Total count    =            4]\n"
                           "#[Buckets =           24, SubBuckets     =          256]\n");
    buf_free(&b);
    hist_free(&h);
}

Test(hist, hgrm_of_nothing_and_of_many_ends)
{
    struct hist h;
    struct buf b;

    hist_init(&h);
    buf_init(&b, 1 << 20);
    hist_write_hgrm(&h, &b);
    cr_assert_eq(buf_status(&b), STATUS_OK);
    buf_clear(&b);
    for (int i = 0; i < 1000000; i++)
        hist_record(&h, (uint64_t)i);
    hist_write_hgrm(&h, &b);
    cr_assert_eq(buf_status(&b), STATUS_OK);
    cr_assert_lt(b.len, 10000, "about five rows for each halving");
    buf_free(&b);
    hist_free(&h);
}

Test(hist, what_was_recorded_since)
{
    struct hist h, seen, recent;

    hist_init(&h);
    hist_init(&seen);
    hist_init(&recent);
    for (int i = 0; i < 1000; i++)
        hist_record(&h, 10);
    hist_since(&h, &seen, &recent);
    cr_assert_eq(recent.total, 1000);
    cr_assert_eq(hist_quantile(&recent, 0.99), 10);
    for (int i = 0; i < 10; i++)
        hist_record(&h, 200);
    hist_since(&h, &seen, &recent);
    cr_assert_eq(recent.total, 10, "the thousand of before are not in it");
    cr_assert_eq(hist_quantile(&recent, 0), 200);
    cr_assert_eq(hist_quantile(&recent, 0.99), 200);
    hist_since(&h, &seen, &recent);
    cr_assert_eq(recent.total, 0);
    cr_assert_eq(hist_quantile(&recent, 0.99), 0);
    hist_free(&h);
    hist_free(&seen);
    hist_free(&recent);
}
