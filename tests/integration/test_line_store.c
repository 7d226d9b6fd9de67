/* Who is in the line: none when Redis does not know it, everybody once who joins. */
#include "tests/integration/line_store_rig.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(line_store, .timeout = 90, .fini = assert_no_leaks);

/* ---- a line that is not known ---- */

Test(line_store, missing_line_is_never_an_answer, .init = open_stores, .fini = close_stores)
{
    struct claim_call c = {.call.cb = call_cb};

    cr_assert_eq(meter().call.outcome, LINE_FORGOTTEN);
    joined.call.cb = call_cb;
    joined.count = 1;
    await(line_store_join(kv, &joined, EVENT, LINE_DEADLINE_MS));
    cr_assert_eq(joined.call.outcome, LINE_FORGOTTEN);
    await(line_store_claim(kv, &c, EVENT, 0, "jti", true, LINE_DEADLINE_MS));
    cr_assert_eq(c.call.outcome, LINE_FORGOTTEN);
    cr_assert(!reserve(1, 100));
    cr_assert(!confirm(1, 100));
    cr_assert_str_eq(server_redis(redis, "DBSIZE"), "0", "and nothing was left behind");
}

Test(line_store, line_of_another_server_process_is_not_known, .init = open_stores,
     .fini = close_stores)
{
    struct line_record record = record_of(600, 10);

    setup_line(&record, 10);
    cr_assert_eq(meter().call.outcome, LINE_DONE);
    server_redis(redis, "HSET {e7}:q:line run 0123456789012345678901234567890123456789");
    cr_assert_eq(meter().call.outcome, LINE_FORGOTTEN);
    cr_assert(!confirm(1, 1));
}

Test(line_store, one_worker_rebuilds, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 10);

    cr_assert(take_right("a"));
    cr_assert(!take_right("b"));
    cr_assert(!load("b", &record, 0));
    cr_assert(load("a", &record, 0));
    cr_assert(!load("a", &record, 0), "the right is used up");
}

Test(line_store, older_epochs_and_settings_are_refused, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 10);
    struct line_settings newer = record.settings;
    struct line_call c = {.cb = call_cb};

    record.epoch = 5;
    setup_line(&record, 10);
    cr_assert(!confirm(4, 3));
    cr_assert(!reserve(4, 1000));
    newer.version = 3;
    newer.rate_per_minute = 1200;
    cr_assert(accepted(&c, line_store_settings(kv, &c, EVENT, &newer)));
    await(line_store_settings(kv, &c, EVENT, &record.settings));
    cr_assert_eq(meter().line.settings.rate_per_minute, 1200);
    cr_assert_eq(meter().line.settings.version, 3);
}

/* ---- joining ---- */

Test(line_store, same_person_same_number, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 10);

    setup_line(&record, 100);
    join_many(1, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(joined.slots[i].number, (int64_t)i);
        cr_assert(joined.slots[i].fresh);
    }
    cr_assert_eq(join(2), 1);
    cr_assert(!joined.slots[0].fresh);
    cr_assert_eq(join(9), 3);
}

Test(line_store, twice_in_one_call_is_one_person, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 10);

    setup_line(&record, 100);
    joined.call.cb = call_cb;
    joined.count = 2;
    name_person(1, joined.slots[0].id);
    name_person(1, joined.slots[1].id);
    await(line_store_join(kv, &joined, EVENT, LINE_DEADLINE_MS));
    cr_assert_eq(joined.slots[0].number, joined.slots[1].number);
    cr_assert_eq(meter().line.next, 1);
}

Test(line_store, only_reserved_numbers_are_given, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 10);

    setup_line(&record, 2);
    join_many(1, 3);
    cr_assert_eq(joined.slots[1].number, 1);
    cr_assert_eq(joined.slots[2].number, LINE_NUMBER_NONE);
    cr_assert(reserve(1, 3));
    cr_assert_eq(join(3), 2);
}

Test(line_store, joining_needs_an_open_door, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 10);
    struct line_call c = {.cb = call_cb};

    record.settings.opens_ms = FAR_MS;
    setup_line(&record, 100);
    cr_assert_eq(join(1), LINE_NUMBER_CLOSED, "idle");
    record.settings.version++;
    record.settings.prequeue_ms = LONG_AGO_MS;
    cr_assert(accepted(&c, line_store_settings(kv, &c, EVENT, &record.settings)));
    cr_assert_eq(join(1), 0, "prequeue");
    cr_assert_eq(turn_meter().serving, 0, "nobody is called before the on-sale instant");
    record.settings.version++;
    record.settings.opens_ms = LONG_AGO_MS;
    record.settings.closes_ms = LONG_AGO_MS + 1;
    cr_assert(accepted(&c, line_store_settings(kv, &c, EVENT, &record.settings)));
    cr_assert_eq(join(2), LINE_NUMBER_CLOSED, "closed");
    cr_assert_eq(join(1), 0, "who has a number keeps it");
    cr_assert_eq(claim(0), CLAIM_WAIT);
}

Test(line_store, buckets_grow_without_forgetting, .init = open_stores, .fini = close_stores)
{
    enum { PEOPLE = 26 * 1024 }; /* past the first level's 25,600 */
    struct line_record record = record_of(600, 10);

    setup_line(&record, PEOPLE + 10);
    for (uint64_t i = 0; i < PEOPLE; i += LINE_JOINS_MAX) {
        join_many(i, LINE_JOINS_MAX);
        cr_assert_eq(joined.slots[0].number, (int64_t)i);
        cr_assert_eq(joined.slots[LINE_JOINS_MAX - 1].number, (int64_t)i + LINE_JOINS_MAX - 1);
    }
    cr_assert_eq(join(0), 0);
    cr_assert_eq(join(25599), 25599);
    cr_assert_eq(join(25600), 25600);
    cr_assert_eq(join(PEOPLE - 1), PEOPLE - 1);
    cr_assert_eq(join(PEOPLE), PEOPLE);
}

Test(line_store, memory_of_a_place_is_small, .init = open_stores, .fini = close_stores)
{
    enum { PEOPLE = 100 * 256 };
    struct line_record record = record_of(600, 10);
    uint64_t before, after;

    setup_line(&record, PEOPLE);
    slice_to_u64(
        slice_str(server_redis(
            redis,
            "EVAL return(tonumber(string.match(redis.call('INFO','memory'),'used_memory:(%d+)'))) "
            "0")),
        &before);
    for (uint64_t i = 0; i < PEOPLE; i += LINE_JOINS_MAX)
        join_many(i, LINE_JOINS_MAX);
    slice_to_u64(
        slice_str(server_redis(
            redis,
            "EVAL return(tonumber(string.match(redis.call('INFO','memory'),'used_memory:(%d+)'))) "
            "0")),
        &after);
    cr_assert_leq((after - before) / PEOPLE, 32, "%d bytes a person",
                  (int)((after - before) / PEOPLE));
    cr_assert_str_eq(server_redis(redis, "OBJECT ENCODING {e7}:q:join:0:0"), "listpack");
}
