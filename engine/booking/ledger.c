#include "engine/booking/ledger.h"

#include "engine/base/mem.h"

#include <stdio.h>

static const struct db_statement find_statement = {
    .name = "booking_find",
    /* LATERAL, or the view is made of every booking of the event before the one is looked for. */
    .text = "SELECT p.* FROM booking b CROSS JOIN LATERAL (SELECT * FROM purchase q WHERE "
            "q.event_id = b.event_id AND q.booking_id = b.booking_id OFFSET 0) p WHERE "
            "b.event_id = $1::bigint AND b.idem = $2::uuid",
    .params = 2,
    .read_only = true,
};
static const struct db_statement read_statement = {
    .name = "booking_read",
    .text = "SELECT * FROM purchase WHERE event_id = $1::bigint AND booking_id = $2::uuid",
    .params = 2,
    .read_only = true,
};
static const struct db_statement begin_statement = {
    .name = "booking_begin",
    .text = "SELECT verdict, (row_of).* FROM booking_begin($1::bigint, $2::uuid, $3::uuid, "
            "$4::uuid, $5::text, $6::text, $7::bigint, $8::bigint, $9::integer[], "
            "$10::integer[], $11::text, $12::text, $13::bigint, $14::text, $15::text, $16::text, "
            "$17::bigint)",
    .params = 17,
};
static const struct db_statement move_statement = {
    .name = "booking_move",
    .text = "SELECT * FROM booking_move($1::bigint, $2::uuid, $3::text, $4::text, $5::text, "
            "$6::bigint)",
    .params = 6,
};
static const struct db_statement rehold_statement = {
    .name = "booking_rehold",
    .text = "SELECT * FROM booking_rehold($1::bigint, $2::uuid, $3::text, $4::text, $5::bigint, "
            "$6::bigint, $7::bigint)",
    .params = 7,
};
const struct db_statement ledger_resume = {
    .name = "booking_resume",
    .text = "SELECT * FROM booking_resume($1::integer, $2::bigint)",
    .params = 2,
};

static const char *const move_texts[] = {"authorized", "pending", "declined", "expired",
                                         "captured",   "voided",  "later"};

/* Parameters that are numbers and ids, as text that lives as long as this struct. */
struct texts {
    char text[8][UUID_TEXT_SIZE];
    size_t used;
};

static struct slice text_i64(struct texts *t, int64_t value)
{
    char *at = t->text[t->used++];

    snprintf(at, UUID_TEXT_SIZE, "%lld", (long long)value);
    return slice_str(at);
}

static struct slice text_uuid(struct texts *t, const struct uuid *u)
{
    char *at = t->text[t->used++];

    uuid_format(u, at);
    return slice_str(at);
}

static void row_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct ledger_call *call = container_of(request, struct ledger_call, request);

    if (!status && result->rows == 0) {
        call->verdict = LEDGER_NONE;
    } else if (!status) {
        call->verdict = LEDGER_KNOWN;
        purchase_row_read(&call->row, result, 0, 0);
    }
    call->cb(call, status);
}

static enum status row_query(struct db *db, struct ledger_call *call,
                             const struct db_statement *statement, const struct uuid *id,
                             unsigned deadline_ms)
{
    struct texts t = {.used = 0};
    struct slice params[] = {text_i64(&t, (int64_t)call->row.event_id), text_uuid(&t, id)};

    call->request.cb = row_cb;
    return db_query(db, &call->request, statement, params, deadline_ms);
}

enum status ledger_find(struct db *db, struct ledger_call *call, unsigned deadline_ms)
{
    return row_query(db, call, &find_statement, &call->row.idem, deadline_ms);
}

enum status ledger_read(struct db *db, struct ledger_call *call, unsigned deadline_ms)
{
    return row_query(db, call, &read_statement, &call->row.booking_id, deadline_ms);
}

static void begin_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct ledger_call *call = container_of(request, struct ledger_call, request);

    if (status == STATUS_CONFLICT &&
        strcmp(request->error.constraint, "booking_one_purchase") == 0) {
        call->verdict = LEDGER_BUSY;
        status = STATUS_OK;
    } else if (!status) {
        struct slice verdict = db_value(result, 0, 0);

        call->verdict = slice_is(verdict, "begun")   ? LEDGER_BEGUN
                        : slice_is(verdict, "known") ? LEDGER_KNOWN
                                                     : LEDGER_TAKEN_OVER;
        purchase_row_read(&call->row, result, 0, 1);
    }
    call->cb(call, status);
}

static void append_numbers(struct buf *b, const uint32_t *numbers, size_t count)
{
    db_array_begin(b);
    for (size_t i = 0; i < count; i++)
        db_array_i64(b, numbers[i]);
    db_array_end(b);
}

enum status ledger_begin(struct db *db, struct ledger_call *call, int64_t lease_ms,
                         unsigned deadline_ms)
{
    const struct purchase_row *row = &call->row;
    struct texts t = {.used = 0};
    struct buf seats, versions;
    enum status status;

    buf_init(&seats, 4096);
    buf_init(&versions, 4096);
    append_numbers(&seats, row->seats, row->seat_count);
    append_numbers(&versions, row->versions, row->seat_count);
    struct slice params[] = {
        text_i64(&t, (int64_t)row->event_id),
        text_uuid(&t, &row->booking_id),
        text_uuid(&t, &row->idem),
        text_uuid(&t, &row->fingerprint),
        slice_str(row->hold_id),
        slice_str(row->session),
        text_i64(&t, (int64_t)row->fence),
        text_i64(&t, row->expires_ms),
        buf_slice(&seats),
        buf_slice(&versions),
        slice_str(row->email),
        slice_str(row->name),
        text_i64(&t, row->total),
        slice_str(row->currency),
        slice_str(row->provider),
        slice_str(row->token),
        text_i64(&t, lease_ms),
    };
    call->request.cb = begin_cb;
    status = db_query(db, &call->request, &begin_statement, params, deadline_ms);
    buf_free(&seats);
    buf_free(&versions);
    return status;
}

enum status ledger_move(struct db *db, struct ledger_call *call, enum ledger_move move,
                        enum booking_outcome outcome, int64_t lease_ms)
{
    const struct purchase_row *row = &call->row;
    struct texts t = {.used = 0};
    struct slice params[] = {
        text_i64(&t, (int64_t)row->event_id),
        text_uuid(&t, &row->booking_id),
        slice_str(move_texts[move]),
        row->provider_ref[0] ? slice_str(row->provider_ref) : SLICE_NONE,
        outcome == OUTCOME_SOLD ? SLICE_NONE : slice_str(booking_outcome_text(outcome)),
        text_i64(&t, lease_ms),
    };

    call->request.cb = row_cb;
    return db_query(db, &call->request, &move_statement, params, LEDGER_DEADLINE_MS);
}

enum status ledger_rehold(struct db *db, struct ledger_call *call, int64_t lease_ms)
{
    const struct purchase_row *row = &call->row;
    struct texts t = {.used = 0};
    struct slice params[] = {
        text_i64(&t, (int64_t)row->event_id),
        text_uuid(&t, &row->booking_id),
        row->provider_ref[0] ? slice_str(row->provider_ref) : SLICE_NONE,
        slice_str(row->hold_id),
        text_i64(&t, (int64_t)row->fence),
        text_i64(&t, row->expires_ms),
        text_i64(&t, lease_ms),
    };

    call->request.cb = row_cb;
    return db_query(db, &call->request, &rehold_statement, params, LEDGER_DEADLINE_MS);
}

enum status ledger_resume_submit(struct db *db, struct db_request *request,
                                 const struct db_statement *statement, int64_t lease_ms)
{
    struct texts t = {.used = 0};
    struct slice params[] = {text_i64(&t, LEDGER_RESUME_MAX), text_i64(&t, lease_ms)};

    return db_query(db, request, statement, params, LEDGER_DEADLINE_MS);
}
