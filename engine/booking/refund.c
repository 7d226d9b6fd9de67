#include "engine/booking/refund.h"

#include "engine/base/log.h"

#include <assert.h>
#include <stdio.h>

/*   begin (PostgreSQL) -> decided -> free the seats in Redis -> provider -> done (PostgreSQL) ->
 * end resumed: --^                                  */

const struct db_statement refund_begin_statement = {
    .name = "refund_begin",
    .text = "SELECT verdict, (work).* FROM refund_begin($1::bigint, $2::uuid, $3::uuid, $4::uuid, "
            "$5::uuid, $6::boolean, $7::integer[], $8::text, $9::bigint, $10::bigint)",
    .params = 10,
};
const struct db_statement refund_done_statement = {
    .name = "refund_done",
    .text = "SELECT refund_done($1::bigint, $2::uuid)",
    .params = 2,
};
const struct db_statement refund_resume_statement = {
    .name = "refund_resume",
    .text = "SELECT * FROM refund_resume($1::integer, $2::bigint)",
    .params = 2,
};

enum column {
    EVENT,
    REFUND,
    BOOKING,
    FINGERPRINT,
    CANCEL,
    SEATS,
    VERSIONS,
    AMOUNT,
    CURRENCY,
    STATE,
    UNFINISHED,
    PROVIDER,
    PROVIDER_REF,
    COLUMNS
};

static void read_text(const struct db_result *r, size_t at, size_t column, char *ret_text,
                      size_t size)
{
    bool fits = slice_to_str(db_null(r, at, column) ? SLICE_LITERAL("") : db_value(r, at, column),
                             ret_text, size);

    assert(fits);
}

void refund_row_read(struct refund_row *row, const struct db_result *r, size_t at, size_t first)
{
    bool good;

    assert(r->columns >= first + COLUMNS);
    row->event_id = (uint64_t)db_i64(r, at, first + EVENT);
    good = uuid_parse(db_value(r, at, first + REFUND), &row->refund_id) &&
           uuid_parse(db_value(r, at, first + BOOKING), &row->booking_id) &&
           uuid_parse(db_value(r, at, first + FINGERPRINT), &row->fingerprint) &&
           booking_state_parse(db_value(r, at, first + STATE), &row->state);
    assert(good);
    row->cancel = db_bool(r, at, first + CANCEL);
    row->seat_count = seat_numbers_read(db_value(r, at, first + SEATS), row->seats);
    seat_numbers_read(db_value(r, at, first + VERSIONS), row->versions);
    row->amount = db_i64(r, at, first + AMOUNT);
    read_text(r, at, first + CURRENCY, row->currency, sizeof(row->currency));
    row->unfinished = db_bool(r, at, first + UNFINISHED);
    read_text(r, at, first + PROVIDER, row->provider, sizeof(row->provider));
    read_text(r, at, first + PROVIDER_REF, row->provider_ref, sizeof(row->provider_ref));
}

static void decide(struct refund *r, enum status status)
{
    refund_cb decided = r->decided;

    r->decided = NULL;
    if (decided)
        decided(r, status);
}

/* ---- the money ---- */

static void done_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    (void)status; /* not recorded: the completer asks the provider once more, who returns it once
                     only */
    (void)result;
    refund_drop(container_of(request, struct refund, request));
}

static void record(struct refund *r)
{
    char event[24], id[UUID_TEXT_SIZE];
    struct slice params[2];

    snprintf(event, sizeof(event), "%llu", (unsigned long long)r->row.event_id);
    uuid_format(&r->row.refund_id, id);
    params[0] = slice_str(event);
    params[1] = slice_str(id);
    r->request.cb = done_cb;
    if (r->all->purchases->stopped || db_query(r->all->purchases->db, &r->request,
                                               &refund_done_statement, params, LEDGER_DEADLINE_MS))
        refund_drop(r);
}

static void returned_cb(struct payment_call *call, enum status status)
{
    struct refund *r = container_of(call, struct refund, payment);

    if (!status && call->outcome == PAYMENT_CAPTURED) {
        record(r);
        return;
    }
    if (!status)
        log_error("refund", "refused by the provider", log_str("reference", call->reference),
                  log_i64("amount", call->amount));
    refund_drop(r); /* stays on record as owed */
}

static void return_money(struct refund *r)
{
    struct payment_provider *provider =
        purchases_provider(r->all->purchases, slice_str(r->row.provider));
    struct payment_call *call = &r->payment;

    *call = (struct payment_call){.cb = returned_cb, .op = PAYMENT_REFUND, .amount = r->row.amount};
    payment_reference(r->row.event_id, &r->row.booking_id, call->reference);
    uuid_format(&r->row.refund_id, call->key);
    memcpy(call->currency, r->row.currency, sizeof(call->currency));
    memcpy(call->provider_ref, r->row.provider_ref, sizeof(call->provider_ref));
    if (r->all->purchases->stopped || !provider || payment_submit(provider, call))
        refund_drop(r); /* stays on record as owed */
}

/* ---- the seats ---- */

static void freed_cb(struct hold_call *call, enum status status)
{
    struct refund *r = container_of(call, struct refund, hold);
    struct purchases *p = r->all->purchases;

    if (!status && p->changed)
        p->changed(p->ctx, r->row.event_id);
    refund_resume(r);
}

static void free_seats(struct refund *r)
{
    struct hold *h = &r->hold.hold;
    enum status status;

    r->hold = (struct hold_call){.cb = freed_cb, .trace = slice_str(r->trace)};
    h->event_id = r->row.event_id;
    h->seat_count = r->row.seat_count;
    memcpy(h->seats, r->row.seats, sizeof(h->seats));
    memcpy(h->versions, r->row.versions, sizeof(h->versions));
    status = seat_store_set(r->all->purchases->seats, &r->hold, SEAT_FREE, "refund");
    if (status)
        freed_cb(&r->hold, status); /* the relay repeats it */
}

void refund_resume(struct refund *r)
{
    if (r->row.unfinished)
        return_money(r);
    else
        refund_drop(r);
}

/* ---- the begin ---- */

static void begin_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct refund *r = container_of(request, struct refund, request);

    if (!status) {
        struct slice verdict = db_value(result, 0, 0);

        r->verdict = slice_is(verdict, "begun")     ? LEDGER_BEGUN
                     : slice_is(verdict, "known")   ? LEDGER_KNOWN
                     : slice_is(verdict, "missing") ? LEDGER_NONE
                                                    : LEDGER_NOT_REFUNDABLE;
        if (r->verdict == LEDGER_BEGUN || r->verdict == LEDGER_KNOWN)
            refund_row_read(&r->row, result, 0, 1);
    } else if (status == STATUS_INVALID) {
        log_error("refund", "refused by the database", log_str("message", request->error.message));
    }
    decide(r, status);
    if (!status && r->verdict == LEDGER_BEGUN && !r->all->purchases->stopped) {
        r->all->purchases->metrics.refunds_total++;
        if (r->row.seat_count > 0)
            free_seats(r);
        else
            refund_resume(r);
    } else {
        refund_drop(r);
    }
}

void refund_begin(struct refund *r)
{
    const struct refund_row *row = &r->row;
    char event[24], lease[24], amount[24], ids[4][UUID_TEXT_SIZE];
    struct buf seats;
    enum status status;

    snprintf(event, sizeof(event), "%llu", (unsigned long long)row->event_id);
    snprintf(lease, sizeof(lease), "%lld", (long long)r->all->purchases->lease_ms);
    snprintf(amount, sizeof(amount), "%lld", (long long)row->asked_amount);
    uuid_format(&row->booking_id, ids[0]);
    uuid_format(&row->refund_id, ids[1]);
    uuid_format(&row->idem, ids[2]);
    uuid_format(&row->fingerprint, ids[3]);
    buf_init(&seats, 4096);
    db_array_begin(&seats);
    for (size_t i = 0; i < row->seat_count; i++)
        db_array_i64(&seats, row->seats[i]);
    db_array_end(&seats);
    struct slice params[] = {
        slice_str(event),
        slice_str(ids[0]),
        slice_str(ids[1]),
        slice_str(ids[2]),
        slice_str(ids[3]),
        slice_str(row->cancel ? "t" : "f"),
        row->seat_count ? buf_slice(&seats) : SLICE_NONE,
        r->trace[0] ? slice_str(r->trace) : SLICE_NONE,
        slice_str(lease),
        row->asked_amount ? slice_str(amount) : SLICE_NONE,
    };
    r->request.cb = begin_cb;
    status =
        db_query(r->all->purchases->db, &r->request, &refund_begin_statement, params,
                 due_left_ms(r->due, loop_mono_ns(r->all->purchases->loop), LEDGER_DEADLINE_MS));
    buf_free(&seats);
    if (status) {
        decide(r, status);
        refund_drop(r);
    }
}

/* ---- life ---- */

void refunds_init(struct refunds *all, struct purchases *purchases, size_t in_flight_max)
{
    all->purchases = purchases;
    pool_init(&all->pool, sizeof(struct refund), in_flight_max);
}

void refunds_free(struct refunds *all)
{
    pool_free(&all->pool);
}

struct refund *refund_take(struct refunds *all)
{
    struct refund *r = pool_take(&all->pool);

    if (!r)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->all = all;
    return r;
}

void refund_drop(struct refund *r)
{
    pool_give(&r->all->pool, r);
}
