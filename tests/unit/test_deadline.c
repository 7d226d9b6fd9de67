#include "engine/base/rng.h"
#include "engine/store/deadline.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(deadline, .fini = assert_no_leaks);

#define MS INT64_C(1000000)

struct thing {
    struct list link;
    int64_t at_ns;
};

static int64_t at_of(const struct list *link)
{
    return list_entry(link, struct thing, link)->at_ns;
}

static size_t expire(struct deadlines *d, int64_t now_ns, int64_t *ret_latest)
{
    struct list expired, *link;
    size_t count = 0;

    list_init(&expired);
    deadlines_expire(d, now_ns, at_of, &expired);
    while ((link = list_pop_front(&expired))) {
        cr_assert_leq(at_of(link), now_ns, "never early");
        *ret_latest = at_of(link) > *ret_latest ? at_of(link) : *ret_latest;
        count++;
    }
    return count;
}

/* From a millisecond to twenty turns of the wheel, at random. */
Test(deadline, none_is_early_and_none_later_than_two_ticks)
{
    enum { N = 2000 };
    static struct thing things[N];
    const int64_t start_ns = 123456789 * MS + 777;
    struct deadlines d;
    struct rng rng;
    size_t due, gone = 0;
    int64_t latest = 0;

    rng_seed(&rng, 42);
    deadlines_init(&d, start_ns);
    for (size_t i = 0; i < N; i++) {
        things[i].at_ns = start_ns + (int64_t)rng_below(&rng, 50000) * MS;
        deadlines_add(&d, &things[i].link, things[i].at_ns);
    }
    for (int64_t now_ns = start_ns; now_ns <= start_ns + 51000 * MS;
         now_ns += DEADLINE_TICK_MS * MS) {
        gone += expire(&d, now_ns, &latest);
        due = 0;
        for (size_t i = 0; i < N; i++)
            due += things[i].at_ns + 2 * DEADLINE_TICK_MS * MS <= now_ns;
        cr_assert_geq(gone, due);
    }
    cr_assert_eq(gone, N);
}

Test(deadline, what_is_late_already_expires_at_the_next_tick)
{
    struct thing thing = {.at_ns = 5000 * MS};
    struct deadlines d;
    int64_t latest = 0;

    deadlines_init(&d, 9000 * MS);
    deadlines_add(&d, &thing.link, thing.at_ns);
    cr_assert_eq(expire(&d, 9000 * MS, &latest), 0);
    cr_assert_eq(expire(&d, 9010 * MS, &latest), 1);
}

Test(deadline, a_long_pause_misses_nothing)
{
    struct thing things[3] = {{.at_ns = 1000 * MS}, {.at_ns = 3000 * MS}, {.at_ns = 900000 * MS}};
    struct deadlines d;
    int64_t latest = 0;

    deadlines_init(&d, 0);
    for (size_t i = 0; i < 3; i++)
        deadlines_add(&d, &things[i].link, things[i].at_ns);
    cr_assert_eq(expire(&d, 800000 * MS, &latest), 2);
    list_remove(&things[2].link);
    cr_assert_eq(expire(&d, 2000000 * MS, &latest), 0, "removed is removed");
}
