/* Sales and refunds as Redis marks them: once each, together when they come together, however late.
 */
#include "tests/integration/seat_store_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>

TestSuite(seat_sales, .timeout = 120, .fini = assert_no_leaks);

Test(seat_sales, a_sale_ends_hold_and_session_and_repeating_it_changes_nothing)
{
    struct call c;
    struct hold sold;
    uint64_t after;

    setup();
    server_redis(redis, "ZADD {e1}:q:active 9999999999999 s1");
    PLACE(&c, "1.b", "s1", 5, 6);
    PLACE(&c, "1.a", "s1", 1, 2);
    sold = c.call.hold;
    sell(&c, &sold);
    after = rev();
    assert_counts(98, 0, 2, 0);
    cr_assert_str_eq(server_redis(redis, "HGET {e1}:sess:s1 state"), "booked");
    cr_assert_str_eq(server_redis(redis, "ZCARD {e1}:q:active"), "0");
    cr_assert_eq(get(&c, "1.b", "s1"), HOLD_NOT_FOUND,
                 "the other hold of a spent session goes back on sale");
    sell(&c, &sold);
    cr_assert_eq(rev(), after);
    cr_assert_eq(get(&c, "1.a", "s1"), HOLD_EXPIRED);
    PLACE(&c, "1.c", "s2", 2);
    cr_assert_eq(c.call.refused_why[0], SEAT_SOLD);
    assert_log_tells_the_state((2ull << 40) + 1);
    teardown();
}

/* ---- many at once ---- */

/* A commit confirms up to 64 bookings at once: one revision, one record, one message to everybody.
 */
Test(seat_sales, sales_of_one_turn_are_one_change)
{
    enum { SALES = 3 };
    struct call c, sales[SALES];
    struct hold holds[SALES];
    uint64_t before;

    setup();
    PLACE(&c, "1.a", "s1", 1, 2);
    holds[0] = c.call.hold;
    PLACE(&c, "1.b", "", 5);
    holds[1] = c.call.hold;
    PLACE(&c, "1.c", "", 7, 8);
    holds[2] = c.call.hold;
    PLACE(&c, "1.d", "s1", 20);
    before = rev();
    for (size_t i = 0; i < SALES; i++) {
        sales[i] = (struct call){.calls = 0};
        sales[i].call.hold = holds[i];
        sales[i].call.cb = called;
        cr_assert_eq(seat_store_sold(store, &sales[i].call), STATUS_OK);
    }
    for (size_t i = 0; i < SALES; i++) {
        LOOP_UNTIL(&loop, sales[i].calls == 1, 5000);
        cr_assert_eq(sales[i].status, STATUS_OK);
        cr_assert_eq(sales[i].call.outcome, HOLD_GRANTED);
        cr_assert_neq(sales[i].call.server_ms, 0);
    }
    cr_assert_eq(rev(), before + 2, "the sales, and what the first session held beside");
    assert_counts(95, 0, 5, 0);
    assert_log_tells_the_state((2ull << 40) + 1);
    for (size_t i = 0; i < SALES; i++)
        cr_assert_eq(get(&c, holds[i].id, holds[i].session), HOLD_EXPIRED);
    for (size_t i = 0; i < SALES; i++)
        cr_assert(seat_store_has_sold(store, &holds[i]));
    holds[0].versions[0]++;
    cr_assert_not(seat_store_has_sold(store, &holds[0]), "another sale of the same seat");
    teardown();
}

/* The purchase and the relay may mark one sale in the same turn. */
Test(seat_sales, the_same_sale_twice_in_one_turn_is_one)
{
    struct call c, twice[2];
    uint64_t before;

    setup();
    PLACE(&c, "1.a", "s1", 1, 2);
    before = rev();
    for (size_t i = 0; i < 2; i++) {
        twice[i] = (struct call){.calls = 0};
        twice[i].call.hold = c.call.hold;
        twice[i].call.cb = called;
        cr_assert_eq(seat_store_sold(store, &twice[i].call), STATUS_OK);
    }
    LOOP_UNTIL(&loop, twice[0].calls == 1 && twice[1].calls == 1, 5000);
    cr_assert_eq(rev(), before + 1);
    assert_counts(98, 0, 2, 0);
    assert_log_tells_the_state((2ull << 40) + 1);
    cr_assert(strstr(server_redis(redis, "XREVRANGE {e1}:log + - COUNT 1"), " seats 1,2 cause "),
              "each seat once: %s", server_redis(redis, "XREVRANGE {e1}:log + - COUNT 1"));
    cr_assert_str_eq(server_redis(redis, "BITFIELD_RO {e1}:ver GET u32 #1"), "1");
    teardown();
}

/* One sale that Redis cannot mark does not keep the others of its turn from being marked. */
Test(seat_sales, a_sale_that_cannot_be_marked_fails_alone)
{
    enum { SALES = 3 };
    struct call c, sales[SALES];

    setup();
    PLACE(&c, "1.a", "", 1);
    server_redis(redis, "SET {e1}:hold:1.bad text");
    for (uint32_t i = 0; i < SALES; i++) {
        sales[i] = (struct call){.calls = 0};
        name(&sales[i].call, i == 1 ? "1.bad" : i == 2 ? "1.a" : "", "");
        sales[i].call.hold.seat_count = 1;
        sales[i].call.hold.seats[0] = i == 2 ? 1 : 50 + i;
        cr_assert_eq(seat_store_sold(store, &sales[i].call), STATUS_OK);
    }
    for (size_t i = 0; i < SALES; i++) {
        LOOP_UNTIL(&loop, sales[i].calls == 1, 5000);
        cr_assert_eq(sales[i].status, i == 1 ? STATUS_INTERNAL : STATUS_OK);
    }
    cr_assert_eq(get(&c, "1.a", ""), HOLD_EXPIRED, "its hold has ended with the sale");
    assert_log_tells_the_state((2ull << 40) + 1);
    teardown();
}

/* More than one script takes: what does not fit goes out in another one, in the same turn. */
Test(seat_sales, many_sales_of_one_turn_are_all_marked)
{
    enum { SALES = SEATS };
    static struct call sales[SALES];

    setup();
    for (uint32_t i = 0; i < SALES; i++) {
        sales[i] = (struct call){.calls = 0};
        name(&sales[i].call, "", "");
        sales[i].call.hold.seat_count = 1;
        sales[i].call.hold.seats[0] = i;
        cr_assert_eq(seat_store_sold(store, &sales[i].call), STATUS_OK);
    }
    for (size_t i = 0; i < SALES; i++) {
        LOOP_UNTIL(&loop, sales[i].calls == 1, 5000);
        cr_assert_eq(sales[i].status, STATUS_OK);
    }
    assert_counts(0, 0, SEATS, 0);
    cr_assert_eq(log_length(), 2, "64 and 36");
    teardown();
}

Test(seat_sales, sales_that_gather_are_canceled_by_the_stop)
{
    struct call sales[2];

    setup();
    for (uint32_t i = 0; i < 2; i++) {
        sales[i] = (struct call){.calls = 0};
        name(&sales[i].call, "", "");
        sales[i].call.hold.seat_count = 1;
        sales[i].call.hold.seats[0] = i;
        cr_assert_eq(seat_store_sold(store, &sales[i].call), STATUS_OK);
    }
    seat_store_stop(store);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(sales[i].calls, 1);
        cr_assert_eq(sales[i].status, STATUS_CANCELED);
        cr_assert_not(seat_store_has_sold(store, &sales[i].call.hold));
    }
    teardown();
}

/* ---- late ---- */

/* The relay marks a sale from its outbox row long after: the hold had expired, the seat was held by
 * another. */
Test(seat_sales, a_late_mark_wins_over_a_later_hold)
{
    struct call c;
    struct hold sold;

    setup();
    place_short(&c, "1.a", "s1", 1, 2);
    sold = c.call.hold;
    LOOP_UNTIL(&loop, lock_is_gone("{e1}seat:1"), 5000);
    PLACE(&c, "1.b", "s2", 2, 3);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    sell(&c, &sold);
    assert_counts(97, 1, 2, 0);
    cr_assert_eq(simple(&c, seat_store_release, "1.b", "s2"), HOLD_GRANTED);
    assert_counts(98, 0, 2, 0);
    assert_log_tells_the_state((2ull << 40) + 1);
    teardown();
}

static void set(struct call *c, enum seat_state state, const char *cause, uint32_t seat,
                uint32_t version)
{
    *c = (struct call){.calls = 0};
    name(&c->call, "", "");
    c->call.hold.seat_count = 1;
    c->call.hold.seats[0] = seat;
    c->call.hold.versions[0] = version;
    wait_for(c, seat_store_set(store, &c->call, state, cause));
}

/* Fault seen in running systems: a cancelled seat is free in one store and locked in the other. */
Test(seat_sales, a_refunded_seat_is_sellable_at_once)
{
    struct call c;
    struct hold sold;
    uint64_t after;

    setup();
    PLACE(&c, "1.a", "s1", 1);
    sold = c.call.hold;
    sell(&c, &sold);
    set(&c, SEAT_FREE, "refund", 1, 2);
    after = rev();
    set(&c, SEAT_FREE, "refund", 1, 2);
    cr_assert_eq(rev(), after, "one version, one change");
    sell(&c, &sold);
    cr_assert_eq(rev(), after, "the sale's mark, repeated late, does not sell it again");
    PLACE(&c, "1.b", "s2", 1);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_eq(c.call.hold.versions[0], 2);
    cr_assert_gt(c.call.hold.fence, sold.fence);
    set(&c, SEAT_BLOCKED, "block", 1, 3);
    assert_counts(99, 0, 0, 1);
    cr_assert_eq(simple(&c, seat_store_release, "1.b", "s2"), HOLD_GRANTED);
    assert_counts(99, 0, 0, 1);
    assert_log_tells_the_state((2ull << 40) + 1);
    teardown();
}
