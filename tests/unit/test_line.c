#include "tests/lib/leaks.h"
#include "waitroom/line.h"

#include <criterion/criterion.h>

TestSuite(line, .fini = assert_no_leaks);

static struct line line_at(int64_t rate_per_minute)
{
    return (struct line){.settings = {.opens_ms = 1000},
                         .seen_ms = 5000,
                         .next = 1000,
                         .serving = 100,
                         .rate_milli = rate_per_minute * 1000};
}

Test(line, phases_follow_from_the_times)
{
    struct line_settings s = {.prequeue_ms = 100, .opens_ms = 200, .closes_ms = 300};

    cr_assert_eq(line_phase(&s, 99), LINE_IDLE);
    cr_assert_eq(line_phase(&s, 100), LINE_PREQUEUE);
    cr_assert_eq(line_phase(&s, 199), LINE_PREQUEUE);
    cr_assert_eq(line_phase(&s, 200), LINE_OPEN);
    cr_assert_eq(line_phase(&s, 299), LINE_OPEN);
    cr_assert_eq(line_phase(&s, 300), LINE_CLOSED);
    s.paused = true;
    cr_assert_eq(line_phase(&s, 150), LINE_PREQUEUE, "a pause is of the open line");
    cr_assert_eq(line_phase(&s, 200), LINE_PAUSED);
    cr_assert_eq(line_phase(&s, 300), LINE_CLOSED);
}

Test(line, phases_without_times)
{
    struct line_settings s = {.opens_ms = 0};

    cr_assert_eq(line_phase(&s, 1000000), LINE_IDLE, "it opens when somebody says so");
    s.opens_ms = 5;
    cr_assert_eq(line_phase(&s, 4), LINE_IDLE);
    cr_assert_eq(line_phase(&s, INT64_MAX), LINE_OPEN);
}

Test(line, numbers_are_shown_from_the_opening_on)
{
    cr_assert(!line_numbers_shown(LINE_IDLE));
    cr_assert(!line_numbers_shown(LINE_PREQUEUE));
    cr_assert(line_numbers_shown(LINE_OPEN));
    cr_assert(line_numbers_shown(LINE_PAUSED));
}

Test(line, people_ahead_never_go_below_nobody)
{
    struct line line = line_at(60);

    cr_assert_eq(line_ahead(&line, 150), 50);
    cr_assert_eq(line_ahead(&line, 100), 0);
    cr_assert_eq(line_ahead(&line, 3), 0);
    cr_assert_eq(line_waiting(&line), 900);
    line.next = 50;
    cr_assert_eq(line_waiting(&line), 0);
}

Test(line, wait_is_a_range_around_the_estimate)
{
    struct line line = line_at(60);
    uint32_t low = 0, high = 0;

    for (uint64_t ahead = 0; ahead < 5000; ahead += 50) {
        struct line_wait wait = line_wait(&line, LINE_OPEN, ahead);

        cr_assert(wait.known);
        cr_assert_leq(wait.low_s, ahead);
        cr_assert_geq(wait.high_s, ahead);
        cr_assert(wait.low_s >= low && wait.high_s >= high, "further back is never sooner");
        low = wait.low_s;
        high = wait.high_s;
    }
}

Test(line, wait_is_unknown_when_nothing_moves)
{
    struct line line = line_at(0);

    cr_assert(!line_wait(&line, LINE_OPEN, 10).known);
    line = line_at(60);
    cr_assert(!line_wait(&line, LINE_PAUSED, 10).known);
    cr_assert(!line_wait(&line, LINE_PREQUEUE, 10).known);
    cr_assert(!line_wait(&line, LINE_OPEN, UINT64_MAX / 2).known,
              "nor when it is longer than a month");
}

Test(line, wait_counts_the_pause_after_a_loss)
{
    struct line line = line_at(60);
    uint32_t low = line_wait(&line, LINE_OPEN, 100).low_s;

    line.resume_ms = line.seen_ms + 60000;
    cr_assert_geq(line_wait(&line, LINE_OPEN, 100).low_s, low + 40);
}

Test(line, polls_grow_with_the_distance_and_stay_within_limits)
{
    struct line line = line_at(60);
    struct rng rng;
    uint64_t near_ms = 0, far_ms = 0;

    rng_seed(&rng, 1);
    for (int i = 0; i < 200; i++) {
        uint32_t front = line_poll_ms(&line, LINE_OPEN, 0, 5000, &rng);
        uint32_t back = line_poll_ms(&line, LINE_OPEN, 1000000, 5000, &rng);

        cr_assert(front >= LINE_POLL_MIN_MS && front <= 2000, "%u", front);
        cr_assert(back >= 15000 && back <= LINE_POLL_MAX_MS, "%u", back);
        near_ms += line_poll_ms(&line, LINE_OPEN, 50, 5000, &rng);
        far_ms += line_poll_ms(&line, LINE_OPEN, 100, 5000, &rng);
    }
    cr_assert_gt(far_ms, near_ms + 200 * 3000);
}

Test(line, polls_are_spread)
{
    struct line line = line_at(60);
    struct rng rng;
    uint32_t least = UINT32_MAX, most = 0;

    rng_seed(&rng, 2);
    for (int i = 0; i < 500; i++) {
        uint32_t ms = line_poll_ms(&line, LINE_OPEN, 100, 5000, &rng);

        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    cr_assert(least < 8500 && most > 11500, "10 s, a fifth either way: %u..%u", least, most);
}

Test(line, polls_before_the_opening_come_closer)
{
    struct line line = line_at(60);
    struct rng rng;

    rng_seed(&rng, 3);
    line.settings.opens_ms = 100000;
    cr_assert_geq(line_poll_ms(&line, LINE_PREQUEUE, 0, 0, &rng), 15000);
    cr_assert_leq(line_poll_ms(&line, LINE_PREQUEUE, 0, 99000, &rng), 2000);
    line.settings.opens_ms = 0;
    cr_assert_geq(line_poll_ms(&line, LINE_IDLE, 0, 0, &rng), 10000);
}

Test(line, seats_left_are_read_strictly)
{
    static const char *const wrong[] = {
        "",        "10",         "10,5",         "10,5,7", "x,5,7,EUR", "10,5,7,EURO",
        "10,5,7,", "-1,5,7,EUR", "10,5,7,EUR,1", ",,,EUR", "1,2,3,EU"};
    struct line line = {.seats_known = false};

    cr_assert(line_parse_seats(&line, SLICE_LITERAL("1234,2500,9900,EUR")));
    cr_assert(line.seats_known);
    cr_assert_eq(line.seats_left, 1234);
    cr_assert_eq(line.price_from, 2500);
    cr_assert_eq(line.price_to, 9900);
    cr_assert_str_eq(line.currency, "EUR");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert(!line_parse_seats(&line, slice_str(wrong[i])), "%s", wrong[i]);
        cr_assert(!line.seats_known);
    }
}
