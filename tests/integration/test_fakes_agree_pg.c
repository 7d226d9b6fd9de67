/* The simulation's model of PostgreSQL (tests/sim/pg_model.h) against PostgreSQL: the same seeded
 * statements on both, every answer and every seat must be equal. Leases are over at once or last
 * for ever, so nothing waits; moments themselves are not compared. */
#include "engine/booking/booking_api.h"
#include "engine/booking/commit_batch.h"
#include "engine/booking/ledger.h"
#include "engine/booking/mirror.h"
#include "engine/booking/outbox.h"
#include "engine/booking/reconciler.h"
#include "engine/booking/refund.h"
#include "engine/booking/relay.h"
#include "engine/booking/sweeper.h"
#include "engine/store/db_pq.h"
#include "tests/lib/leaks.h"
#include "tests/lib/sale.h"
#include "tests/lib/until.h"
#include "tests/sim/pg_model.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(fakes_agree_pg, .timeout = 150);

enum { SEATS = 16, SEEDS = 6, STEPS = 90, KEYS = 36, FAR_MS = 100000000 };

static const int64_t for_ever_ms = 100000000, over_ms = -100000;

static struct loop loop;
static struct server *server;
static struct db *real;
static struct pg_model model;
static struct rng rng;
static uint64_t seed, moment; /* moment: how many steps there were */
static struct commit_batch batch;

static uint32_t below(uint32_t n)
{
    return (uint32_t)rng_below(&rng, n);
}

/* ---- one statement on both ---- */

struct asked {
    struct db_request request;
    bool done;
    enum status status;
    struct buf *rows; /* a line a row */
    const struct db_statement *statement;
};

/* Moments, and news that only PostgreSQL words: only whether they are there. */
static bool is_moment(const struct db_statement *s, size_t column, size_t columns)
{
    if (strcmp(s->name, "outbox_fetch") == 0)
        return column == 0 || column == 6 || column == 12;
    if (strncmp(s->name, "booking_commit", 14) == 0 || strncmp(s->name, "refund", 6) == 0 ||
        columns < 27)
        return false;
    return column == columns - 27 + 17 || column == columns - 27 + 18;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: which row comes first is nobody's promise. */
static void tell(struct buf *b, const struct db_statement *s, const struct db_result *r)
{
    char *lines[256];

    cr_assert_leq(r->rows, 256);
    for (size_t i = 0; i < r->rows; i++) {
        struct buf line;

        buf_init(&line, 65536);
        for (size_t c = 0; c < r->columns; c++) {
            struct slice v = db_null(r, i, c)              ? SLICE_LITERAL("NULL")
                             : is_moment(s, c, r->columns) ? SLICE_LITERAL("set")
                                                           : db_value(r, i, c);

            buf_printf(&line, " %.*s |", SLICE_ARG(v));
        }
        buf_append_char(&line, '\0');
        lines[i] = line.at;
    }
    qsort(lines, r->rows, sizeof(lines[0]), by_text);
    for (size_t i = 0; i < r->rows; i++) {
        buf_printf(b, "%s\n", lines[i]);
        mem_free(lines[i]);
    }
}

static void asked_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct asked *a = container_of(request, struct asked, request);

    a->done = true;
    a->status = status;
    if (status == STATUS_OK)
        tell(a->rows, a->statement, result);
    else
        buf_printf(a->rows, "%s %s", request->error.sqlstate, request->error.constraint);
}

static void read_clock(void)
{
    model.now_ms =
        strtoll(server_sql(server, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"),
                NULL, 10);
}

/* The seats, and what no answer shows: how many payments are still to be compared, news parked and
 * not. */
static void write_kept(char *text, size_t size)
{
    const struct pg_event *e = pg_event_find(&model, SALE_EVENT);
    unsigned due = 0, parked = 0, waiting = 0;
    size_t at = 0;

    for (size_t i = 0; i < e->seat_count; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%d:%u:%" PRId64 ":%s", i ? "," : "",
                               e->seats[i].status, e->seats[i].version, e->seats[i].fence,
                               e->seats[i].booked ? "t" : "f");
    list_for_each (it, &model.bookings)
        due += list_entry(it, struct pg_booking, link)->row.charge != CHARGE_NONE &&
               list_entry(it, struct pg_booking, link)->reconcile;
    list_for_each (it, &model.outbox) {
        parked += list_entry(it, struct pg_outbox, link)->parked;
        waiting += !list_entry(it, struct pg_outbox, link)->parked;
    }
    snprintf(text + at, size - at, " due %u parked %u waiting %u", due, parked, waiting);
}

static void compare_kept(const char *name)
{
    static const char sql[] =
        "SELECT (SELECT string_agg(status || ':' || version || ':' || fence || ':' || CASE WHEN "
        "booking_id IS NULL THEN 'f' ELSE 't' END, ',' ORDER BY seat) FROM event_seat)"
        " || ' due ' || (SELECT count(*) FROM payment WHERE reconcile_due IS NOT NULL)"
        " || ' parked ' || (SELECT count(*) FROM outbox WHERE parked_at IS NOT NULL)"
        " || ' waiting ' || (SELECT count(*) FROM outbox WHERE parked_at IS NULL)";
    char text[2048];
    const char *kept = server_sql(server, sql);

    write_kept(text, sizeof(text));
    cr_assert_str_eq(kept, text, "seed %" PRIu64 ": after %s\n  postgresql: %s\n  model: %s", seed,
                     name, kept, text);
}

/* ---- nothing is left out ---- */

enum { STATEMENTS_MAX = 64 };

static unsigned compared[STATEMENTS_MAX], told[STATEMENTS_MAX]; /* calls, rows in all answers */

static void count(const struct db_statement *statement, const struct pg_answer *answer)
{
    for (size_t i = 0; pg_statement_name(i); i++) {
        cr_assert_lt(i, STATEMENTS_MAX);
        if (strcmp(pg_statement_name(i), statement->name) != 0)
            continue;
        compared[i]++;
        told[i] += (unsigned)answer->result.rows;
    }
}

static void check_complete(void)
{
    for (size_t i = 0; pg_statement_name(i); i++) {
        const char *name = pg_statement_name(i);
        bool silent = strcmp(name, "outbox_settle") == 0 || strcmp(name, "payment_compared") == 0;

        cr_assert_gt(compared[i], 0, "%s is modelled and was not compared", name);
        cr_assert(silent || told[i] > 0, "%s was compared %u times and never had a row", name,
                  compared[i]);
    }
}

/* The two differ where an id is the server's own. */
static void both_with(const struct db_statement *statement, const struct slice *params,
                      const struct slice *model_params)
{
    struct buf real_rows, rows;
    struct asked a = {.request = {.cb = asked_cb}, .rows = &real_rows, .statement = statement};
    struct pg_answer *answer;

    buf_init(&real_rows, 1 << 20);
    buf_init(&rows, 1 << 20);
    read_clock();
    cr_assert_eq(db_query(real, &a.request, statement, params, 10000), STATUS_OK);
    LOOP_UNTIL(&loop, a.done, 10000);
    answer = pg_run(&model, statement, model_params);
    count(statement, answer);
    if (answer->status == STATUS_OK)
        tell(&rows, statement, &answer->result);
    else
        buf_printf(&rows, "%s %s", answer->error.sqlstate, answer->error.constraint);
    cr_assert(a.status == answer->status && slice_eq(buf_slice(&real_rows), buf_slice(&rows)),
              "seed %" PRIu64 ": %s\n  postgresql: %s\n%.*s\n  model: %s\n%.*s", seed,
              statement->name, status_code(a.status), (int)real_rows.len, real_rows.at,
              status_code(answer->status), (int)rows.len, rows.at);
    pg_answer_free(answer);
    buf_free(&real_rows);
    buf_free(&rows);
    compare_kept(statement->name);
}

static void both(const struct db_statement *statement, const struct slice *params)
{
    both_with(statement, params, params);
}

/* A db that runs each statement on both and then forgets the caller. */
static enum status twin_query(struct db *db, struct db_request *request,
                              const struct db_statement *statement, const struct slice *params,
                              unsigned deadline_ms)
{
    (void)db;
    (void)request;
    (void)deadline_ms;
    both(statement, params);
    return STATUS_CANCELED;
}

static const struct db_ops twin_ops = {.query = twin_query};
static struct db twin = {.ops = &twin_ops};

/* ---- statements ---- */

static struct uuid named(const char *kind, uint32_t n)
{
    struct uuid u = {{0}};

    memcpy(u.bytes, &n, sizeof(n));
    memcpy(u.bytes + 4, &seed, sizeof(seed));
    u.bytes[15] = (uint8_t)kind[0];
    return u;
}

/* Rising, and now and then older than the seat's. */
static uint64_t some_fence(void)
{
    return 100 + 2 * moment - below(below(4) ? 4 : 40);
}

/* A purchase of key `n`: the same every time it is asked for, but now and then not. */
static void some_row(struct purchase_row *row, uint32_t n)
{
    const struct pg_event *e = pg_event_find(&model, SALE_EVENT);

    sale_row(row, below(SEATS + 1), 1 + below(3));
    row->booking_id = named("booking", below(1000000));
    row->idem = named("idem", n);
    row->fingerprint = named("print", n + (below(8) == 0 ? 1000 : 0));
    snprintf(row->hold_id, sizeof(row->hold_id), "%d.hold%u", SALE_EVENT, n / 2);
    row->fence = some_fence();
    if (below(10) == 0)
        row->expires_ms = model.now_ms - 5000;
    if (below(10) == 0)
        row->total--;
    for (size_t i = 0; i < row->seat_count; i++)
        row->versions[i] = (row->seats[i] < e->seat_count ? e->seats[row->seats[i]].version : 0) +
                           (below(12) == 0);
}

static int64_t some_lease(void)
{
    return below(3) ? for_ever_ms : over_ms;
}

/* One that is known, or one that is not. */
static struct uuid some_booking(void)
{
    uint32_t n = 0;

    list_for_each (it, &model.bookings) {
        if (below(6) == 0)
            return list_entry(it, struct pg_booking, link)->row.booking_id;
        n++;
    }
    return n && below(8) ? list_entry(model.bookings.prev, struct pg_booking, link)->row.booking_id
                         : named("nobody", below(100));
}

/* Mostly one whose card is so, if there is one. */
static struct uuid booking_with(enum charge_state charge)
{
    list_for_each (it, &model.bookings) {
        const struct purchase_row *row = &list_entry(it, struct pg_booking, link)->row;

        if (row->charge == charge && below(3))
            return row->booking_id;
    }
    return some_booking();
}

static void call_begin(struct ledger_call *call)
{
    some_row(&call->row, below(KEYS));
    cr_assert_eq(ledger_begin(&twin, call, some_lease(), LEDGER_DEADLINE_MS), STATUS_CANCELED);
}

static void call_move(struct ledger_call *call)
{
    static const enum ledger_move moves[] = {
        MOVE_AUTHORIZED, MOVE_AUTHORIZED, MOVE_AUTHORIZED, MOVE_PENDING, MOVE_DECLINED,
        MOVE_EXPIRED,    MOVE_CAPTURED,   MOVE_CAPTURED,   MOVE_VOIDED,  MOVE_LATER};
    enum ledger_move to = moves[below(array_len(moves))];

    call->row.event_id = SALE_EVENT;
    call->row.booking_id = to == MOVE_CAPTURED ? booking_with(CHARGE_CAPTURING) : some_booking();
    if (below(2)) {
        uuid_format(&call->row.booking_id, call->row.provider_ref);
        call->row.provider_ref[36] = '\0';
    }
    cr_assert_eq(ledger_move(&twin, call, to,
                             to == MOVE_DECLINED  ? OUTCOME_DECLINED
                             : to == MOVE_EXPIRED ? OUTCOME_HOLD_EXPIRED
                                                  : OUTCOME_SOLD,
                             some_lease()),
                 STATUS_CANCELED);
}

static void call_find(struct ledger_call *call)
{
    call->row.event_id = SALE_EVENT;
    call->row.idem = named("idem", below(KEYS));
    call->row.booking_id = some_booking();
    cr_assert_eq(below(2) ? ledger_find(&twin, call, LEDGER_DEADLINE_MS)
                          : ledger_read(&twin, call, LEDGER_DEADLINE_MS),
                 STATUS_CANCELED);
}

static void call_commit(enum commit_lane lane)
{
    struct purchase_row rows[4];
    struct commit_item items[4];
    struct slice params[COMMIT_PARAMS_MAX];
    const struct db_statement *statement;
    size_t count = 1 + below(4);

    commit_batch_clear(&batch, lane);
    for (size_t i = 0; i < count; i++) {
        some_row(&rows[i], below(KEYS));
        if (lane != COMMIT_NEW)
            rows[i].booking_id = booking_with(lane == COMMIT_PAID         ? CHARGE_AUTHORIZED
                                              : lane == COMMIT_AUTHORIZED ? CHARGE_AUTHORIZING
                                                                          : CHARGE_CAPTURING);
        if (lane == COMMIT_AUTHORIZED && below(2))
            uuid_format(&rows[i].booking_id, rows[i].provider_ref);
        items[i] =
            (struct commit_item){.row = &rows[i],
                                 .lane = lane,
                                 .trace = below(2) ? SLICE_NONE : SLICE_LITERAL("00-trace-\"x\"")};
        (void)commit_batch_add(&batch, &items[i]);
    }
    if (batch.count) {
        statement = commit_batch_params(&batch, some_lease(), params);
        both(statement, params);
    }
    for (size_t i = 0; i < count; i++)
        purchase_row_free(&rows[i]);
}

static void call_resume(const struct db_statement *statement)
{
    struct db_request request = {.cb = NULL};

    cr_assert_eq(ledger_resume_submit(&twin, &request, statement, some_lease()), STATUS_CANCELED);
}

static void call_refund(void)
{
    char event[24], lease[24], ids[4][UUID_TEXT_SIZE], seats[16], amount[16];
    bool money = below(3) == 0;
    struct uuid booking = booking_with(CHARGE_CAPTURED), refund = named("refund", below(1000000)),
                idem = named("again", below(12)), print = named("print", 1);

    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    snprintf(lease, sizeof(lease), "%" PRId64, below(2) ? for_ever_ms : over_ms);
    snprintf(seats, sizeof(seats), "{%u}", below(SEATS));
    snprintf(amount, sizeof(amount), "%d", (int)below(SALE_PRICE + 2000) - 1);
    uuid_format(&booking, ids[0]);
    uuid_format(&refund, ids[1]);
    uuid_format(&idem, ids[2]);
    uuid_format(&print, ids[3]);
    both(&refund_begin_statement,
         (struct slice[]){slice_str(event), slice_str(ids[0]), slice_str(ids[1]), slice_str(ids[2]),
                          slice_str(ids[3]),
                          !money && below(2) ? SLICE_LITERAL("t") : SLICE_LITERAL("f"),
                          money || below(3) ? SLICE_NONE : slice_str(seats), SLICE_NONE,
                          slice_str(lease), money ? slice_str(amount) : SLICE_NONE});
    if (below(2) && !list_empty(&model.refunds)) {
        uuid_format(&list_entry(model.refunds.prev, struct pg_refund, link)->id, ids[1]);
        both(&refund_done_statement, (struct slice[]){slice_str(event), slice_str(ids[1])});
    }
}

static void call_webhook(void)
{
    char event[24], id[UUID_TEXT_SIZE], name[16];
    struct uuid booking = some_booking();

    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    snprintf(name, sizeof(name), "evt_%u", below(6));
    uuid_format(&booking, id);
    both(&webhook_receive_statement,
         (struct slice[]){SLICE_LITERAL("sim"), slice_str(name), SLICE_LITERAL("{}"),
                          slice_str(event), slice_str(id)});
}

static void call_stores(void)
{
    char event[24], shard[16], least[8], mask[16];

    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    snprintf(shard, sizeof(shard), "{%d}", SALE_EVENT % 16);
    snprintf(least, sizeof(least), "%u", below(40));
    snprintf(mask, sizeof(mask), "%u", below(2) ? 1u << SALE_EVENT % 16 : below(1 << 16));
    switch (below(4)) {
    case 0:
        both(&mirror_truth_statement, (struct slice[]){slice_str(event), slice_str(least)});
        break;
    case 1: both(&relay_events_statement, (struct slice[]){slice_str(mask)}); break;
    case 2: both(&sweeper_events_statement, NULL); break;
    default: both(&outbox_fetch_statement, (struct slice[]){slice_str(shard)}); break;
    }
}

/* The id that PostgreSQL gave to this row of the model. */
static uint64_t real_id(const struct pg_outbox *o)
{
    char sql[500], seats[200] = "{";
    size_t at = 1;

    for (size_t i = 0; i < o->seat_count; i++)
        at += (size_t)snprintf(seats + at, sizeof(seats) - at, "%s%u", i ? "," : "", o->seats[i]);
    snprintf(seats + at, sizeof(seats) - at, "}");
    snprintf(sql, sizeof(sql),
             "SELECT outbox_id FROM outbox WHERE key = '%s' AND type = '%s' AND seats = '%s'",
             o->key, o->type, seats);
    return strtoull(server_sql(server, sql), NULL, 10);
}

/* Of the rows that wait some are acknowledged, some are poison. */
static void call_settle(void)
{
    struct buf p[2][5]; /* of both sides */
    struct slice params[2][5];
    size_t rows[2] = {0, 0};

    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < 5; i++) {
            buf_init(&p[side][i], 4096);
            buf_append_char(&p[side][i], '{');
        }
    }
    list_for_each (it, &model.outbox) {
        const struct pg_outbox *o = list_entry(it, struct pg_outbox, link);
        size_t poison = below(3) == 0, at = poison ? 2 : 0;
        const char *comma = rows[poison] ? "," : "";

        if (below(2) || o->parked)
            continue;
        rows[poison]++;
        for (size_t side = 0; side < 2; side++) {
            buf_printf(&p[side][at], "%s%d", comma, SALE_EVENT % 16);
            buf_printf(&p[side][at + 1], "%s%" PRIu64, comma, side ? o->id : real_id(o));
            if (poison)
                buf_printf(&p[side][4], "%spoison", comma);
        }
    }
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < 5; i++) {
            buf_append_char(&p[side][i], '}');
            params[side][i] = buf_slice(&p[side][i]);
        }
    }
    both_with(&outbox_settle_statement, params[0], params[1]);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < 5; i++)
            buf_free(&p[side][i]);
    }
}

/* Payments that rest, and one of them compared. */
static void call_reconcile(void)
{
    char limit[8], rest[24], event[24], id[UUID_TEXT_SIZE];
    struct uuid booking = some_booking();

    snprintf(limit, sizeof(limit), "%d", LEDGER_RESUME_MAX);
    snprintf(rest, sizeof(rest), "%" PRId64, below(4) ? 0 : for_ever_ms);
    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    uuid_format(&booking, id);
    if (below(4))
        both(&reconciler_due_statement, (struct slice[]){slice_str(limit), slice_str(rest)});
    else
        both(&reconciler_compared_statement, (struct slice[]){slice_str(event), slice_str(id)});
}

/* The same seats under another hold: a new one, or one that somebody is buying. */
static void call_rehold(struct ledger_call *call)
{
    struct purchase_row *row = &call->row;

    row->event_id = SALE_EVENT;
    row->booking_id = some_booking();
    snprintf(row->hold_id, sizeof(row->hold_id), "%d.%s%u", SALE_EVENT, below(4) ? "again" : "hold",
             below(4) ? below(1000000) : below(KEYS / 2));
    row->fence = some_fence();
    row->expires_ms = model.now_ms + (below(6) ? FAR_MS : -5000);
    if (below(2))
        snprintf(row->provider_ref, sizeof(row->provider_ref), "ch_%u", below(100));
    cr_assert_eq(ledger_rehold(&twin, call, some_lease()), STATUS_CANCELED);
}

static void step(void)
{
    struct ledger_call call = {.verdict = LEDGER_NONE};

    moment++;
    purchase_row_init(&call.row);
    switch (below(22)) {
    case 0:
    case 1:
    case 2: call_begin(&call); break;
    case 3:
    case 4:
    case 5:
    case 6: call_move(&call); break;
    case 7: call_find(&call); break;
    case 8:
    case 9: call_commit(COMMIT_NEW); break;
    case 10:
    case 11: call_commit(COMMIT_PAID); break;
    case 12: call_resume(below(2) ? &ledger_resume : &refund_resume_statement); break;
    case 13:
    case 14:
        call_refund();
        if (below(2))
            call_resume(&refund_resume_statement);
        break;
    case 15: call_settle(); break;
    case 16: call_reconcile(); break;
    case 17: call_rehold(&call); break;
    case 18: call_stores(); break;
    case 19: call_commit(COMMIT_AUTHORIZED); break;
    case 20: call_commit(COMMIT_CAPTURED); break;
    default: call_webhook(); break;
    }
    purchase_row_free(&call.row);
}

static void clear(void)
{
    char sql[400];

    snprintf(sql, sizeof(sql),
             "TRUNCATE booking, ticket, payment, refund, outbox, payment_webhook; UPDATE event SET "
             "epoch = 1;"
             "UPDATE event_seat SET status = 0, version = 0, fence = 0, booking_id = NULL");
    server_sql(server, sql);
    pg_init(&model);
    pg_event_add(&model, SALE_EVENT, SEATS, SALE_PRICE, true);
}

Test(fakes_agree_pg, the_model_of_postgresql_answers_and_keeps_what_postgresql_does)
{
    server = servers_postgres_start();
    sale_prepare(server, SEATS, true, false);
    loop_init(&loop, &clock_system);
    real =
        db_pq_new(&loop, &(struct db_pq_options){
                             .conninfo = server->address, .connections = 1, .application = "test"});
    LOOP_UNTIL(&loop, db_ready(real, NULL), 10000);
    commit_batch_init(&batch);
    for (seed = 1; seed <= SEEDS; seed++) {
        rng_seed(&rng, seed);
        clear();
        moment = 0;
        for (int i = 0; i < STEPS; i++)
            step();
        pg_free(&model);
    }
    check_complete();
    commit_batch_free(&batch);
    db_close(real);
    loop_free(&loop);
    server_stop(server);
}
