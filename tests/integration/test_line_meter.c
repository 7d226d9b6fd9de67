/* Who is let in: the meter, the passes, the pressure of the engines. */
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/booking/pressure.h"
#include "tests/integration/line_store_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(line_meter, .timeout = 90, .fini = assert_no_leaks);

/* ---- the meter and the passes ---- */

Test(line_meter, nobody_is_called_before_the_ledger_has_it, .init = open_stores,
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

Test(line_meter, one_number_one_pass, .init = open_stores, .fini = close_stores)
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

Test(line_meter, two_workers_at_once_admit_once, .init = open_stores, .fini = close_stores)
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

Test(line_meter, room_is_kept_and_given_back, .init = open_stores, .fini = close_stores)
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

Test(line_meter, no_shows_miss_their_turn_and_others_come, .init = open_stores,
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

Test(line_meter, credit_does_not_pile_up, .init = open_stores, .fini = close_stores)
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

Test(line_meter, missed_turns_flow_back, .init = open_stores, .fini = close_stores)
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
Test(line_meter, random_schedules_keep_the_promises, .init = open_stores, .fini = close_stores)
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

Test(line_meter, a_full_stop_is_a_full_stop, .init = open_stores, .fini = close_stores)
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

Test(line_meter, pressure_is_the_mean_of_those_who_say_something, .init = open_stores,
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

Test(line_meter, pressure_slows_the_line_by_its_share, .init = open_stores, .fini = close_stores)
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

Test(line_meter, what_an_engine_tells_the_meter_reads, .init = open_stores, .fini = close_stores)
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
