/* Holds and time: what is promised, what the grace adds, and what follows when it is over. */
#include "tests/integration/seat_store_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>

TestSuite(seat_time, .timeout = 120, .fini = assert_no_leaks);

Test(seat_time, a_lock_outlives_the_promise_by_the_grace_only)
{
    struct call c;
    long ttl;

    setup();
    PLACE(&c, "1.a", "", 3);
    ttl = strtol(server_redis(redis, "PTTL {e1}seat:3"), NULL, 10);
    cr_assert_gt(ttl, 60000);
    cr_assert_leq(ttl, 60000 + SEAT_GRACE_MS);
    cr_assert_str_eq(server_redis(redis, "GET {e1}seat:3"), "1.a");
    teardown();
}

/* Fault seen in running systems: an abandoned hold stays unsellable until a sweep. */
Test(seat_time, an_abandoned_seat_needs_no_sweep)
{
    struct call c;

    setup();
    place_short(&c, "1.a", "s1", 10, 3);
    LOOP_UNTIL(&loop, get(&c, "1.a", "s1") == HOLD_EXPIRED, 2000);
    LOOP_UNTIL(&loop, lock_is_gone("{e1}seat:11"), 5000);
    PLACE(&c, "1.b", "s2", 11, 12, 13);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    assert_counts(97, 3, 0, 0);
    cr_assert_str_eq(server_redis(redis, "HGET {e1}:sess:s1 seats"), "0");
    cr_assert_eq(get(&c, "1.a", "s1"), HOLD_EXPIRED);
    cr_assert_eq(simple(&c, seat_store_release, "1.a", "s1"), HOLD_GRANTED);
    assert_counts(97, 3, 0, 0);
    cr_assert_eq(log_length(), 3, "hold, expire, hold");
    assert_log_tells_the_state((2ull << 40) + 1);
    teardown();
}

static size_t sweep(void)
{
    struct call c = {.calls = 0};

    name(&c.call, "", "");
    wait_for(&c, seat_store_sweep(store, &c.call, 100));
    return c.call.hold.seat_count;
}

Test(seat_time, the_sweeper_ends_each_hold_once)
{
    struct call c;

    setup();
    place_short(&c, "1.a", "", 10, 2);
    place_short(&c, "1.b", "", 20, 2);
    PLACE(&c, "1.c", "", 30);
    cr_assert_eq(sweep(), 0, "not within the grace: a commit may be in flight");
    LOOP_UNTIL(&loop, lock_is_gone("{e1}seat:20"), 5000);
    LOOP_UNTIL(&loop, sweep() == 2, 2000);
    cr_assert_eq(sweep(), 0);
    assert_counts(99, 1, 0, 0);
    assert_log_tells_the_state((2ull << 40) + 1);
    teardown();
}

Test(seat_time, extension_ends_at_the_cap)
{
    struct call c;
    struct hold_terms t;
    int64_t expires;

    setup();
    t = terms();
    PLACE(&c, "1.a", "s1", 1);
    expires = c.call.hold.expires_ms;
    c = (struct call){.calls = 0};
    name(&c.call, "1.a", "s1");
    wait_for(&c, seat_store_extend(store, &c.call, &t, 30000));
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_eq(c.call.hold.expires_ms, expires + 30000);
    c = (struct call){.calls = 0};
    name(&c.call, "1.a", "s1");
    wait_for(&c, seat_store_extend(store, &c.call, &t, 40000));
    cr_assert_eq(c.call.outcome, HOLD_CAP);
    get(&c, "1.a", "s1");
    cr_assert_eq(c.call.hold.expires_ms, expires + 30000);
    teardown();
}

Test(seat_time, a_hold_never_outlives_its_pass)
{
    struct call c;
    struct hold_terms t;
    uint32_t seat = 1;

    setup();
    t = terms();
    t.session_expires_ms = clock_wall_ms(&clock_system) + 5000;
    place_with(&c, &t, "1.a", "s1", 1, &seat);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_leq(c.call.hold.expires_ms, t.session_expires_ms);
    cr_assert_leq(c.call.hold.cap_ms, t.session_expires_ms);
    t.session_expires_ms = clock_wall_ms(&clock_system) - 1;
    seat = 2;
    place_with(&c, &t, "1.b", "s2", 1, &seat);
    cr_assert_eq(c.call.outcome, HOLD_SESSION_ENDED);
    teardown();
}

Test(seat_time, payment_extends_once_and_stops_changes)
{
    struct call c;
    struct hold_terms t;
    const uint32_t add = 5;
    int64_t expires;

    setup();
    t = terms();
    PLACE(&c, "1.a", "s1", 1);
    c = (struct call){.calls = 0};
    name(&c.call, "1.a", "s1");
    wait_for(&c, seat_store_pay(store, &c.call, 90000));
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert(c.call.hold.paying);
    expires = c.call.hold.expires_ms;
    cr_assert_geq(expires, c.call.server_ms + 90000);
    c = (struct call){.calls = 0};
    name(&c.call, "1.a", "s1");
    wait_for(&c, seat_store_pay(store, &c.call, 110000));
    cr_assert_eq(c.call.hold.expires_ms, expires, "once");
    cr_assert_eq(simple(&c, seat_store_release, "1.a", "s1"), HOLD_PAYING);
    c = (struct call){.calls = 0};
    name(&c.call, "1.a", "s1");
    wait_for(&c, seat_store_swap(store, &c.call, &t, &add, 1, NULL, 0));
    cr_assert_eq(c.call.outcome, HOLD_PAYING);
    cr_assert_eq(simple(&c, seat_store_unpay, "1.a", "s1"), HOLD_GRANTED);
    cr_assert_not(c.call.hold.paying);
    cr_assert_eq(c.call.hold.expires_ms, expires, "the expiry stays as it is");
    cr_assert_eq(simple(&c, seat_store_release, "1.a", "s1"), HOLD_GRANTED);
    teardown();
}
