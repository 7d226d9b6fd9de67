/* sql/0004_refund.sql, 0008_refund_amount.sql */
#include "tests/sim/pg_internal.h"

#include "engine/base/json.h"

/* What the booking was in after this refund. */
static const char *state_after(struct pg_model *m, const struct pg_refund *r)
{
    size_t seats = 0;

    if (r->cancel)
        return "cancelled";
    list_for_each (it, &m->refunds) {
        const struct pg_refund *other = list_entry(it, struct pg_refund, link);

        seats += other->booking == r->booking ? other->seat_count : 0;
        if (other == r)
            break;
    }
    return seats == r->booking->row.seat_count ? "refunded" : "confirmed";
}

static void put_work(struct pg_model *m, struct pg_answer *a, const struct pg_refund *r)
{
    const struct purchase_row *row = &r->booking->row;

    pg_put_i64(a, (int64_t)row->event_id);
    pg_put_uuid(a, &r->id);
    pg_put_uuid(a, &row->booking_id);
    pg_put_uuid(a, &r->fingerprint);
    pg_put_bool(a, r->cancel);
    pg_put_numbers(a, r->seats, r->seat_count, "", "");
    pg_put_numbers(a, r->versions, r->seat_count, "", "");
    pg_put_i64(a, r->amount);
    pg_put(a, slice_str(row->currency));
    pg_put(a, slice_str(state_after(m, r)));
    pg_put_bool(a, r->has_lease);
    if (row->charge == CHARGE_NONE)
        pg_put_null(a);
    else
        pg_put(a, slice_str(row->provider));
    if (row->provider_ref[0])
        pg_put(a, slice_str(row->provider_ref));
    else
        pg_put_null(a);
    pg_row(a);
}

static void put_no_work(struct pg_answer *a)
{
    for (int i = 0; i < 13; i++)
        pg_put_null(a);
    pg_row(a);
}

static struct pg_refund *by_idem(struct pg_model *m, const struct pg_booking *b,
                                 const struct uuid *idem)
{
    list_for_each (it, &m->refunds) {
        struct pg_refund *r = list_entry(it, struct pg_refund, link);

        if (r->booking == b && memcmp(&r->idem, idem, sizeof(*idem)) == 0)
            return r;
    }
    return NULL;
}

static bool wanted(uint32_t seat, const uint32_t *seats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seats[i] == seat)
            return true;
    }
    return count == 0;
}

/* What no refund has returned yet. */
static int64_t remaining(const struct pg_model *m, const struct pg_booking *b)
{
    int64_t left = b->row.captured;

    list_for_each (it, &m->refunds) {
        const struct pg_refund *r = list_entry(it, struct pg_refund, link);

        left -= r->booking == b ? r->amount : 0;
    }
    return left;
}

static bool refundable(const struct pg_booking *b)
{
    return b->row.state == BOOKING_CONFIRMED &&
           (b->row.charge == CHARGE_NONE || b->row.charge == CHARGE_CAPTURED);
}

/* Fills seats and amount of what would be given back; false when that may not be. */
static bool choose(const struct pg_booking *b, bool all, const uint32_t *seats, size_t count,
                   int64_t left, struct pg_refund *r)
{
    if (!refundable(b))
        return false;
    for (size_t i = 0; i < b->ticket_count; i++) {
        if (b->tickets[i].live && (all || wanted(b->tickets[i].seat, seats, count))) {
            r->seats[r->seat_count++] = b->tickets[i].seat;
            r->amount += b->row.charge == CHARGE_NONE ? 0 : b->tickets[i].price;
        }
    }
    r->amount = r->amount < left ? r->amount : left;
    return r->seat_count > 0 && (all || r->seat_count >= count);
}

static void give_back(struct pg_model *m, struct pg_refund *r)
{
    struct pg_booking *b = r->booking;
    struct pg_event *e = pg_event_find(m, b->row.event_id);
    bool any = false;

    for (size_t i = 0; i < r->seat_count; i++) {
        struct pg_seat *s = &e->seats[r->seats[i]];

        s->status = 0;
        r->versions[i] = ++s->version;
        s->booked = false;
    }
    for (size_t i = 0; i < b->ticket_count; i++) {
        b->tickets[i].live =
            b->tickets[i].live && !wanted(b->tickets[i].seat, r->seats, r->seat_count);
        any = any || b->tickets[i].live;
    }
    if (!any)
        b->row.state = r->cancel ? BOOKING_CANCELLED : BOOKING_REFUNDED;
}

static void tell(struct pg_model *m, const struct pg_refund *r, struct slice trace)
{
    struct pg_outbox *o =
        pg_tell(m, r->booking, r->cancel ? "booking.cancelled" : "booking.refunded",
                SLICE_LITERAL("{}"), trace);

    if (!o)
        return;
    o->seat_count = r->seat_count;
    memcpy(o->seats, r->seats, sizeof(o->seats));
    memcpy(o->versions, r->versions, sizeof(o->versions));
}

void pg_refund_begin(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid booking = pg_uuid(p[1]), idem = pg_uuid(p[3]);
    struct pg_booking *b = pg_booking_find(m, (uint64_t)pg_i64(p[0]), &booking);
    struct pg_refund *r = b ? by_idem(m, b, &idem) : NULL;
    uint32_t seats[HOLD_SEATS_MAX];
    size_t count = p[6].at ? pg_numbers(p[6], seats) : 0;
    int64_t left;

    if (!b) {
        pg_put(a, SLICE_LITERAL("missing"));
        put_no_work(a);
        return;
    }
    if (r) {
        pg_put(a, SLICE_LITERAL("known"));
        put_work(m, a, r);
        return;
    }
    r = mem_alloc(sizeof(*r));
    *r = (struct pg_refund){.booking = b,
                            .id = pg_uuid(p[2]),
                            .idem = idem,
                            .fingerprint = pg_uuid(p[4]),
                            .cancel = slice_is(p[5], "t")};
    left = remaining(m, b);
    if (p[9].at)
        r->amount = pg_i64(p[9]);
    if (p[9].at ? !refundable(b) || count > 0 || r->amount < 1 || r->amount > left
                : !choose(b, !p[6].at, seats, count, left, r)) {
        mem_free(r);
        pg_put(a, SLICE_LITERAL("not_refundable"));
        put_no_work(a);
        return;
    }
    if (r->seat_count > 0)
        give_back(m, r);
    r->has_lease = r->amount > 0;
    r->lease_until = m->now_ms + pg_i64(p[8]);
    list_push_back(&m->refunds, &r->link);
    tell(m, r, p[7]);
    m->changes++;
    pg_put(a, SLICE_LITERAL("begun"));
    put_work(m, a, r);
}

void pg_refund_done(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid id = pg_uuid(p[1]);
    bool done = false;

    list_for_each (it, &m->refunds) {
        struct pg_refund *r = list_entry(it, struct pg_refund, link);

        if (memcmp(&r->id, &id, sizeof(id)) != 0 || !r->has_lease)
            continue;
        r->has_lease = false;
        done = r->booking->row.charge != CHARGE_NONE;
        r->booking->row.refunded += r->amount;
        r->booking->paid_ms = r->booking->reconcile_due = m->now_ms;
        r->booking->reconcile = true;
        m->changes++;
    }
    pg_put_bool(a, done);
    pg_row(a);
}

void pg_refund_resume(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    int64_t limit = pg_i64(p[0]), until = m->now_ms + pg_i64(p[1]);

    list_for_each (it, &m->refunds)
        list_entry(it, struct pg_refund, link)->taken = false;
    while ((int64_t)a->result.rows < limit) {
        struct pg_refund *first = NULL;

        list_for_each (it, &m->refunds) {
            struct pg_refund *r = list_entry(it, struct pg_refund, link);

            if (r->has_lease && !r->taken && r->lease_until <= m->now_ms &&
                (!first || r->lease_until < first->lease_until))
                first = r;
        }
        if (!first)
            return;
        first->taken = true;
        first->lease_until = until;
        m->changes++;
        put_work(m, a, first);
    }
}
