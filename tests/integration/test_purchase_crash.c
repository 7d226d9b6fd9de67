/* A worker killed or stopped in mid-purchase: sold once and charged once, or free and not charged.
 */
#include "tests/integration/purchase_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(purchase_crash, .timeout = 170, .fini = assert_no_leaks);

/* ---- kill -9 at every step ---- */

static const struct {
    const char *step, *token;
    int64_t hold_ms; /* 0: long enough */
} crashes[] = {
    {"begin", "tok_visa", 0},
    {"authorize", "tok_visa", 0},
    {"authorized", "tok_visa", 0},
    {"commit", "tok_visa", 0},
    {"sold", "tok_visa", 0},
    {"capture", "tok_visa", 0},
    {"captured", "tok_visa", 0},
    {"end", "tok_visa", 0},
    {"declined", "tok_declined", 0},
    {"release", "tok_declined", 0},
    {"look_up", "tok_timeout", 0},
    {"authorized", "tok_timeout", 0},
    {"pend", "tok_webhook_lost", 0},
    {"look_up", "tok_webhook_lost", 0},
    {"commit", "tok_webhook_lost", 0},
    {"captured", "tok_capture_timeout", 0},
    {"expire", "tok_webhook_late", 1500},
    {"find_charge", "tok_webhook_late", 1500},
    {"void", "tok_webhook_late", 1500},
    {"voided", "tok_webhook_late", 1500},
};

Test(purchase_crash, kill_9_at_every_step_ends_sold_once_and_charged_once_or_free_and_not_charged)
{
    rig_servers_start(&servers, 100);
    for (uint32_t i = 0; i < array_len(crashes); i++) {
        cr_assert(killed_engine(crashes[i].step, 2 * i, crashes[i].token, NULL, crashes[i].hold_ms),
                  "%s was not reached with %s", crashes[i].step, crashes[i].token);
    }
    rig_open(&rig, &servers);
    rig_settle(&rig, &servers); /* another engine completes them all */
    rig_audit(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM booking"), array_len(crashes) - 1,
                 "all but the one that had not begun");
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'declined'"), 2);
    /* killed before it recorded that the hold had ended, the card authorised since: a late payment,
     * which takes its seats again */
    cr_assert(rows("SELECT count(*) FROM booking WHERE state = 'expired'") >= 3);
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state IN ('confirmed', 'expired')"), 17);
    cr_assert(rows("SELECT count(*) FROM booking WHERE state = 'confirmed'") >= 13);
    rig_close(&rig);
    rig_servers_stop(&servers);
}

/* An engine in a process of its own that was there before the others died: it completes what it
 * finds, until it is killed. */
static pid_t survivor_start(void)
{
    static struct rig survivor;
    pid_t child = fork();

    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    rig_open(&survivor, &servers);
    completer_init(&survivor.completer, &survivor.purchases, &survivor.refunds);
    for (;;)
        loop_turn(&survivor.loop, true);
}

/* The survivor may be the one that looks again at a payment that is pending, so those steps need
 * not be reached by the engine that is to die at them. */
Test(purchase_crash, kill_9_at_every_step_is_completed_by_the_engine_beside_without_a_restart)
{
    size_t killed = 0;
    pid_t survivor;

    rig_servers_start(&servers, 100);
    survivor = survivor_start();
    for (uint32_t i = 0; i < array_len(crashes); i++)
        killed += killed_engine(crashes[i].step, 2 * i, crashes[i].token, NULL, crashes[i].hold_ms);
    cr_assert(killed >= 12, "%zu engines died", killed);
    until_count("SELECT count(*) FROM booking WHERE lease_until IS NOT NULL", 0, 30000);
    cr_assert(rows("SELECT count(*) FROM booking") >= (long)array_len(crashes) - 1);
    kill(survivor, SIGKILL);
    waitpid(survivor, NULL, 0);
    rig_open(&rig, &servers);
    rig_audit(&rig, &servers);
    rig_close(&rig);
    rig_servers_stop(&servers);
}

Test(purchase_crash, kill_9_at_any_moment_ends_sold_once_and_charged_once_or_free_and_not_charged)
{
    enum { N = 24 };

    rig_servers_start(&servers, 100);
    for (uint32_t i = 0; i < N; i++) {
        pid_t child = fork();

        if (child == 0) {
            static struct rig doomed;
            struct hold hold;
            struct rig_answer a;

            rig_open(&doomed, &servers);
            rig_hold(&doomed, 2 * i, 2, &hold);
            rig_buy(&doomed, &hold, "tok_visa", NULL, &a);
            ualarm(1 + i * 1500, 0); /* us; SIGALRM's default is the end of the process, at once and
                                        without a word */
            rig_settle(&doomed, &servers);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    rig_open(&rig, &servers);
    rig_settle(&rig, &servers);
    rig_audit(&rig, &servers);
    rig_close(&rig);
    rig_servers_stop(&servers);
}

Test(purchase_crash, the_key_of_a_worker_that_died_is_taken_over_by_whoever_asks_again)
{
    struct uuid idem = uuid_v4_secret();
    struct rig_answer a;
    struct hold hold = {.seat_count = 2, .seats = {0, 1}, .expires_ms = SALE_FAR_MS, .fence = 1};

    rig_servers_start(&servers, 100);
    cr_assert(killed_engine("authorized", 0, "tok_visa", &idem, 0));
    rig_open(&rig, &servers);
    rig_buy_wait(&rig, &hold, "tok_visa", &idem, &a);
    if (a.verdict == LEDGER_KNOWN) /* the lease still runs: in flight */
        cr_assert_eq(a.state, BOOKING_PENDING);
    LOOP_UNTIL(&rig.loop,
               rows("SELECT count(*) FROM booking WHERE lease_until <= clock_timestamp()") == 1,
               5000);
    rig_buy_wait(&rig, &hold, "tok_visa", &idem, &a);
    cr_assert(a.status == STATUS_OK && a.verdict == LEDGER_TAKEN_OVER &&
              a.state == BOOKING_CONFIRMED);
    cr_assert_eq(rows("SELECT count(*) FROM booking"), 1);
    teardown();
}

/* ---- a worker that is stopped just before it authorises ---- */

static void outlast_lease(void *ctx, const char *step)
{
    if (strcmp(step, "authorize") != 0)
        return;
    rig.purchases.point = NULL;
    (void)ctx;
    until_one("SELECT count(*) FROM booking WHERE lease_until < clock_timestamp()");
}

Test(purchase_crash, a_worker_that_wakes_past_its_lease_does_not_call_the_provider)
{
    struct rig_answer a;

    setup();
    rig.purchases.point = outlast_lease;
    one(0, "tok_visa", &a);
    cr_assert_eq(a.status, STATUS_TIMEOUT);
    cr_assert_eq(rig.purchases.metrics.purchases_late_total, 1);
    cr_assert_eq(rig_charge(&rig, &a.booking_id).outcome, PAYMENT_UNKNOWN);
    rig_settle(&rig, &servers); /* whoever has the lease goes on */
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'confirmed'"), 1);
    teardown();
}

static struct rig frozen;

/* Past the look at its lease, as one whose clocks stood still too; killed by the answer. */
static void freeze_then_die(void *ctx, const char *step)
{
    (void)ctx;
    if (frozen.purchases.lease_ms > 60000)
        kill(getpid(), SIGKILL);
    if (strcmp(step, "authorize") != 0)
        return;
    frozen.purchases.lease_ms = 3600000;
    raise(SIGSTOP);
    uv_update_time(&frozen.loop.uv);
}

static pid_t frozen_engine(void)
{
    pid_t child = fork();
    int code;

    if (child == 0) {
        struct hold hold;
        struct rig_answer a;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        rig_open(&frozen, &servers);
        frozen.hold_ms = 1500;
        rig_hold(&frozen, 0, 2, &hold);
        frozen.purchases.point = freeze_then_die;
        rig_buy(&frozen, &hold, "tok_visa", NULL, &a);
        rig_settle(&frozen, &servers);
        _exit(0);
    }
    cr_assert(waitpid(child, &code, WUNTRACED) == child && WIFSTOPPED(code));
    return child;
}

/* The life that no memory of the worker covers: stopped before it authorises, its purchase ended by
 * another, and killed between the provider's answer and whatever it would have done about it. */
Test(purchase_crash, a_charge_asked_for_when_all_was_over_is_none_though_its_worker_is_killed)
{
    pid_t child;
    int code;

    rig_servers_start(&servers, 100);
    child = frozen_engine();
    rig_open(&rig, &servers);
    rig_settle(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM booking b JOIN payment p USING (event_id, booking_id) "
                      "WHERE b.state = 'expired' AND p.state = 'voided'"),
                 1);
    kill(child, SIGCONT);
    waitpid(child, &code, 0);
    cr_assert(WIFSIGNALED(code) && WTERMSIG(code) == SIGKILL, "it was answered, and died");
    rig_audit(&rig, &servers);
    rig_close(&rig);
    rig_servers_stop(&servers);
}
