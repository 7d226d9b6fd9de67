/* The simulation's model of PostgreSQL (tests/sim/pg_model.h) against PostgreSQL: the same seeded
 * statements on both, every answer and every seat must be equal. Leases are over at once or last
 * for ever, so nothing waits; moments themselves are not compared. */
#include "engine/booking/commit_batch.h"
#include "engine/booking/ledger.h"
#include "engine/booking/refund.h"
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

enum { SEATS = 10, SEEDS = 6, STEPS = 70, KEYS = 14 };

static const int64_t for_ever_ms = 100000000, over_ms = -100000;

static struct loop loop;
static struct server *server;
static struct db *real;
static struct pg_model model;
static struct rng rng;
static uint64_t seed;
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

static void compare_seats(const char *name)
{
    struct pg_event *e = pg_event_find(&model, SALE_EVENT);
    char text[1024];
    size_t at = 0;
    const char *kept;

    for (size_t i = 0; i < e->seat_count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d:%u:%" PRId64 ":%s", i ? "," : "",
                               e->seats[i].status, e->seats[i].version, e->seats[i].fence,
                               e->seats[i].booked ? "t" : "f");
    kept =
        server_sql(server, "SELECT string_agg(status || ':' || version || ':' || fence || ':' || "
                           "CASE WHEN booking_id IS NULL THEN 'f' ELSE 't' END, ',' ORDER BY seat)"
                           " FROM event_seat");
    cr_assert_str_eq(kept, text, "seed %" PRIu64 ": after %s\n  postgresql: %s\n  model: %s", seed,
                     name, kept, text);
}

static void both(const struct db_statement *statement, const struct slice *params)
{
    struct buf real_rows, rows;
    struct asked a = {.request = {.cb = asked_cb}, .rows = &real_rows, .statement = statement};
    struct pg_answer *answer;

    buf_init(&real_rows, 1 << 20);
    buf_init(&rows, 1 << 20);
    read_clock();
    cr_assert_eq(db_query(real, &a.request, statement, params, 10000), STATUS_OK);
    LOOP_UNTIL(&loop, a.done, 10000);
    answer = pg_run(&model, statement, params);
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
    compare_seats(statement->name);
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

/* A purchase of key `n`: the same every time it is asked for, but now and then not. */
static void some_row(struct purchase_row *row, uint32_t n)
{
    const struct pg_event *e = pg_event_find(&model, SALE_EVENT);

    sale_row(row, below(SEATS + 1), 1 + below(3));
    row->booking_id = named("booking", below(1000000));
    row->idem = named("idem", n);
    row->fingerprint = named("print", n + (below(8) == 0 ? 1000 : 0));
    snprintf(row->hold_id, sizeof(row->hold_id), "%d.hold%u", SALE_EVENT, n / 2);
    row->fence = 100 + below(60);
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

static void call_begin(struct ledger_call *call)
{
    some_row(&call->row, below(KEYS));
    cr_assert_eq(ledger_begin(&twin, call, some_lease()), STATUS_CANCELED);
}

static void call_move(struct ledger_call *call)
{
    static const enum ledger_move moves[] = {
        MOVE_AUTHORIZED, MOVE_AUTHORIZED, MOVE_AUTHORIZED, MOVE_PENDING, MOVE_DECLINED,
        MOVE_EXPIRED,    MOVE_CAPTURED,   MOVE_CAPTURED,   MOVE_VOIDED,  MOVE_LATER};
    enum ledger_move to = moves[below(array_len(moves))];

    call->row.event_id = SALE_EVENT;
    call->row.booking_id = some_booking();
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
    cr_assert_eq(below(2) ? ledger_find(&twin, call) : ledger_read(&twin, call), STATUS_CANCELED);
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
        if (lane == COMMIT_PAID)
            rows[i].booking_id = some_booking();
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

static const struct db_statement refund_begin_statement = {
    .name = "refund_begin",
    .text = "SELECT verdict, (work).* FROM refund_begin($1::bigint, $2::uuid, $3::uuid, $4::uuid, "
            "$5::uuid, $6::boolean, $7::integer[], $8::text, $9::bigint)",
    .params = 9,
};
static const struct db_statement refund_done_statement = {
    .name = "refund_done", .text = "SELECT refund_done($1::bigint, $2::uuid)", .params = 2};

static void call_refund(void)
{
    char event[24], lease[24], ids[4][UUID_TEXT_SIZE], seats[16];
    struct uuid booking = some_booking(), refund = named("refund", below(1000000)),
                idem = named("again", below(12)), print = named("print", 1);

    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    snprintf(lease, sizeof(lease), "%" PRId64, some_lease());
    snprintf(seats, sizeof(seats), "{%u}", below(SEATS));
    uuid_format(&booking, ids[0]);
    uuid_format(&refund, ids[1]);
    uuid_format(&idem, ids[2]);
    uuid_format(&print, ids[3]);
    both(&refund_begin_statement,
         (struct slice[]){slice_str(event), slice_str(ids[0]), slice_str(ids[1]), slice_str(ids[2]),
                          slice_str(ids[3]), below(2) ? SLICE_LITERAL("t") : SLICE_LITERAL("f"),
                          below(3) ? SLICE_NONE : slice_str(seats), SLICE_NONE, slice_str(lease)});
    if (below(2) && !list_empty(&model.refunds)) {
        uuid_format(&list_entry(model.refunds.prev, struct pg_refund, link)->id, ids[1]);
        both(&refund_done_statement, (struct slice[]){slice_str(event), slice_str(ids[1])});
    }
}

static const struct db_statement webhook_statement = {
    .name = "webhook_receive",
    .text = "SELECT webhook_receive($1::text, $2::text, $3::text, $4::bigint, $5::uuid)",
    .params = 5};

static void call_webhook(void)
{
    char event[24], id[UUID_TEXT_SIZE], name[16];
    struct uuid booking = some_booking();

    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    snprintf(name, sizeof(name), "evt_%u", below(6));
    uuid_format(&booking, id);
    both(&webhook_statement,
         (struct slice[]){SLICE_LITERAL("sim"), slice_str(name), SLICE_LITERAL("{}"),
                          slice_str(event), slice_str(id)});
}

static const struct db_statement truth_statement = {
    .name = "mirror_read_truth",
    .text = "WITH raised AS (UPDATE event SET epoch = greatest(epoch, $2::int) + 1 WHERE event_id "
            "= $1 RETURNING epoch, seat_count)"
            " SELECT raised.epoch, raised.seat_count, s.state, s.versions FROM raised,"
            " (SELECT string_agg(status::text, '' ORDER BY seat) AS state, "
            "string_agg(lpad(to_hex(version), 8, '0'), '' ORDER BY seat) AS versions"
            " FROM event_seat WHERE event_id = $1) s",
    .params = 2,
};
static const struct db_statement fetch_statement = {
    .name = "outbox_fetch",
    .text = "SELECT o.outbox_id, o.shard, o.event_id, o.topic, o.key, o.type, o.payload, o.seats, "
            "o.versions, o.hold_id, o.session, o.trace,"
            " (extract(epoch from clock_timestamp() - o.created_at) * 1000)::bigint FROM "
            "unnest($1::smallint[]) s CROSS JOIN LATERAL"
            " (SELECT * FROM outbox WHERE shard = s AND parked_at IS NULL ORDER BY outbox_id LIMIT "
            "64) o ORDER BY o.outbox_id LIMIT 512",
    .params = 1,
    .read_only = true,
};

static void call_stores(void)
{
    char event[24], shard[16], least[8];

    snprintf(event, sizeof(event), "%d", SALE_EVENT);
    snprintf(shard, sizeof(shard), "{%d}", SALE_EVENT % 16);
    snprintf(least, sizeof(least), "%u", below(40));
    if (below(2))
        both(&truth_statement, (struct slice[]){slice_str(event), slice_str(least)});
    else
        both(&fetch_statement, (struct slice[]){slice_str(shard)});
}

static void step(void)
{
    struct ledger_call call = {.verdict = LEDGER_NONE};

    purchase_row_init(&call.row);
    switch (below(16)) {
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
    case 14: call_refund(); break;
    default:
        if (below(2))
            call_webhook();
        else
            call_stores();
        break;
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
        for (int i = 0; i < STEPS; i++)
            step();
        pg_free(&model);
    }
    commit_batch_free(&batch);
    db_close(real);
    loop_free(&loop);
    server_stop(server);
}
