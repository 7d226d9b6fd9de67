#include "engine/net/loop.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>

TestSuite(loop, .fini = assert_no_leaks);

struct counter {
    struct turn_end end;
    struct loop *loop;
    int calls, again;
};

static void count(struct turn_end *end)
{
    struct counter *c = container_of(end, struct counter, end);

    c->calls++;
    if (c->again-- > 0)
        loop_defer(c->loop, &c->end);
}

Test(loop, deferred_work_runs_once_and_never_inside_the_call)
{
    struct loop l;
    struct counter c = {.loop = &l};

    loop_init(&l, &clock_system);
    turn_end_init(&c.end, count);
    loop_defer(&l, &c.end);
    loop_defer(&l, &c.end);
    cr_assert_eq(c.calls, 0);
    loop_turn(&l, false);
    cr_assert_eq(c.calls, 1);
    loop_turn(&l, false);
    cr_assert_eq(c.calls, 1);
    loop_free(&l);
}

Test(loop, what_is_deferred_at_the_end_of_a_turn_runs_in_the_next_without_sleep)
{
    struct loop l;
    struct counter c = {.loop = &l, .again = 1};

    loop_init(&l, &clock_system);
    turn_end_init(&c.end, count);
    loop_defer(&l, &c.end);
    loop_turn(&l, false);
    cr_assert_eq(c.calls, 1);
    loop_run(&l); /* returns: nothing is left afterwards */
    cr_assert_eq(c.calls, 2);
    loop_free(&l);
}

Test(loop, canceled_work_does_not_run)
{
    struct loop l;
    struct counter c = {.loop = &l};

    loop_init(&l, &clock_system);
    turn_end_init(&c.end, count);
    turn_end_cancel(&c.end);
    loop_defer(&l, &c.end);
    turn_end_cancel(&c.end);
    loop_turn(&l, false);
    cr_assert_eq(c.calls, 0);
    loop_free(&l);
}

struct alarm_clock {
    struct timer timer;
    struct loop *loop;
    int fired, closed;
};

static void fired(struct timer *t)
{
    struct alarm_clock *a = container_of(t, struct alarm_clock, timer);

    if (++a->fired == 3)
        loop_stop(a->loop);
}

static void closed(struct timer *t)
{
    container_of(t, struct alarm_clock, timer)->closed++;
}

Test(loop, a_timer_repeats_until_the_loop_is_stopped)
{
    struct loop l;
    struct alarm_clock a = {.loop = &l};

    loop_init(&l, &clock_system);
    timer_init(&l, &a.timer, fired);
    cr_assert(!timer_active(&a.timer));
    timer_start(&a.timer, 1, 1);
    cr_assert(timer_active(&a.timer));
    loop_run(&l);
    cr_assert_eq(a.fired, 3);
    timer_stop(&a.timer);
    cr_assert(!timer_active(&a.timer));
    loop_run(&l);
    cr_assert_eq(a.fired, 3);
    timer_close(&a.timer, closed);
    cr_assert_eq(a.closed, 0);
    loop_free(&l);
    cr_assert_eq(a.closed, 1);
}
