/* The scripts of the line on a real Redis, as two workers call them. */
#include "engine/base/encode.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/booking/pressure.h"
#include "engine/store/kv_redis.h"
#include "tests/lib/leaks.h"
#include "tests/lib/servers.h"
#include "tests/lib/until.h"
#include "waitroom/line_store.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(line_store, .timeout = 90, .fini = assert_no_leaks);

#define EVENT       7
#define LONG_AGO_MS 1000000000000
#define FAR_MS      9000000000000

static struct loop loop;
static struct server *redis;
static struct kv *workers[2];
static struct kv *kv; /* workers[0] */

static void open_stores(void)
{
    redis = servers_redis_start();
    loop_init(&loop, &clock_system);
    line_store_init();
    for (size_t i = 0; i < array_len(workers); i++) {
        workers[i] = kv_redis_new(&loop, &(struct kv_redis_options){.address = redis->address});
        LOOP_UNTIL(&loop, kv_ready(workers[i], NULL), 3000);
    }
    kv = workers[0];
}

static void close_stores(void)
{
    for (size_t i = 0; i < array_len(workers); i++)
        kv_close(workers[i]);
    loop_free(&loop);
    server_stop(redis);
}

/* ---- calls that wait for their answer ---- */

static int answered;
static enum status last_status;

static void call_cb(struct line_call *call, enum status status)
{
    (void)call;
    answered++;
    last_status = status;
}

static void await(enum status submitted)
{
    cr_assert_eq(submitted, STATUS_OK);
    cr_assert_eq(answered, 0, "a callback never comes inside the submit");
    LOOP_UNTIL(&loop, answered == 1, 3000);
    cr_assert_eq(last_status, STATUS_OK);
    answered = 0;
}

static struct meter_call meter(void)
{
    struct meter_call m = {.call.cb = call_cb};

    await(line_store_meter(kv, &m, EVENT));
    return m;
}

static bool accepted(struct line_call *call, enum status submitted)
{
    await(submitted);
    return call->accepted;
}

static bool take_right(const char *token)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_recover(kv, &c, EVENT, token));
}

static bool load(const char *token, const struct line_record *record, int64_t pause_ms)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_load(kv, &c, EVENT, token, record, pause_ms));
}

static bool reserve(uint32_t epoch, uint64_t high)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_reserve(kv, &c, EVENT, epoch, high));
}

static bool confirm(uint32_t epoch, uint64_t watermark)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_confirm(kv, &c, EVENT, epoch, watermark, 0));
}

static void back(uint64_t number)
{
    struct line_call c = {.cb = call_cb};

    cr_assert(accepted(&c, line_store_back(kv, &c, EVENT, number)));
}

static enum claim_outcome claim_as(struct kv *worker, uint64_t number, bool take)
{
    struct claim_call c = {.call.cb = call_cb};
    char jti[LINE_JTI_SIZE];

    snprintf(jti, sizeof(jti), "pass-%d", (int)number);
    await(line_store_claim(worker, &c, EVENT, number, jti, take, LINE_DEADLINE_MS));
    cr_assert_eq(c.call.outcome, LINE_DONE);
    return c.claim;
}

static enum claim_outcome claim(uint64_t number)
{
    return claim_as(kv, number, true);
}

static struct join_call joined; /* 10 KiB: not on the stack of every helper */

static void name_person(uint64_t person, uint8_t ret_id[LINE_JOIN_ID_SIZE])
{
    uint8_t digest[32];

    /* Spread like the keyed hashes of real join ids. */
    put_le64(digest, person * 0x9E3779B97F4A7C15u);
    put_le64(digest + 8, person);
    memcpy(ret_id, digest, LINE_JOIN_ID_SIZE);
}

/* Joins persons first .. first+count-1 in one call. */
static void join_many(uint64_t first, size_t count)
{
    joined.call.cb = call_cb;
    joined.count = count;
    for (size_t i = 0; i < count; i++)
        name_person(first + i, joined.slots[i].id);
    await(line_store_join(kv, &joined, EVENT, LINE_DEADLINE_MS));
    cr_assert_eq(joined.call.outcome, LINE_DONE);
}

static int64_t join(uint64_t person)
{
    join_many(person, 1);
    return joined.slots[0].number;
}

static struct line_record record_of(int64_t rate_per_minute, int64_t max_active)
{
    return (struct line_record){.settings = {.version = 1,
                                             .rate_per_minute = rate_per_minute,
                                             .max_active = max_active,
                                             .claim_ms = 60000,
                                             .opens_ms = LONG_AGO_MS},
                                .epoch = 1,
                                .born_ms = LONG_AGO_MS,
                                .salt = {1, 2, 3}};
}

static void setup_line(const struct line_record *record, uint64_t high)
{
    cr_assert(take_right("setup"));
    cr_assert(load("setup", record, 0));
    cr_assert(reserve(record->epoch, high));
}

/* What a worker does with a pass: writes the watermark (here: just says so) and confirms it. */
static struct line turn_meter(void)
{
    struct meter_call m = meter();

    cr_assert_eq(m.call.outcome, LINE_DONE);
    if (m.persist)
        cr_assert(confirm(m.line.epoch, m.target));
    return m.line;
}

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

/* ---- the meter and the passes ---- */

Test(line_store, nobody_is_called_before_the_ledger_has_it, .init = open_stores,
     .fini = close_stores)
{
    struct line_record record = record_of(60000, 100);
    struct meter_call m;

    setup_line(&record, 100);
    join_many(1, 10);
    server_redis(redis, "HSET {e7}:q:line carry 5");
    m = meter();
    cr_assert(m.persist);
    cr_assert_geq(m.target, 5);
    cr_assert_eq(m.line.serving, 0);
    cr_assert_eq(claim(0), CLAIM_WAIT);
    cr_assert(!meter().persist, "one worker is asked at a time");
    cr_assert_eq(meter().line.serving, 0);
    cr_assert(confirm(1, 3));
    cr_assert_eq(meter().line.serving, 3);
    cr_assert(confirm(1, 1000000));
    cr_assert_leq(meter().line.serving, 10, "not past its own target");
    cr_assert_eq(claim(0), CLAIM_NEW);
}

Test(line_store, one_number_one_pass, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(60000, 100);

    record.watermark = 3;
    record.number_high = 3;
    setup_line(&record, 10);
    cr_assert_eq(claim_as(workers[0], 1, false), CLAIM_CALLED, "looking takes nothing");
    cr_assert_eq(claim_as(workers[0], 1, true), CLAIM_NEW);
    cr_assert_eq(claim_as(workers[1], 1, true), CLAIM_SAME);
    cr_assert_eq(claim_as(workers[1], 1, false), CLAIM_SAME);
    cr_assert_str_eq(server_redis(redis, "ZCARD {e7}:q:active"), "1");
    server_redis(redis, "HSET {e7}:sess:pass-1 state open");
    cr_assert_eq(claim(1), CLAIM_SAME);
    server_redis(redis, "HSET {e7}:sess:pass-1 state booked");
    cr_assert_eq(claim(1), CLAIM_ENDED);
    server_redis(redis, "DEL {e7}:q:pass:0 {e7}:sess:pass-1");
    cr_assert_eq(claim(1), CLAIM_ENDED, "the claimed bit alone keeps it from coming twice");
}

Test(line_store, two_workers_at_once_admit_once, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(60000, 100);
    struct claim_call calls[2] = {{.call.cb = call_cb}, {.call.cb = call_cb}};
    int given = 0;

    record.watermark = record.number_high = 50;
    setup_line(&record, 50);
    for (uint64_t number = 0; number < 50; number++) {
        char jti[LINE_JTI_SIZE];

        snprintf(jti, sizeof(jti), "pass-%d", (int)number);
        for (size_t i = 0; i < 2; i++)
            cr_assert_eq(
                line_store_claim(workers[i], &calls[i], EVENT, number, jti, true, LINE_DEADLINE_MS),
                STATUS_OK);
        LOOP_UNTIL(&loop, answered == 2, 3000);
        answered = 0;
        given += (calls[0].claim == CLAIM_NEW) + (calls[1].claim == CLAIM_NEW);
        cr_assert_eq(calls[0].issued_s, calls[1].issued_s);
    }
    cr_assert_eq(given, 50);
    cr_assert_str_eq(server_redis(redis, "ZCARD {e7}:q:active"), "50");
}

Test(line_store, room_is_kept_and_given_back, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600000, 3);

    setup_line(&record, 100);
    join_many(1, 20);
    LOOP_UNTIL(&loop, turn_meter().serving >= 3, 3000);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(turn_meter().serving, 3, "three called, nobody else while they have not come");
    cr_assert_eq(claim(0), CLAIM_NEW);
    cr_assert_eq(claim(1), CLAIM_NEW);
    cr_assert_eq(turn_meter().serving, 3, "nor while they are inside");
    server_redis(redis, "ZREM {e7}:q:active pass-0");
    LOOP_UNTIL(&loop, turn_meter().serving == 4, 3000);
    cr_assert_eq(turn_meter().serving, 4);
}

Test(line_store, no_shows_miss_their_turn_and_others_come, .init = open_stores,
     .fini = close_stores)
{
    struct line_record record = record_of(600000, 3);

    record.settings.claim_ms = 3000;
    setup_line(&record, 100);
    join_many(1, 20);
    LOOP_UNTIL(&loop, turn_meter().serving == 3, 3000);
    cr_assert_eq(claim(1), CLAIM_NEW);
    LOOP_UNTIL(&loop, turn_meter().settled == 3, 10000);
    cr_assert_eq(claim(0), CLAIM_MISSED);
    cr_assert_eq(claim(2), CLAIM_MISSED);
    cr_assert_eq(claim(1), CLAIM_SAME, "who has claimed keeps the pass");
    LOOP_UNTIL(&loop, turn_meter().serving == 5, 3000);
    cr_assert_eq(claim(4), CLAIM_NEW);
}

/* ---- pressure ---- */

/* The words of a command are separated by spaces, so is the value. */
static void say_pressure(const char *engine, int value, const char *upto)
{
    char command[200];

    snprintf(command, sizeof(command),
             "EVAL redis.call('HSET','{e7}:q:pressure','%s','%d'..string.char(32)..%s) 0", engine,
             value, upto);
    server_redis(redis, command);
}

#define SOON "(redis.call('TIME')[1]+60)*1000"
#define OVER "(redis.call('TIME')[1]-1)*1000"

Test(line_store, a_full_stop_is_a_full_stop, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600000, 100);
    struct line_call c = {.cb = call_cb};
    uint64_t serving;

    setup_line(&record, 1000);
    join_many(1, 200);
    LOOP_UNTIL(&loop, turn_meter().serving > 0, 3000);
    record.settings.version++;
    record.settings.paused = true;
    cr_assert(accepted(&c, line_store_settings(kv, &c, EVENT, &record.settings)));
    serving = meter().target;
    for (int i = 0; i < 20; i++)
        cr_assert_leq(turn_meter().serving, serving);
    record.settings.version++;
    record.settings.paused = false;
    cr_assert(accepted(&c, line_store_settings(kv, &c, EVENT, &record.settings)));
    say_pressure("one", 100, SOON);
    serving = meter().target;
    for (int i = 0; i < 20; i++)
        cr_assert_leq(turn_meter().serving, serving, "pressure 100 lets nobody in");
}

Test(line_store, pressure_is_the_mean_of_those_who_say_something, .init = open_stores,
     .fini = close_stores)
{
    struct line_record record = record_of(600, 100);

    setup_line(&record, 200);
    cr_assert_eq(meter().line.pressure, 0, "nobody says anything");
    say_pressure("one", 100, SOON);
    cr_assert_eq(meter().line.pressure, 100);
    say_pressure("two", 0, SOON);
    say_pressure("three", 0, SOON);
    say_pressure("four", 0, SOON);
    cr_assert_eq(meter().line.pressure, 25, "one of four");
    say_pressure("one", 100, OVER);
    cr_assert_eq(meter().line.pressure, 0, "its word has run out");
    server_redis(redis, "HSET {e7}:q:pressure five nonsense");
    cr_assert_eq(meter().line.pressure, 0);
    server_redis(redis, "SET {e7}:q:pressure 100");
    cr_assert_eq(meter().line.pressure, 0, "not a hash: the line does not stand still for it");
}

Test(line_store, pressure_slows_the_line_by_its_share, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 100000); /* ten a second */
    uint64_t before;

    setup_line(&record, 200);
    join_many(1, 100);
    say_pressure("one", 75, SOON);
    turn_meter();
    server_redis(redis, "HSET {e7}:q:line carry 0");
    before = meter().target;
    server_redis(redis, "HSET {e7}:q:line at 1"); /* seconds pass: a second counts at most */
    cr_assert_eq(meter().target - before, 2, "a quarter of ten, and no more than whole people");
    server_redis(redis, "HSET {e7}:q:line at 1");
    cr_assert_eq(meter().target - before, 4, "what is kept, too, is a quarter of a second's worth");
}

static void feel_forty(void *ctx, struct pressure_signs *ret_signs)
{
    (void)ctx;
    *ret_signs = (struct pressure_signs){.commit_p99_ms = 460};
}

Test(line_store, what_an_engine_tells_the_meter_reads, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 100);
    struct pressure *engine = pressure_new(&loop, workers[1], feel_forty, NULL);

    setup_line(&record, 200);
    say_pressure("gone", 100, OVER);
    pressure_touch(engine, EVENT);
    LOOP_UNTIL(&loop, meter().line.pressure == 40, 3000);
    cr_assert_str_eq(server_redis(redis, "HLEN {e7}:q:pressure"), "1", "who has gone is forgotten");
    cr_assert_str_eq(server_redis(redis, "EXISTS {e8}:q:pressure"), "0", "nobody asked for that");
    pressure_stop(engine);
    LOOP_UNTIL(&loop, meter().line.pressure == 0, 4000);
    LOOP_UNTIL(&loop, strcmp(server_redis(redis, "EXISTS {e7}:q:pressure"), "0") == 0, 2000);
    loop_turn(&loop, false);
    pressure_free(engine);
}

/* No time passes for the line: only what else gives credit counts. */
static struct line turn_meter_without_time(void)
{
    server_redis(redis, "HSET {e7}:q:line at 9000000000000");
    return turn_meter();
}

Test(line_store, credit_does_not_pile_up, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 1000); /* ten a second */

    setup_line(&record, 200);
    for (int i = 0; i < 5; i++) {
        server_redis(redis, "HSET {e7}:q:line at 1"); /* as if seconds had passed */
        turn_meter();
    }
    join_many(1, 100);
    turn_meter_without_time();
    cr_assert_eq(meter().line.serving, 10, "a second's worth and no more");
}

Test(line_store, missed_turns_flow_back, .init = open_stores, .fini = close_stores)
{
    struct line_record record = record_of(600, 1000);

    record.settings.claim_ms = 3000;
    record.watermark = record.number_high = 8;
    setup_line(&record, 200);
    server_redis(redis, "HSET {e7}:q:line old_high 0");
    join_many(1, 100);
    cr_assert_eq(claim(3), CLAIM_NEW);
    LOOP_UNTIL(&loop, turn_meter_without_time().settled == 8, 10000);
    cr_assert_eq(meter().line.serving, 15, "seven did not come");
}

/* I9: numbers are unique, serving only moves forward, and admitted <= rate * t + burst, whatever
 * two workers do in whatever order. */
Test(line_store, random_schedules_keep_the_promises, .init = open_stores, .fini = close_stores)
{
    const int64_t rate_per_minute = 12000; /* 200 a second, burst 200 */
    struct line_record record = record_of(rate_per_minute, 1000000);
    uint64_t seed = (uint64_t)clock_mono_ns(&clock_system), serving = 0, admitted = 0, person = 0;
    static bool given[30000], inside[30000];
    struct rng rng;
    int64_t began_ns, now_ns;

    rng_seed(&rng, seed);
    record.settings.claim_ms = 1000;
    setup_line(&record, 0);
    began_ns = clock_mono_ns(&clock_system);
    do {
        struct meter_call m;
        uint64_t number;

        kv = workers[rng_below(&rng, 2)];
        switch (rng_below(&rng, 4)) {
        case 0:
            if (person >= 20000)
                break;
            join_many(person, 1 + rng_below(&rng, 40));
            for (size_t i = 0; i < joined.count; i++) {
                if (joined.slots[i].number < 0)
                    continue;
                cr_assert_lt(joined.slots[i].number, (int64_t)array_len(given));
                cr_assert(!given[joined.slots[i].number], "number given twice, seed %lu", seed);
                given[joined.slots[i].number] = true;
            }
            person += joined.count;
            break;
        case 1:
            m = meter();
            cr_assert_geq(m.line.serving, serving, "serving went back, seed %lu", seed);
            serving = m.line.serving;
            if (m.want > 0)
                cr_assert(reserve(1, m.want + 2000));
            if (m.persist && rng_below(&rng, 3) > 0) /* the other third dies before it confirms */
                cr_assert(confirm(1, m.target));
            break;
        default:
            number = rng_below(&rng, serving + 20);
            if (claim(number) == CLAIM_NEW) {
                cr_assert(!inside[number], "admitted twice, seed %lu", seed);
                inside[number] = true;
                admitted++;
            }
        }
        now_ns = clock_mono_ns(&clock_system);
        cr_assert_leq((double)admitted,
                      (double)rate_per_minute / 60 * ((double)(now_ns - began_ns) / 1e9 + 0.01 + 1),
                      "admitted too many, seed %lu", seed);
        /* A worker that dies before it confirms costs a second, and may do so many times in a row.
         */
    } while (now_ns - began_ns < 4000000000 || admitted <= 100);
}

/* ---- after Redis was lost ---- */

static struct line_record lost_record(void)
{
    struct line_record record = record_of(60000, 100);

    record.epoch = 2;
    record.watermark = 10;
    record.settled = 5;
    record.number_high = 1000;
    return record;
}

Test(line_store, after_a_loss_the_order_is_kept, .init = open_stores, .fini = close_stores)
{
    struct line_record record = lost_record();
    struct line line;

    setup_line(&record, 2000);
    line = meter().line;
    cr_assert_eq(line.serving, 10);
    cr_assert_eq(line.old_high, 1000);
    cr_assert_eq(join(1), 1000, "newcomers start above what may have been given");
    cr_assert_eq(claim(4), CLAIM_MISSED, "its time was over before");
    cr_assert_eq(claim(7), CLAIM_NEW, "called, perhaps not claimed: may claim now");
    cr_assert_eq(claim(10), CLAIM_WAIT);
}

Test(line_store, after_a_loss_ended_sessions_stay_ended, .init = open_stores, .fini = close_stores)
{
    static const char sessions[2][LINE_JTI_SIZE] = {"pass-6", "pass-8"};
    struct line_record record = lost_record();
    struct line_call c = {.cb = call_cb};

    setup_line(&record, 2000);
    server_redis(redis, "HSET {e7}:sess:pass-8 state open");
    cr_assert(accepted(&c, line_store_spent(kv, &c, EVENT, sessions, 2)));
    cr_assert_eq(claim(6), CLAIM_ENDED);
    cr_assert_eq(claim(7), CLAIM_NEW);
    cr_assert_eq(claim(8), CLAIM_NEW, "what Redis knows itself is newer");
}

Test(line_store, after_a_loss_admission_pauses, .init = open_stores, .fini = close_stores)
{
    struct line_record record = lost_record();

    cr_assert(take_right("t"));
    cr_assert(load("t", &record, 60000));
    for (int i = 0; i < 20; i++)
        cr_assert_eq(turn_meter().serving, 10);
    server_redis(redis, "HSET {e7}:q:line resume_at 1");
    LOOP_UNTIL(&loop, turn_meter().serving > 10, 3000);
}

Test(line_store, absent_numbers_are_passed_over_without_charge, .init = open_stores,
     .fini = close_stores)
{
    struct line_record record = lost_record();
    uint64_t next;

    record.settings.rate_per_minute = 600; /* one in 100 ms, burst 10 */
    record.settled = 10;
    setup_line(&record, 2000);
    back(500);
    back(700);
    next = (uint64_t)join(1);
    cr_assert_eq(next, 1000);
    server_redis(redis, "HSET {e7}:q:line skip_at 1 carry 0");
    turn_meter_without_time();
    cr_assert_eq(meter().line.serving, 500, "up to the first who is there, who needs credit");
    LOOP_UNTIL(&loop, turn_meter().serving >= 1001, 3000);
    cr_assert_eq(claim(500), CLAIM_NEW);
    cr_assert_eq(claim(700), CLAIM_NEW);
    cr_assert_eq(claim(1000), CLAIM_NEW);
}

Test(line_store, late_comers_are_charged, .init = open_stores, .fini = close_stores)
{
    struct line_record record = lost_record();
    int given = 0;

    record.settings.rate_per_minute = 60; /* one a second, burst 1 */
    record.settled = 10;
    setup_line(&record, 2000);
    server_redis(redis, "HSET {e7}:q:line skip_at 1");
    LOOP_UNTIL(&loop, turn_meter().serving == 1000, 3000);
    for (uint64_t number = 100; number < 150; number++)
        given += claim(number) == CLAIM_NEW;
    cr_assert_leq(given, 3, "a burst of credit and a burst of overdraft, not fifty");
    cr_assert_geq(given, 1);
}
