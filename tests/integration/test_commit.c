#include "engine/booking/commit.h"
#include "engine/store/db_pq.h"
#include "tests/lib/leaks.h"
#include "tests/lib/sale.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(commit, .timeout = 120, .fini = assert_no_leaks);

static struct loop loop;
static struct server *postgres;
static struct db *db, *other_db;
static struct commit *commit, *other;

struct buyer {
    struct commit_item item;
    struct purchase_row row;
    int calls;
    enum status status;
    char labels[2000];
};

static void bought(struct commit_item *item, enum status status)
{
    struct buyer *b = container_of(item, struct buyer, item);

    b->calls++;
    b->status = status;
    if (!status)
        slice_to_str(item->labels, b->labels, sizeof(b->labels));
}

static struct db *connect_db(void)
{
    struct db *d = db_pq_new(&loop, &(struct db_pq_options){.conninfo = postgres->address,
                                                            .connections = 4,
                                                            .application = "test"});

    LOOP_UNTIL(&loop, db_ready(d, NULL), 10000);
    return d;
}

static void setup(int seats)
{
    postgres = servers_postgres_start();
    sale_prepare(postgres, seats, false, false);
    loop_init(&loop, &clock_system);
    db = connect_db();
    other_db = connect_db();
    commit = commit_new(&loop, db, 4);
    other = commit_new(&loop, other_db, 4);
}

static void teardown(void)
{
    sale_audit(postgres);
    commit_stop(commit);
    commit_stop(other);
    db_close(db);
    db_close(other_db);
    loop_free(&loop);
    commit_free(commit);
    commit_free(other);
    server_stop(postgres);
}

static void submit(struct commit *c, struct buyer *b)
{
    b->item = (struct commit_item){.cb = bought, .row = &b->row, .lane = COMMIT_NEW};
    b->calls = 0;
    cr_assert_eq(commit_submit(c, &b->item), STATUS_OK);
    cr_assert_eq(b->calls, 0);
}

static void buy(struct buyer *b)
{
    submit(commit, b);
    LOOP_UNTIL(&loop, b->calls == 1, 10000);
    cr_assert_eq(b->status, STATUS_OK);
}

Test(commit, sells_seats_with_their_booking_tickets_and_news)
{
    struct buyer b;

    setup(10);
    sale_row(&b.row, 2, 3);
    buy(&b);
    cr_assert(!b.item.known && b.item.state == BOOKING_CONFIRMED && b.item.outcome == OUTCOME_SOLD);
    cr_assert_str_eq(b.labels, "A-1-3\x1f"
                               "A-1-4\x1f"
                               "A-1-5");
    cr_assert_eq(
        sale_count(
            postgres,
            "SELECT count(*) FROM event_seat WHERE status = 2 AND version = 1 AND fence = 100"),
        3);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM ticket WHERE live AND price = 5000"),
                 3);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM booking WHERE state = 'confirmed' AND "
                                      "step = 'done' AND lease_until IS NULL"),
                 1);
    cr_assert_eq(sale_count(postgres,
                            "SELECT count(*) FROM outbox WHERE type = 'booking.confirmed' AND "
                            "seats = '{2,3,4}' AND versions = '{0,0,0}' "
                            "AND (payload::json->>'name') = 'A \"Fan\" {1,2}, \\o/'"),
                 1);
    purchase_row_free(&b.row);
    teardown();
}

/* Every refusal leaves its record, and nothing else. */
static void refused(struct buyer *b, enum booking_outcome outcome, enum booking_state state)
{
    long sold = sale_count(postgres, "SELECT count(*) FROM ticket"),
         news = sale_count(postgres, "SELECT count(*) FROM outbox");

    buy(b);
    cr_assert(!b->item.known && b->item.outcome == outcome && b->item.state == state);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM ticket"), sold);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM outbox"), news);
    buy(b); /* the replay is the first answer */
    cr_assert(b->item.known && b->item.outcome == outcome && b->item.state == state);
    purchase_row_free(&b->row);
}

Test(commit, each_guard_refuses_and_the_refusal_is_on_record)
{
    struct buyer b;

    setup(10);
    server_sql(postgres, "UPDATE event_seat SET status = 3 WHERE seat = 0; UPDATE event_seat SET "
                         "version = 7 WHERE seat = 1;"
                         "UPDATE event_seat SET fence = 100 WHERE seat = 2");
    sale_row(&b.row, 0, 1); /* blocked */
    refused(&b, OUTCOME_SEAT_TAKEN, BOOKING_LOST);
    sale_row(&b.row, 1, 1); /* changed since it was held */
    refused(&b, OUTCOME_SEAT_TAKEN, BOOKING_LOST);
    sale_row(&b.row, 2, 1); /* a hold as new as this one has bought it before */
    refused(&b, OUTCOME_SEAT_TAKEN, BOOKING_LOST);
    sale_row(&b.row, 2, 3); /* all or nothing */
    refused(&b, OUTCOME_SEAT_TAKEN, BOOKING_LOST);
    sale_row(&b.row, 8, 3); /* there is no seat 10 */
    refused(&b, OUTCOME_SEAT_TAKEN, BOOKING_LOST);
    sale_row(&b.row, 5, 1);
    b.row.expires_ms = clock_wall_ms(&clock_system) - 1;
    refused(&b, OUTCOME_HOLD_EXPIRED, BOOKING_EXPIRED);
    sale_row(&b.row, 5, 1);
    b.row.total = 1; /* the buyer names the price */
    refused(&b, OUTCOME_PRICE_CHANGED, BOOKING_LOST);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM event_seat WHERE status = 2"), 0);
    teardown();
}

Test(commit, losers_lose_alone)
{
    enum { N = 150 };
    static struct buyer buyers[N];
    int sold = 0;

    setup(N);
    server_sql(postgres, "UPDATE event_seat SET status = 3 WHERE seat % 3 = 0");
    for (uint32_t i = 0; i < N; i++) {
        sale_row(&buyers[i].row, i, 1);
        submit(commit, &buyers[i]);
    }
    for (int i = 0; i < N; i++)
        LOOP_UNTIL(&loop, buyers[i].calls == 1, 10000);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(buyers[i].status, STATUS_OK);
        cr_assert_eq(buyers[i].item.outcome, i % 3 == 0 ? OUTCOME_SEAT_TAKEN : OUTCOME_SOLD);
        sold += buyers[i].item.outcome == OUTCOME_SOLD;
        purchase_row_free(&buyers[i].row);
    }
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM ticket"), sold);
    teardown();
}

/* Redis lies to everybody: 200 holds on the same seat, through two engines, many in one batch. */
Test(commit, one_seat_two_engines_two_hundred_holds_one_winner)
{
    enum { N = 200 };
    static struct buyer buyers[N];
    int sold = 0;

    setup(4);
    for (int i = 0; i < N; i++) {
        sale_row(&buyers[i].row, (uint32_t)i % 3, 2);
        submit(i % 2 ? commit : other, &buyers[i]);
    }
    for (int i = 0; i < N; i++)
        LOOP_UNTIL(&loop, buyers[i].calls == 1, 20000);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(buyers[i].status, STATUS_OK);
        sold += buyers[i].item.outcome == OUTCOME_SOLD;
        purchase_row_free(&buyers[i].row);
    }
    cr_assert(sold == 1 || sold == 2);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM ticket"), 2 * sold);
    teardown();
}

Test(commit, double_submit_with_one_key_through_two_engines_is_one_booking)
{
    struct buyer a, b;

    setup(4);
    for (uint32_t round = 0; round < 4; round++) {
        sale_row(&a.row, round, 1);
        sale_row(&b.row, round, 1);
        b.row.idem = a.row.idem;
        b.row.fingerprint = a.row.fingerprint;
        memcpy(b.row.hold_id, a.row.hold_id, sizeof(b.row.hold_id));
        submit(commit, &a);
        submit(round % 2 ? commit : other, &b);
        LOOP_UNTIL(&loop, a.calls == 1 && b.calls == 1, 10000);
        cr_assert(a.status == STATUS_OK && b.status == STATUS_OK);
        cr_assert(a.item.outcome == OUTCOME_SOLD && b.item.outcome == OUTCOME_SOLD);
        cr_assert_eq(a.item.known + b.item.known, 1);
        cr_assert_eq(memcmp(&a.item.booking_id, &b.item.booking_id, sizeof(struct uuid)), 0);
        purchase_row_free(&a.row);
        purchase_row_free(&b.row);
    }
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM booking"), 4);
    teardown();
}

/* Fault seen in running systems: the marker of idempotency is written after the sale, so that one
 * request takes two. Here one transaction wrote all of it: key, seats, tickets, news. */
Test(commit, the_key_is_recorded_in_the_transaction_of_the_sale)
{
    struct buyer b, again;

    setup(4);
    sale_row(&b.row, 0, 2);
    buy(&b);
    cr_assert_eq(b.item.outcome, OUTCOME_SOLD);
    cr_assert_eq(sale_count(postgres,
                            "SELECT count(DISTINCT x) FROM (SELECT xmin::text AS x FROM booking "
                            "UNION ALL SELECT xmin::text FROM ticket UNION ALL SELECT xmin::text "
                            "FROM outbox UNION ALL SELECT xmin::text FROM event_seat WHERE status "
                            "= 2) t"),
                 1);
    sale_row(&again.row, 2, 2); /* the same request, which would take two others */
    again.row.idem = b.row.idem;
    again.row.fingerprint = b.row.fingerprint;
    buy(&again);
    cr_assert(again.item.known);
    cr_assert_eq(memcmp(&again.item.booking_id, &b.item.booking_id, sizeof(struct uuid)), 0);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM ticket"), 2);
    purchase_row_free(&b.row);
    purchase_row_free(&again.row);
    teardown();
}

/* A purchase as it stands between its steps. */
static void put_purchase(struct buyer *b, uint32_t seat, const char *state, const char *charge)
{
    char sql[1200], id[UUID_TEXT_SIZE];

    sale_row(&b->row, seat, 1);
    uuid_format(&b->row.booking_id, id);
    snprintf(sql, sizeof(sql),
             "INSERT INTO booking (event_id, booking_id, state, step, idem, fingerprint, hold_id, "
             "fence, hold_expires, seats, versions, email, name, total, currency, lease_until) "
             "VALUES (%llu, '%s', '%s', 'begin', '%s', '%s', '%s', 100, now() + '1 h', '{%u}', "
             "'{0}', 'e', 'n', 5000, 'EUR', now() + '1 s');"
             "INSERT INTO payment (event_id, booking_id, provider, token, amount, currency, state) "
             "VALUES (%llu, '%s', 'sim', 't', 5000, 'EUR', '%s')",
             (unsigned long long)b->row.event_id, id, state, id, id, id, seat,
             (unsigned long long)b->row.event_id, id, charge);
    server_sql(postgres, sql);
    snprintf(b->row.provider_ref, sizeof(b->row.provider_ref), "ch_%u", seat);
}

static void record(struct buyer *b, enum commit_lane lane)
{
    b->item = (struct commit_item){.cb = bought, .row = &b->row, .lane = lane};
    b->calls = 0;
    cr_assert_eq(commit_submit(commit, &b->item), STATUS_OK);
}

/* A charge that is another's already breaks the statement of all: they are recorded without it. */
Test(commit, authorisations_and_captures_are_recorded_together_and_fail_alone)
{
    enum { N = 40, ENDED = 7, FOREIGN = 9 };
    static struct buyer buyers[N];

    setup(N + 1);
    for (uint32_t i = 0; i < N; i++)
        put_purchase(&buyers[i], i, i == ENDED ? "expired" : "pending",
                     i == ENDED ? "voiding" : "authorizing");
    server_sql(postgres, "UPDATE payment SET provider_ref = 'ch_7' WHERE state = 'voiding'");
    snprintf(buyers[FOREIGN].row.provider_ref, PAYMENT_REF_SIZE, "ch_%d", ENDED);
    for (int i = 0; i < N; i++)
        record(&buyers[i], COMMIT_AUTHORIZED);
    for (int i = 0; i < N; i++)
        LOOP_UNTIL(&loop, buyers[i].calls == 1, 20000);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(buyers[i].status, i == FOREIGN ? STATUS_UNAVAILABLE : STATUS_OK, "%d", i);
        cr_assert_eq(buyers[i].item.moved, i != ENDED && i != FOREIGN, "%d", i);
    }
    cr_assert_eq(sale_count(postgres,
                            "SELECT count(*) FROM purchase WHERE state = 'authorized' AND "
                            "payment_state = 'authorized' AND provider_ref = 'ch_' || "
                            "seats AND leased"),
                 N - 2);
    server_sql(postgres, "UPDATE payment SET state = 'capturing' WHERE state = 'authorized'");
    for (int i = 0; i < N; i++)
        record(&buyers[i], COMMIT_CAPTURED);
    for (int i = 0; i < N; i++) {
        LOOP_UNTIL(&loop, buyers[i].calls == 1, 10000);
        cr_assert_eq(buyers[i].status, STATUS_OK);
        cr_assert_eq(buyers[i].item.moved, i != ENDED && i != FOREIGN, "%d", i);
        purchase_row_free(&buyers[i].row);
    }
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM purchase WHERE step = 'done' AND NOT "
                                      "leased AND payment_state = 'captured' AND captured = 5000"),
                 N - 2);
    server_sql(postgres, "TRUNCATE booking, payment"); /* rows of no sale: nothing to audit */
    teardown();
}

/* Each guard taken out of a copy of the function, the others in: a seat that is sold already must
 * not be sold again, whatever the buyer claims to have held. */
static void without(const char *guard, const char *in_found, const char *in_update)
{
    char sql[1500];
    struct buyer b;

    snprintf(
        sql, sizeof(sql),
        "DO $do$ DECLARE body text := pg_get_functiondef('booking_commit'::regproc); changed text;"
        "BEGIN changed := replace(replace(body, $a$%s$a$, 'true'), $b$%s$b$, 'true');"
        "IF changed = body THEN RAISE EXCEPTION 'no such guard'; END IF; EXECUTE changed; END $do$",
        in_found, in_update);
    server_sql(postgres, sql);
    sale_row(&b.row, 0, 1);
    b.row.fence = 99; /* older than the buyer's who has it */
    buy(&b);
    cr_assert_eq(b.item.outcome, OUTCOME_SEAT_TAKEN, "without %s the seat was sold twice", guard);
    purchase_row_free(&b.row);
}

Test(commit, any_one_guard_removed_the_others_still_hold)
{
    static const char *const guards[][3] = {
        {"status", "e.status = 0", "t.status = 0"},
        {"version", "e.version = s.version", "t.version = s.version"},
        {"fence", "e.fence < fences[s.i]", "t.fence < v.fence"},
    };
    struct buyer first;
    char original[20000];

    setup(2);
    sale_row(&first.row, 0, 1);
    buy(&first);
    cr_assert_eq(first.item.outcome, OUTCOME_SOLD);
    snprintf(original, sizeof(original), "%s",
             server_sql(postgres, "SELECT pg_get_functiondef('booking_commit'::regproc)"));
    for (size_t i = 0; i < array_len(guards); i++) {
        without(guards[i][0], guards[i][1], guards[i][2]);
        server_sql(postgres, original);
    }
    /* all three gone: the partial unique index alone */
    for (size_t i = 0; i < array_len(guards) - 1; i++) {
        char sql[1000];

        snprintf(
            sql, sizeof(sql),
            "DO $do$ BEGIN EXECUTE replace(replace(pg_get_functiondef('booking_commit'::regproc), "
            "$a$%s$a$, 'true'), $b$%s$b$, 'true'); END $do$",
            guards[i][1], guards[i][2]);
        server_sql(postgres, sql);
    }
    without("status, version, fence", guards[2][1], guards[2][2]);
    purchase_row_free(&first.row);
    teardown();
}

Test(commit, the_server_dying_leaves_no_purchase_undecided)
{
    enum { N = 64 };
    static struct buyer buyers[N];

    setup(N);
    for (uint32_t i = 0; i < N; i++) {
        sale_row(&buyers[i].row, i, 1);
        submit(commit, &buyers[i]);
    }
    loop_turn(&loop, false);
    server_kill9(postgres);
    for (int i = 0; i < N; i++)
        LOOP_UNTIL(&loop, buyers[i].calls == 1, 20000);
    server_restart(postgres);
    LOOP_UNTIL(&loop, db_ready(db, NULL), 20000);
    for (int i = 0; i < N; i++) { /* the same key again finds out */
        do {
            submit(commit, &buyers[i]);
            LOOP_UNTIL(&loop, buyers[i].calls == 1, 20000);
        } while (buyers[i].status);
        cr_assert_eq(buyers[i].item.outcome, OUTCOME_SOLD);
        purchase_row_free(&buyers[i].row);
    }
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM booking"), N);
    teardown();
}
