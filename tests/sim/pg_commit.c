/* sql/0002_commit.sql and sql/0003_purchase.sql: begin, moves, commit. */
#include "tests/sim/pg_internal.h"

#include <assert.h>

/* ---- the guards ---- */

static bool guarded(const struct pg_model *m, const struct pg_event *e, uint32_t seat,
                    uint32_t version, uint64_t fence)
{
    const struct pg_seat *s = &e->seats[seat];

    return s->status == 0 && (m->plant.no_version || s->version == version) &&
           (m->plant.no_fence || s->fence < (int64_t)fence);
}

static enum booking_outcome judge(struct pg_model *m, const struct pg_event *e,
                                  const struct purchase_row *row)
{
    int64_t price = 0;

    for (size_t i = 0; i < row->seat_count; i++) {
        if (row->seats[i] >= e->seat_count ||
            !guarded(m, e, row->seats[i], row->versions[i], row->fence))
            return OUTCOME_SEAT_TAKEN;
        price += e->seats[row->seats[i]].price;
    }
    if (row->seat_count == 0)
        return OUTCOME_SEAT_TAKEN;
    if (!m->plant.no_expiry && m->now_ms >= row->expires_ms)
        return OUTCOME_HOLD_EXPIRED;
    return price != row->total ? OUTCOME_PRICE_CHANGED : OUTCOME_SOLD;
}

static enum booking_state state_of(enum booking_outcome outcome)
{
    return outcome == OUTCOME_SOLD           ? BOOKING_CONFIRMED
           : outcome == OUTCOME_HOLD_EXPIRED ? BOOKING_EXPIRED
                                             : BOOKING_LOST;
}

/* ticket_one_live, over all tickets there are. */
static bool live_elsewhere(const struct pg_model *m, const struct purchase_row *row)
{
    list_for_each (it, &m->bookings) {
        const struct pg_booking *b = list_entry(it, struct pg_booking, link);

        for (size_t i = 0; b->row.event_id == row->event_id && i < b->ticket_count; i++) {
            for (size_t k = 0; b->tickets[i].live && k < row->seat_count; k++) {
                if (b->tickets[i].seat == row->seats[k])
                    return true;
            }
        }
    }
    return false;
}

static void sell(struct pg_model *m, struct pg_booking *b)
{
    struct pg_event *e = pg_event_find(m, b->row.event_id);

    if (m->selling)
        m->selling(m, b);
    for (size_t i = 0; i < b->row.seat_count; i++) {
        struct pg_seat *s = &e->seats[b->row.seats[i]];

        s->status = 2;
        s->version++;
        s->fence = (int64_t)b->row.fence;
        s->booked = true;
        s->booking_id = b->row.booking_id;
        b->tickets[b->ticket_count++] =
            (struct pg_ticket){.seat = b->row.seats[i], .price = s->price, .live = true};
    }
    b->row.confirmed_ms = m->now_ms;
}

static void tell_sale(struct pg_model *m, const struct pg_booking *b, struct slice payload,
                      struct slice trace)
{
    struct pg_outbox *o = pg_tell(m, b, "booking.confirmed", payload, trace);

    if (!o)
        return;
    memcpy(o->hold_id, b->row.hold_id, sizeof(o->hold_id));
    memcpy(o->session, b->row.session, sizeof(o->session));
    o->seat_count = b->row.seat_count;
    memcpy(o->seats, b->row.seats, sizeof(o->seats));
    memcpy(o->versions, b->row.versions, sizeof(o->versions));
}

static void put_labels(struct pg_model *m, struct pg_answer *a, const struct purchase_row *row)
{
    const struct pg_event *e = pg_event_find(m, row->event_id);
    struct buf b;

    buf_init(&b, 8192);
    for (size_t i = 0; i < row->seat_count; i++) {
        if (row->seats[i] < e->seat_count) {
            buf_append_str(&b, b.len ? "\x1f" : "");
            buf_append_str(&b, e->seats[row->seats[i]].label);
        }
    }
    if (b.len)
        pg_put(a, buf_slice(&b));
    else
        pg_put_null(a);
    buf_free(&b);
}

static void put_outcome(struct pg_answer *a, enum booking_outcome outcome)
{
    if (outcome == OUTCOME_SOLD)
        pg_put_null(a);
    else
        pg_put(a, slice_str(booking_outcome_text(outcome)));
}

/* ---- booking_commit ---- */

enum {
    EVENT,
    BOOKING,
    IDEM,
    FINGERPRINT,
    HOLD,
    SESSION,
    FENCE,
    EXPIRES,
    SEATS,
    VERSIONS,
    EMAIL,
    NAME,
    TOTAL,
    CURRENCY,
    PAYLOAD,
    TRACE_,
    COLUMNS
};
enum { COMMIT_MAX = 128 };

static void read_row(const struct pg_array *columns, size_t i, struct purchase_row *row)
{
    *row = (struct purchase_row){.event_id = (uint64_t)pg_i64(columns[EVENT].items[i]),
                                 .booking_id = pg_uuid(columns[BOOKING].items[i]),
                                 .idem = pg_uuid(columns[IDEM].items[i]),
                                 .fingerprint = pg_uuid(columns[FINGERPRINT].items[i]),
                                 .fence = (uint64_t)pg_i64(columns[FENCE].items[i]),
                                 .expires_ms = pg_i64(columns[EXPIRES].items[i]),
                                 .total = pg_i64(columns[TOTAL].items[i])};
    pg_text(columns[HOLD].items[i], row->hold_id, sizeof(row->hold_id));
    pg_text(columns[SESSION].items[i], row->session, sizeof(row->session));
    pg_text(columns[EMAIL].items[i], row->email, sizeof(row->email));
    pg_text(columns[NAME].items[i], row->name, sizeof(row->name));
    pg_text(columns[CURRENCY].items[i], row->currency, sizeof(row->currency));
    row->seat_count = pg_numbers(columns[SEATS].items[i], row->seats);
    pg_numbers(columns[VERSIONS].items[i], row->versions);
}

static void put_verdict(struct pg_model *m, struct pg_answer *a, size_t i, bool known,
                        const struct purchase_row *row)
{
    pg_put_i64(a, (int64_t)i + 1);
    pg_put_bool(a, known);
    pg_put_uuid(a, &row->booking_id);
    pg_put_uuid(a, &row->fingerprint);
    pg_put(a, slice_str(booking_state_text(row->state)));
    put_outcome(a, row->outcome);
    if (known)
        pg_put_null(a);
    else
        put_labels(m, a, row);
    pg_row(a);
}

/* The rows of those whose key is new come first. */
void pg_booking_commit(struct pg_model *m, const struct slice *params, struct pg_answer *a)
{
    static struct pg_array columns[COLUMNS];
    static struct purchase_row rows[COMMIT_MAX];
    const struct pg_booking *old[COMMIT_MAX];
    size_t count;

    for (size_t c = 0; c < COLUMNS; c++)
        pg_array_read(params[c], a, &columns[c]);
    count = columns[EVENT].count;
    assert(count <= array_len(rows));
    for (size_t i = 0; i < count; i++) {
        read_row(columns, i, &rows[i]);
        old[i] = pg_booking_by_idem(m, rows[i].event_id, &rows[i].idem);
        rows[i].outcome = judge(m, pg_event_find(m, rows[i].event_id), &rows[i]);
        rows[i].state = state_of(rows[i].outcome);
        if (!old[i] && rows[i].outcome == OUTCOME_SOLD && live_elsewhere(m, &rows[i])) {
            pg_refuse(a, "23505", "ticket_one_live");
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct pg_booking *b;

        if (old[i])
            continue;
        b = pg_booking_add(m);
        rows[i].created_ms = b->row.created_ms;
        b->row = rows[i];
        b->step = "done";
        if (b->row.state == BOOKING_CONFIRMED) {
            sell(m, b);
            tell_sale(m, b, columns[PAYLOAD].items[i], columns[TRACE_].items[i]);
        }
        put_verdict(m, a, i, false, &b->row);
    }
    for (size_t i = 0; i < count; i++) {
        if (old[i])
            put_verdict(m, a, i, true, &old[i]->row);
    }
    m->changes++;
}

/* ---- booking_commit_paid ---- */

static void put_paid(struct pg_model *m, struct pg_answer *a, size_t i,
                     const struct purchase_row *row, bool judged)
{
    pg_put_i64(a, (int64_t)i + 1);
    pg_put_bool(a, false);
    pg_put_null(a);
    pg_put_null(a);
    pg_put(a, slice_str(booking_state_text(row->state)));
    put_outcome(a, row->outcome);
    if (judged)
        put_labels(m, a, row);
    else
        pg_put_null(a);
    pg_row(a);
}

void pg_booking_commit_paid(struct pg_model *m, const struct slice *params, struct pg_answer *a)
{
    static struct pg_array columns[4];
    struct pg_booking *asked[COMMIT_MAX];
    enum booking_outcome wrong[COMMIT_MAX];
    int64_t lease_ms = pg_i64(params[4]);
    size_t count;

    for (size_t c = 0; c < 4; c++)
        pg_array_read(params[c], a, &columns[c]);
    count = columns[0].count;
    assert(count <= array_len(asked));
    for (size_t i = 0; i < count; i++) {
        struct uuid id = pg_uuid(columns[1].items[i]);

        asked[i] = pg_booking_find(m, (uint64_t)pg_i64(columns[0].items[i]), &id);
        if (!asked[i] || asked[i]->row.state != BOOKING_AUTHORIZED)
            continue;
        wrong[i] = judge(m, pg_event_find(m, asked[i]->row.event_id), &asked[i]->row);
        if (wrong[i] == OUTCOME_SOLD && live_elsewhere(m, &asked[i]->row)) {
            pg_refuse(a, "23505", "ticket_one_live");
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct pg_booking *b = asked[i];

        if (!b || b->row.state != BOOKING_AUTHORIZED)
            continue;
        b->row.outcome = wrong[i];
        b->row.state = state_of(wrong[i]);
        b->step = "commit";
        b->has_lease = true;
        b->lease_until = m->now_ms + lease_ms;
        b->paid_ms = m->now_ms;
        b->row.charge = wrong[i] == OUTCOME_SOLD ? CHARGE_CAPTURING : CHARGE_VOIDING;
        if (wrong[i] == OUTCOME_SOLD) {
            sell(m, b);
            tell_sale(m, b, columns[2].items[i], columns[3].items[i]);
        }
        put_paid(m, a, i, &b->row, true);
        asked[i] = NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (asked[i])
            put_paid(m, a, i, &asked[i]->row, false);
    }
    m->changes++;
}

/* ---- booking_begin ---- */

/* booking_one_purchase, over all bookings but the row's own. */
static bool hold_is_being_bought(const struct pg_model *m, const struct purchase_row *row)
{
    list_for_each (it, &m->bookings) {
        const struct purchase_row *other = &list_entry(it, struct pg_booking, link)->row;

        if (other != row && other->event_id == row->event_id &&
            strcmp(other->hold_id, row->hold_id) == 0 &&
            (other->state == BOOKING_PENDING || other->state == BOOKING_AUTHORIZED))
            return true;
    }
    return false;
}

static void read_begin(const struct slice *p, struct purchase_row *row)
{
    *row = (struct purchase_row){.event_id = (uint64_t)pg_i64(p[0]),
                                 .booking_id = pg_uuid(p[1]),
                                 .idem = pg_uuid(p[2]),
                                 .fingerprint = pg_uuid(p[3]),
                                 .fence = (uint64_t)pg_i64(p[6]),
                                 .expires_ms = pg_i64(p[7]),
                                 .total = pg_i64(p[12])};
    pg_text(p[4], row->hold_id, sizeof(row->hold_id));
    pg_text(p[5], row->session, sizeof(row->session));
    row->seat_count = pg_numbers(p[8], row->seats);
    pg_numbers(p[9], row->versions);
    pg_text(p[10], row->email, sizeof(row->email));
    pg_text(p[11], row->name, sizeof(row->name));
    pg_text(p[13], row->currency, sizeof(row->currency));
}

static void put_begun(struct pg_model *m, struct pg_answer *a, const char *verdict,
                      const struct pg_booking *b)
{
    pg_put(a, slice_str(verdict));
    pg_put_purchase(m, a, b);
}

void pg_booking_begin(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    static struct purchase_row row;
    struct pg_booking *b;
    int64_t lease_ms = pg_i64(p[16]);

    read_begin(p, &row);
    b = pg_booking_by_idem(m, row.event_id, &row.idem);
    if (b) {
        bool over = memcmp(&b->row.fingerprint, &row.fingerprint, sizeof(row.fingerprint)) == 0 &&
                    b->has_lease && b->lease_until <= m->now_ms;

        if (over)
            b->lease_until = m->now_ms + lease_ms;
        m->changes += over;
        put_begun(m, a, over ? "taken_over" : "known", b);
        return;
    }
    row.outcome = judge(m, pg_event_find(m, row.event_id), &row);
    if (row.outcome == OUTCOME_SOLD && hold_is_being_bought(m, &row)) {
        pg_refuse(a, "23505", "booking_one_purchase");
        return;
    }
    b = pg_booking_add(m);
    row.created_ms = b->row.created_ms;
    b->row = row;
    b->row.state = row.outcome == OUTCOME_SOLD ? BOOKING_PENDING : state_of(row.outcome);
    b->step = row.outcome == OUTCOME_SOLD ? "begin" : "done";
    b->has_lease = row.outcome == OUTCOME_SOLD;
    b->lease_until = m->now_ms + lease_ms;
    if (row.outcome == OUTCOME_SOLD) {
        b->row.charge = CHARGE_AUTHORIZING;
        b->reconcile = true;
        b->reconcile_due = b->paid_ms = m->now_ms;
        pg_text(p[14], b->row.provider, sizeof(b->row.provider));
        pg_text(p[15], b->row.token, sizeof(b->row.token));
    }
    m->changes++;
    put_begun(m, a, "begun", b);
}

/* ---- booking_move ---- */

static void lease(struct pg_booking *b, int64_t until)
{
    b->has_lease = true;
    b->lease_until = until;
}

static void done(struct pg_booking *b)
{
    b->step = "done";
    b->has_lease = false;
}

static bool undecided(const struct purchase_row *r)
{
    return r->state == BOOKING_PENDING &&
           (r->charge == CHARGE_AUTHORIZING || r->charge == CHARGE_PENDING);
}

static void move(struct pg_booking *b, struct slice to, enum booking_outcome outcome, int64_t until)
{
    struct purchase_row *r = &b->row;

    if (slice_is(to, "authorized") && undecided(r)) {
        r->state = BOOKING_AUTHORIZED;
        r->charge = CHARGE_AUTHORIZED;
        b->step = "authorize";
        lease(b, until);
    } else if (slice_is(to, "pending") && undecided(r)) {
        r->charge = CHARGE_PENDING;
        b->step = "authorize";
        lease(b, until);
    } else if (slice_is(to, "declined") && undecided(r)) {
        r->state = BOOKING_DECLINED;
        r->charge = CHARGE_DECLINED;
        r->outcome = outcome;
        done(b);
    } else if (slice_is(to, "expired") &&
               (r->state == BOOKING_PENDING || r->state == BOOKING_AUTHORIZED)) {
        r->state = BOOKING_EXPIRED;
        r->charge = CHARGE_VOIDING;
        r->outcome = outcome;
        b->step = "commit";
        lease(b, until);
    } else if (slice_is(to, "captured") && r->charge == CHARGE_CAPTURING) {
        int64_t amount = r->total;

        r->charge = CHARGE_CAPTURED;
        r->captured = amount;
        done(b);
    } else if (slice_is(to, "voided") && r->charge == CHARGE_VOIDING) {
        r->charge = CHARGE_VOIDED;
        done(b);
    } else if (slice_is(to, "later") && b->has_lease) {
        lease(b, until);
    }
}

void pg_booking_move(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid id = pg_uuid(p[1]);
    struct pg_booking *b = pg_booking_find(m, (uint64_t)pg_i64(p[0]), &id);
    enum booking_outcome outcome = OUTCOME_SOLD;

    if (!b)
        return;
    if (p[4].at && !booking_outcome_parse(p[4], &outcome))
        assert(false);
    b->paid_ms = m->now_ms;
    move(b, p[2], outcome, m->now_ms + pg_i64(p[5]));
    if (p[3].at && b->row.charge != CHARGE_NONE)
        pg_text(p[3], b->row.provider_ref, sizeof(b->row.provider_ref));
    m->changes++;
    pg_put_purchase(m, a, b);
}

/* sql/0010_gathered_moves.sql: as booking_move, but who is not where it may be moved from is left
 * wholly alone. */
static void move_many(struct pg_model *m, const struct slice *params, size_t arrays,
                      struct slice to, int64_t until, struct pg_answer *a)
{
    static struct pg_array columns[3];

    for (size_t c = 0; c < arrays; c++)
        pg_array_read(params[c], a, &columns[c]);
    for (size_t i = 0; i < columns[0].count; i++) {
        struct uuid id = pg_uuid(columns[1].items[i]);
        struct pg_booking *b = pg_booking_find(m, (uint64_t)pg_i64(columns[0].items[i]), &id);
        bool due;

        if (!b)
            continue;
        due = arrays == 2 ? b->row.charge == CHARGE_CAPTURING : undecided(&b->row);
        if (due) {
            b->paid_ms = m->now_ms;
            move(b, to, OUTCOME_SOLD, until);
            if (arrays == 3 && columns[2].items[i].at)
                pg_text(columns[2].items[i], b->row.provider_ref, sizeof(b->row.provider_ref));
        }
        pg_put_i64(a, (int64_t)i + 1);
        pg_put_bool(a, due);
        pg_row(a);
    }
    m->changes++;
}

void pg_booking_authorized(struct pg_model *m, const struct slice *params, struct pg_answer *a)
{
    move_many(m, params, 3, SLICE_LITERAL("authorized"), m->now_ms + pg_i64(params[3]), a);
}

void pg_booking_captured(struct pg_model *m, const struct slice *params, struct pg_answer *a)
{
    move_many(m, params, 2, SLICE_LITERAL("captured"), 0, a);
}

/* sql/0006_reconcile.sql */
void pg_booking_rehold(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid id = pg_uuid(p[1]);
    struct pg_booking *b = pg_booking_find(m, (uint64_t)pg_i64(p[0]), &id);

    if (!b)
        return;
    if (b->row.state == BOOKING_PENDING || b->row.state == BOOKING_AUTHORIZED) {
        char old[HOLD_ID_SIZE];

        memcpy(old, b->row.hold_id, sizeof(old));
        pg_text(p[3], b->row.hold_id, sizeof(b->row.hold_id));
        if (hold_is_being_bought(m, &b->row)) {
            memcpy(b->row.hold_id, old, sizeof(old));
            pg_refuse(a, "23505", "booking_one_purchase");
            return;
        }
        b->row.state = BOOKING_AUTHORIZED;
        b->step = "authorize";
        b->row.fence = (uint64_t)pg_i64(p[4]);
        b->row.expires_ms = pg_i64(p[5]);
        lease(b, m->now_ms + pg_i64(p[6]));
        b->row.charge = CHARGE_AUTHORIZED;
        b->paid_ms = m->now_ms;
        if (p[2].at)
            pg_text(p[2], b->row.provider_ref, sizeof(b->row.provider_ref));
        m->changes++;
    }
    pg_put_purchase(m, a, b);
}
