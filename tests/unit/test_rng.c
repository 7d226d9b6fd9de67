#include "engine/base/rng.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(rng, .fini = assert_no_leaks);

/* From the reference code with the state {1, 2, 3, 4}. */
Test(rng, is_xoshiro256_starstar)
{
    struct rng r = {.s = {1, 2, 3, 4}};

    cr_assert_eq(rng_next(&r), 11520);
    cr_assert_eq(rng_next(&r), 0);
    cr_assert_eq(rng_next(&r), 1509978240);
    cr_assert_eq(rng_next(&r), 1215971899390074240);
}

/* SplitMix64 from seed 0, as published with it. */
Test(rng, is_seeded_by_splitmix64)
{
    struct rng r;

    rng_seed(&r, 0);
    cr_assert_eq(r.s[0], 0xe220a8397b1dcdaf);
    cr_assert_eq(r.s[1], 0x6e789e6aa1b965f4);
}

Test(rng, a_seed_repeats_and_seeds_differ)
{
    struct rng a, b, c;

    rng_seed(&a, 5);
    rng_seed(&b, 5);
    rng_seed(&c, 6);
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);

        cr_assert_eq(x, rng_next(&b));
        cr_assert_neq(x, rng_next(&c));
    }
}

Test(rng, random_seeds_differ)
{
    struct rng a, b;

    rng_seed_random(&a);
    rng_seed_random(&b);
    cr_assert_neq(rng_next(&a), rng_next(&b));
}

/* Chi-squared with 9 degrees of freedom stays below 40 for a fair die (p < 1e-5); the seed is
 * fixed. */
Test(rng, below_is_even)
{
    struct rng r;
    uint64_t counts[10] = {0};
    double chi = 0;

    rng_seed(&r, 1);
    for (int i = 0; i < 100000; i++)
        counts[rng_below(&r, 10)]++;
    for (int i = 0; i < 10; i++)
        chi += pow((double)counts[i] - 10000, 2) / 10000;
    cr_assert_lt(chi, 40);
}

/* With a bound of 3/4 of the range, scaling alone would return every third number twice as often as
 * the others. */
Test(rng, below_is_even_for_large_bounds)
{
    struct rng r;
    uint64_t bound = 3ull << 62, counts[3] = {0};

    rng_seed(&r, 2);
    for (int i = 0; i < 30000; i++) {
        uint64_t x = rng_below(&r, bound);

        cr_assert_lt(x, bound);
        counts[x % 3]++;
    }
    for (int i = 0; i < 3; i++)
        cr_assert(counts[i] > 9500 && counts[i] < 10500, "%lu", counts[i]);
}

Test(rng, below_one_is_zero)
{
    struct rng r;

    rng_seed(&r, 3);
    cr_assert_eq(rng_below(&r, 1), 0);
}

Test(rng, unit_fills_its_interval)
{
    struct rng r;
    double sum = 0;

    rng_seed(&r, 4);
    for (int i = 0; i < 100000; i++) {
        double x = rng_unit(&r);

        cr_assert(x >= 0 && x < 1);
        sum += x;
    }
    cr_assert_float_eq(sum / 100000, 0.5, 0.01);
}

Test(rng, exponential_has_its_mean)
{
    struct rng r;
    double sum = 0;

    rng_seed(&r, 5);
    for (int i = 0; i < 100000; i++) {
        double x = rng_exponential(&r, 20);

        cr_assert(x >= 0 && isfinite(x));
        sum += x;
    }
    cr_assert_float_eq(sum / 100000, 20, 0.5);
}

Test(rng, secrets_differ_and_fill_exactly)
{
    unsigned char a[40], b[40];

    memset(a, 0xAA, sizeof(a));
    memset(b, 0xAA, sizeof(b));
    rng_secret(a, 32);
    rng_secret(b, 32);
    cr_assert_neq(memcmp(a, b, 32), 0);
    cr_assert_eq(a[32], 0xAA, "not past the end");
    rng_secret(a, 0);
}
