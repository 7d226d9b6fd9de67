#include "engine/base/limiter.h"

#include <criterion/criterion.h>

static size_t enter_all(struct limiter *l, size_t wanted)
{
    size_t in = 0;

    for (size_t i = 0; i < wanted; i++)
        in += limiter_enter(l);
    return in;
}

static void leave_all(struct limiter *l)
{
    while (l->in_flight > 0)
        limiter_leave(l);
}

Test(limiter, a_burst_after_a_quiet_time_is_let_in)
{
    struct limiter l;

    limiter_init(&l, 8, 1000);
    for (int i = 0; i < 100; i++)
        limiter_adjust(&l, 0);
    cr_assert_eq(enter_all(&l, 1001), 1000);
    limiter_leave(&l);
    cr_assert_eq(enter_all(&l, 5), 1);
}

Test(limiter, a_standing_queue_brings_it_down_from_what_was_in_flight)
{
    struct limiter l;

    limiter_init(&l, 8, 1000);
    cr_assert_eq(enter_all(&l, 100), 100);
    limiter_adjust(&l, 1.25);
    cr_assert_eq(l.limit, 80, "80 %% of the hundred, not of the thousand: %zu", l.limit);
    cr_assert_eq(enter_all(&l, 10), 0, "first it drains");
    limiter_adjust(&l, 100);
    cr_assert_eq(l.limit, 40, "at most by half at a time");
    leave_all(&l);
    for (int i = 0; i < 20; i++)
        limiter_adjust(&l, 2);
    cr_assert_eq(l.limit, 8, "never below the least");
}

Test(limiter, it_recovers_while_nothing_stands)
{
    struct limiter l;

    limiter_init(&l, 10, 1000);
    limiter_adjust(&l, 9);
    cr_assert_eq(l.limit, 10);
    limiter_adjust(&l, 0.5);
    cr_assert_eq(l.limit, 11);
    for (int i = 0; i < 100; i++)
        limiter_adjust(&l, 0);
    cr_assert_eq(l.limit, 1000, "ten seconds of tenths later a burst is let in again");
}

Test(limiter, what_may_not_be_refused_counts)
{
    struct limiter l;

    limiter_init(&l, 1, 2);
    limiter_force(&l);
    limiter_force(&l);
    limiter_force(&l);
    cr_assert_eq(l.in_flight, 3);
    cr_assert_eq(enter_all(&l, 1), 0);
    limiter_leave(&l);
    limiter_leave(&l);
    cr_assert_eq(enter_all(&l, 2), 1);
}

/* A server that does `rate` a second and is offered ten times that, step by step of a tenth of a
 * second: the limit settles where the wait is what was asked for, and nothing piles up. */
Test(limiter, settles_where_the_wait_is_the_one_wanted)
{
    const double rate = 2000, wanted_s = 0.25;
    struct limiter l;
    double wait_s = 0;

    limiter_init(&l, 32, 3072);
    for (int step = 0; step < 300; step++) {
        size_t done = (size_t)(rate / 10);

        (void)enter_all(&l, (size_t)rate);
        for (size_t i = 0; i < done && l.in_flight > 0; i++)
            limiter_leave(&l);
        wait_s = (double)l.in_flight / rate;
        limiter_adjust(&l, wait_s / wanted_s);
        if (step > 100)
            cr_assert(wait_s > 0.1 && wait_s < 0.4, "step %d: wait %.3f s", step, wait_s);
    }
}
