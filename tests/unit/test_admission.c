/* What lets a booking in or not, from what the commits of the last moments tell. */
#include "engine/booking/admission.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>

static struct loop loop;
static struct commit_metrics commits;
static struct admission admission;

static void setup(void)
{
    loop_init(&loop, &clock_system);
    hist_init(&commits.commit_us);
    admission = (struct admission){.loop = &loop, .commits = &commits, .queue_ms = 500};
    admission_open(&admission, 1024);
}

static void teardown(void)
{
    admission_close(&admission);
    loop_free(&loop);
    hist_free(&commits.commit_us);
}

TestSuite(admission, .timeout = 30, .init = setup, .fini = teardown);

/* So many commits are answered, and the admission has seen them. */
static void committed(int count)
{
    uint64_t seen = admission.commits_seen.total + (uint64_t)count;

    for (int i = 0; i < count; i++)
        hist_record(&commits.commit_us, 1000);
    LOOP_UNTIL(&loop, admission.commits_seen.total == seen, 5000);
}

/* Fault seen in the bench: after a quiet minute the first wave of a sale was refused, because a
 * trickle had been taken for all that can be committed. */
Test(admission, a_wave_after_a_trickle_is_not_refused)
{
    committed(1);
    committed(1);
    commits.commit_waiting = 5000;
    cr_assert_lt(admission_commit_wait_ms(&admission), 1000);
}

Test(admission, a_backlog_waits_as_long_as_its_rate_says)
{
    commits.commit_waiting = 1000;
    committed(
        7); /* the end of an interval that began with nothing: how long it took is not known */
    cr_assert_lt(admission_commit_wait_ms(&admission), 1000);
    committed(100); /* in a tenth of a second, with more behind them */
    cr_assert_float_eq(admission.commit_rate, 1000, 1);
    cr_assert_geq(admission_commit_wait_ms(&admission), 1000);
    commits.commit_waiting = 0;
    committed(1);
    cr_assert_float_eq(admission.commit_rate, 1000, 1);
    cr_assert_eq(admission_commit_wait_ms(&admission), 0);
}

Test(admission, commits_that_do_not_move_count_from_the_last_one)
{
    commits.commit_waiting = 1;
    LOOP_UNTIL(&loop, admission_commit_wait_ms(&admission) > 300, 5000);
}
