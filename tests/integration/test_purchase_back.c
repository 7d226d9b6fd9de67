/* Money that comes late or goes back: late payments, refunds, what the reconciler finds. */
#include "engine/booking/reconciler.h"
#include "tests/integration/purchase_rig.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>

TestSuite(purchase_back, .timeout = 170, .fini = assert_no_leaks);

/* ---- late payments ---- */

/* An engine dies when the card is authorised; the hold ends before another one looks. */
static void pay_late(void)
{
    rig_servers_start(&servers, 100);
    cr_assert(killed_engine("commit", 0, "tok_visa", NULL, 1000));
    until_one("SELECT count(*) FROM booking WHERE state = 'authorized' AND hold_expires < "
              "clock_timestamp() - interval '2500 ms'");
}

Test(purchase_back, a_late_payment_takes_the_same_seats_again_when_they_are_free)
{
    pay_late();
    rig_open(&rig, &servers);
    rig_settle(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM booking WHERE state = 'confirmed' AND confirmed_at < "
                      "hold_expires"),
                 1, "never a sale on an expired hold");
    teardown();
}

Test(purchase_back, a_late_payment_whose_seats_somebody_else_holds_is_given_back)
{
    struct hold hold;

    pay_late();
    rig_open(&rig, &servers);
    rig_hold(&rig, 1, 1, &hold);
    rig_settle(&rig, &servers);
    cr_assert_eq(
        rows("SELECT count(*) FROM booking WHERE state = 'expired' AND outcome = 'hold_expired'"),
        1);
    cr_assert_eq(rows("SELECT count(*) FROM payment WHERE state = 'voided'"), 1);
    teardown();
}

/* Sold to somebody else and returned since, as their version tells: not the seats that were paid
 * for, and no reason to keep them from others. */
Test(purchase_back, a_late_payment_whose_seats_have_changed_is_given_back_and_keeps_none)
{
    const char *states;

    pay_late();
    server_sql(servers.postgres, "UPDATE event_seat SET version = 2 WHERE seat = 1");
    server_redis(servers.redis, "FLUSHALL"); /* the mirror is made of that */
    rig_open(&rig, &servers);
    rig_settle(&rig, &servers);
    cr_assert_eq(rows("SELECT count(*) FROM payment WHERE state = 'voided'"), 1);
    states = server_redis(servers.redis, "GET {e1}:state");
    cr_assert_eq(strlen(states), 100);
    cr_assert_eq(strspn(states, "0"), 100, "%s", states);
    teardown();
}

/* ---- refunds ---- */

static int refunded;
static enum ledger_verdict refund_verdict;

static void refund_cb_(struct refund *r, enum status status)
{
    cr_assert_eq(status, STATUS_OK);
    refund_verdict = r->verdict;
    refunded++;
}

static void give_back(const struct uuid *booking, const struct uuid *idem, size_t count,
                      uint32_t seat)
{
    struct refund *r = refund_take(&rig.refunds);

    r->row = (struct refund_row){.event_id = SALE_EVENT,
                                 .booking_id = *booking,
                                 .refund_id = uuid_v4_secret(),
                                 .idem = *idem,
                                 .seat_count = count,
                                 .seats = {seat}};
    r->decided = refund_cb_;
    refunded = 0;
    refund_begin(r);
    LOOP_UNTIL(&rig.loop, refunded == 1, 5000);
}

Test(purchase_back, a_refund_returns_seats_to_sale_and_money_once)
{
    struct rig_answer a;
    struct uuid key = uuid_v4_secret(), other = uuid_v4_secret();
    struct hold hold;

    setup();
    one(0, "tok_visa", &a);
    rig_settle(&rig, &servers);
    give_back(&a.booking_id, &key, 1, 0);
    cr_assert_eq(refund_verdict, LEDGER_BEGUN);
    give_back(&a.booking_id, &key, 1, 0); /* the same key: once */
    cr_assert_eq(refund_verdict, LEDGER_KNOWN);
    give_back(&a.booking_id, &other, 1, 0); /* another: the ticket is gone */
    cr_assert_eq(refund_verdict, LEDGER_NOT_REFUNDABLE);
    rig_settle(&rig, &servers);
    cr_assert_eq(rig_charge(&rig, &a.booking_id).refunded, SALE_PRICE);
    rig_hold(&rig, 0, 1, &hold); /* free in both stores: it can be held and bought again */
    cr_assert_eq(hold.versions[0], 2);
    rig_buy_wait(&rig, &hold, "tok_visa", NULL, &a);
    cr_assert_eq(a.state, BOOKING_CONFIRMED);
    teardown();
}

/* ---- the reconciler ---- */

Test(purchase_back, the_reconciler_tells_what_the_provider_has_otherwise_and_frees_a_blocked_card)
{
    struct reconciler reconciler;
    struct rig_answer agreed, blocked, wrong;

    setup();
    one(0, "tok_visa", &agreed);
    one(2, "tok_visa", &wrong);
    rig_settle(&rig, &servers);
    cr_assert(killed_engine("commit", 4, "tok_visa", NULL, 0)); /* authorised there ... */
    server_sql(
        servers.postgres,
        "UPDATE payment SET state = 'voided' WHERE state = 'authorized';" /* ... and forgotten here
                                                                           */
        "UPDATE booking SET state = 'expired', lease_until = NULL WHERE state = 'authorized'");
    cr_assert(
        uuid_parse(slice_str(server_sql(servers.postgres,
                                        "SELECT booking_id FROM booking WHERE state = 'expired'")),
                   &blocked.booking_id));
    cr_assert_eq(rig_charge(&rig, &blocked.booking_id).outcome, PAYMENT_AUTHORIZED);
    server_sql(servers.postgres, "UPDATE payment SET captured = captured - 1 WHERE booking_id = "
                                 "(SELECT booking_id FROM ticket WHERE seat = 2)");
    reconciler_init(&reconciler, &rig.purchases, 20, 0);
    LOOP_UNTIL(&rig.loop, rows("SELECT count(*) FROM payment WHERE reconcile_due IS NULL") == 3,
               10000);
    cr_assert_eq(rig.purchases.metrics.reconciled_total, 2);
    cr_assert_eq(rig_charge(&rig, &blocked.booking_id).outcome, PAYMENT_VOIDED);
    reconciler_close(&reconciler);
    teardown();
    reconciler_free(&reconciler);
}

Test(purchase_back, the_reconciler_fences_what_ended_without_a_charge)
{
    struct reconciler reconciler;
    struct uuid booking;

    rig_servers_start(&servers, 100);
    cr_assert(killed_engine("authorize", 0, "tok_visa", NULL, 0));
    rig_open(&rig, &servers);
    end_at(NULL, "authorize"); /* as an engine of before fences did */
    cr_assert(uuid_parse(slice_str(server_sql(servers.postgres, "SELECT booking_id FROM booking")),
                         &booking));
    reconciler_init(&reconciler, &rig.purchases, 20, 0);
    LOOP_UNTIL(&rig.loop, rows("SELECT count(*) FROM payment WHERE reconcile_due IS NULL") == 1,
               10000);
    cr_assert_eq(rig_charge(&rig, &booking).outcome, PAYMENT_VOIDED, "none can come any more");
    cr_assert_eq(rig.purchases.metrics.reconciled_total, 0);
    reconciler_close(&reconciler);
    teardown();
    reconciler_free(&reconciler);
}
