/* The line after Redis was lost: nobody comes twice, nobody before their turn. */
#include "tests/integration/line_store_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>

TestSuite(line_loss, .timeout = 90, .fini = assert_no_leaks);

static void back(uint64_t number)
{
    struct line_call c = {.cb = call_cb};

    cr_assert(accepted(&c, line_store_back(kv, &c, EVENT, number)));
}

static struct line_record lost_record(void)
{
    struct line_record record = record_of(60000, 100);

    record.epoch = 2;
    record.watermark = 10;
    record.settled = 5;
    record.number_high = 1000;
    return record;
}

Test(line_loss, after_a_loss_the_order_is_kept, .init = open_stores, .fini = close_stores)
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

Test(line_loss, after_a_loss_ended_sessions_stay_ended, .init = open_stores, .fini = close_stores)
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

Test(line_loss, after_a_loss_admission_pauses, .init = open_stores, .fini = close_stores)
{
    struct line_record record = lost_record();

    cr_assert(take_right("t"));
    cr_assert(load("t", &record, 60000));
    for (int i = 0; i < 20; i++)
        cr_assert_eq(turn_meter().serving, 10);
    server_redis(redis, "HSET {e7}:q:line resume_at 1");
    LOOP_UNTIL(&loop, turn_meter().serving > 10, 3000);
}

Test(line_loss, absent_numbers_are_passed_over_without_charge, .init = open_stores,
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

Test(line_loss, late_comers_are_charged, .init = open_stores, .fini = close_stores)
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
