/* What Redis has of PostgreSQL: built by whoever comes first, built again when it is lost or wrong,
 * its log within its limit. */
#include "engine/booking/mirror.h"
#include "tests/integration/seat_store_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(seat_mirror, .timeout = 120, .fini = assert_no_leaks);

Test(seat_mirror, the_mirror_is_built_by_the_first_call)
{
    struct call c;

    setup();
    server_sql(postgres, "UPDATE event_seat SET status = 3, version = 7 WHERE seat = 5");
    PLACE(&c, "1.a", "", 1, 2);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_eq(c.call.hold.fence, (2ull << 40) + 1, "the epoch is PostgreSQL's, raised by one");
    assert_counts(97, 2, 0, 1);
    PLACE(&c, "1.b", "", 5);
    cr_assert_eq(c.call.outcome, HOLD_SEATS_TAKEN);
    cr_assert_eq(c.call.refused_why[0], SEAT_BLOCKED);
    cr_assert_eq(mirror_rebuilds(seat_store_mirror(store)), 1);
    teardown();
}

Test(seat_mirror, redis_that_forgot_everything_costs_holds_only)
{
    struct call c;
    char old_run[sizeof(kv->run_id)];
    uint64_t before;

    setup();
    PLACE(&c, "1.a", "s1", 1);
    before = c.call.hold.fence;
    server_sql(postgres, "UPDATE event_seat SET version = 1 WHERE seat = 9");
    server_redis(redis, "FLUSHALL");
    PLACE(&c, "1.b", "s1", 9);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_eq(c.call.hold.versions[0], 1);
    cr_assert_gt(c.call.hold.fence, before);
    cr_assert_eq(get(&c, "1.a", "s1"), HOLD_NOT_FOUND);
    memcpy(old_run, kv->run_id, sizeof(old_run));
    server_kill9(redis);
    server_restart(redis);
    LOOP_UNTIL(&loop, kv_ready(kv, NULL) && strcmp(kv->run_id, old_run) != 0, 10000);
    PLACE(&c, "1.c", "s1", 1, 9);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    assert_counts(98, 2, 0, 0);
    teardown();
}

/* Four million changes that nobody sends: the oldest go, not the hold that adds one more. */
Test(seat_mirror, a_log_that_nobody_sends_ends_at_its_limit)
{
    enum { LIMIT = 4194304, PART = LIMIT / 16 + 100, NODE = 100 };
    char command[200];
    struct call c;

    setup();
    PLACE(&c, "h1", "", 0);
    for (int i = 0; i < 16; i++) {
        snprintf(command, sizeof(command),
                 "EVAL for\ti=1,%d\tdo\tredis.call('XADD',KEYS[1],ARGV[1]..'-'..(ARGV[2]+i),'a',"
                 "'b')\tend 1 {e1}:log %llu %d",
                 PART, (unsigned long long)rev(), i * PART);
        server_redis(redis, command);
    }
    cr_assert_gt(log_length(), LIMIT + 10 * NODE);
    PLACE(&c, "h2", "", 1);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_leq(log_length(), LIMIT + NODE, "Redis drops whole nodes of its list");
    cr_assert_geq(log_length(), LIMIT);
    teardown();
}

/* ---- rebuilds ---- */

struct rebuild {
    struct mirror_wait wait;
    int calls;
    enum status status;
};

static void rebuilt(struct mirror_wait *wait, enum status status)
{
    struct rebuild *r = container_of(wait, struct rebuild, wait);

    r->calls++;
    r->status = status;
}

static void rebuild(void)
{
    struct rebuild r = {.wait = {.cb = rebuilt}};

    cr_assert_eq(mirror_repair(seat_store_mirror(store), SALE_EVENT, true, &r.wait), STATUS_OK);
    LOOP_UNTIL(&loop, r.calls == 1, 5000);
    cr_assert_eq(r.status, STATUS_OK);
}

Test(seat_mirror, a_rebuild_keeps_the_holds_that_the_truth_allows)
{
    struct call c;
    struct hold kept;

    setup();
    PLACE(&c, "1.keep", "s1", 1, 2);
    kept = c.call.hold;
    PLACE(&c, "1.lost", "s2", 5, 6);
    PLACE(&c, "1.older", "s2", 8);
    server_sql(postgres, "UPDATE event_seat SET status = 3 WHERE seat = 6");
    server_sql(postgres, "UPDATE event_seat SET version = version + 1 WHERE seat = 8");
    rebuild();
    assert_counts(97, 2, 0, 1);
    cr_assert_eq(get(&c, "1.older", "s2"), HOLD_EXPIRED);
    cr_assert_eq(get(&c, "1.keep", "s1"), HOLD_GRANTED);
    cr_assert_eq(c.call.hold.fence, kept.fence);
    cr_assert_eq(get(&c, "1.lost", "s2"), HOLD_EXPIRED);
    cr_assert_str_eq(server_redis(redis, "EXISTS {e1}seat:5"), "0");
    PLACE(&c, "1.new", "s3", 5);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_gt(c.call.hold.fence, kept.fence + 1);
    sell(&c, &kept);
    assert_counts(96, 1, 2, 1);
    teardown();
}

Test(seat_mirror, an_epoch_never_goes_back)
{
    struct call c;
    uint64_t before;

    setup();
    for (int i = 0; i < 3; i++)
        rebuild();
    PLACE(&c, "1.a", "", 1);
    before = c.call.hold.fence;
    server_sql(postgres, "UPDATE event SET epoch = 1");
    rebuild();
    PLACE(&c, "1.b", "", 2);
    cr_assert_eq(c.call.outcome, HOLD_GRANTED);
    cr_assert_gt(c.call.hold.fence, before);
    teardown();
}

/* A rebuild that was slow must not overwrite what a later one has built and what was sold since. */
Test(seat_mirror, a_superseded_rebuild_is_refused)
{
    struct call c;
    struct rebuild r = {.wait = {.cb = rebuilt}};

    setup();
    PLACE(&c, "1.a", "", 1);
    server_redis(redis, "DEL {e1}:run");
    server_redis(redis, "SET {e1}:rebuild somebody-elses PX 300");
    cr_assert_eq(mirror_repair(seat_store_mirror(store), SALE_EVENT, false, &r.wait), STATUS_OK);
    LOOP_UNTIL(&loop, r.calls == 1, 5000);
    cr_assert_eq(r.status, STATUS_OK,
                 "whoever waits for another's rebuild takes over when that one died");
    cr_assert_eq(get(&c, "1.a", ""), HOLD_GRANTED);
    teardown();
}
