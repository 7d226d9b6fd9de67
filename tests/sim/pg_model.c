#include "tests/sim/pg_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- life ---- */

void pg_init(struct pg_model *m)
{
    *m = (struct pg_model){.outbox_next = 1};
    list_init(&m->bookings);
    list_init(&m->refunds);
    list_init(&m->outbox);
    list_init(&m->webhooks);
}

static void outbox_free(struct pg_outbox *o)
{
    list_remove(&o->link);
    mem_free((void *)(uintptr_t)o->payload.at);
    mem_free((void *)(uintptr_t)o->trace.at);
    mem_free(o);
}

struct webhook {
    struct list link;
    char name[128];
};

void pg_free(struct pg_model *m)
{
    for (size_t i = 0; i < m->event_count; i++)
        mem_free(m->events[i].seats);
    list_for_each_safe (it, &m->bookings)
        mem_free(list_entry(it, struct pg_booking, link));
    list_for_each_safe (it, &m->refunds)
        mem_free(list_entry(it, struct pg_refund, link));
    list_for_each_safe (it, &m->outbox)
        outbox_free(list_entry(it, struct pg_outbox, link));
    list_for_each_safe (it, &m->webhooks)
        mem_free(list_entry(it, struct webhook, link));
}

struct pg_event *pg_event_add(struct pg_model *m, uint64_t id, size_t seats, int64_t price,
                              bool charge)
{
    struct pg_event *e = &m->events[m->event_count++];

    assert(m->event_count <= PG_EVENTS_MAX);
    *e = (struct pg_event){.id = id,
                           .epoch = 1,
                           .charge = charge,
                           .seat_count = seats,
                           .seats = mem_alloc(seats * sizeof(*e->seats))};
    for (size_t i = 0; i < seats; i++) {
        e->seats[i].price = price;
        snprintf(e->seats[i].label, sizeof(e->seats[i].label), "A-1-%zu", i + 1);
    }
    return e;
}

struct pg_event *pg_event_find(struct pg_model *m, uint64_t id)
{
    for (size_t i = 0; i < m->event_count; i++) {
        if (m->events[i].id == id)
            return &m->events[i];
    }
    return NULL;
}

static bool same(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct pg_booking *pg_booking_find(struct pg_model *m, uint64_t event_id, const struct uuid *id)
{
    list_for_each (it, &m->bookings) {
        struct pg_booking *b = list_entry(it, struct pg_booking, link);

        if (b->row.event_id == event_id && same(&b->row.booking_id, id))
            return b;
    }
    return NULL;
}

struct pg_booking *pg_booking_by_idem(struct pg_model *m, uint64_t event_id,
                                      const struct uuid *idem)
{
    if (m->plant.no_key)
        return NULL;
    list_for_each (it, &m->bookings) {
        struct pg_booking *b = list_entry(it, struct pg_booking, link);

        if (b->row.event_id == event_id && same(&b->row.idem, idem))
            return b;
    }
    return NULL;
}

struct pg_booking *pg_booking_add(struct pg_model *m)
{
    struct pg_booking *b = mem_alloc(sizeof(*b));

    list_push_back(&m->bookings, &b->link);
    b->row.created_ms = m->now_ms;
    return b;
}

struct pg_outbox *pg_tell(struct pg_model *m, const struct pg_booking *b, const char *type,
                          struct slice payload, struct slice trace)
{
    struct pg_outbox *o;
    char id[UUID_TEXT_SIZE];

    if (m->plant.no_outbox)
        return NULL;
    o = mem_alloc(sizeof(*o));
    uuid_format(&b->row.booking_id, id);
    o->id = m->outbox_next++;
    o->event_id = b->row.event_id;
    o->created_ms = m->now_ms;
    snprintf(o->topic, sizeof(o->topic), "holdfast.bookings");
    snprintf(o->type, sizeof(o->type), "%s", type);
    snprintf(o->key, sizeof(o->key), "%llu:%s", (unsigned long long)o->event_id, id);
    o->payload = slice_of(mem_strndup(payload.at, payload.len), payload.len);
    if (trace.at)
        o->trace = slice_of(mem_strndup(trace.at, trace.len), trace.len);
    list_push_back(&m->outbox, &o->link);
    return o;
}

/* ---- the view ---- */

static void put_labels(struct pg_answer *a, const struct pg_event *e,
                       const struct purchase_row *row)
{
    char text[HOLD_SEATS_MAX * 33 + 1];
    size_t at = 0;

    for (size_t i = 0; i < row->seat_count; i++) {
        if (row->seats[i] < e->seat_count)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? "\x1f" : "",
                                   e->seats[row->seats[i]].label);
    }
    if (at)
        pg_put(a, slice_of(text, at));
    else
        pg_put_null(a);
}

static void put_live(struct pg_answer *a, const struct pg_booking *b)
{
    uint32_t live[HOLD_SEATS_MAX];

    for (size_t i = 0; i < b->ticket_count; i++)
        live[i] = b->tickets[i].live;
    if (b->ticket_count)
        pg_put_numbers(a, live, b->ticket_count, "", "");
    else
        pg_put_null(a);
}

static const char *const charge_texts[] = {
#define X(name, text) text,
    CHARGE_STATE_MAP(X)
#undef X
};

static void put_payment(struct pg_answer *a, const struct purchase_row *row)
{
    if (row->charge == CHARGE_NONE) {
        for (int i = 0; i < 4; i++)
            pg_put_null(a);
    } else {
        pg_put(a, slice_str(row->provider));
        pg_put(a, slice_str(row->token));
        pg_put(a, slice_str(charge_texts[row->charge]));
        if (row->provider_ref[0])
            pg_put(a, slice_str(row->provider_ref));
        else
            pg_put_null(a);
    }
    pg_put_i64(a, row->captured);
    pg_put_i64(a, row->refunded);
}

void pg_put_purchase(struct pg_model *m, struct pg_answer *a, const struct pg_booking *b)
{
    const struct purchase_row *row = &b->row;

    pg_put_i64(a, (int64_t)row->event_id);
    pg_put_uuid(a, &row->booking_id);
    pg_put_uuid(a, &row->fingerprint);
    pg_put(a, slice_str(booking_state_text(row->state)));
    pg_put(a, slice_str(b->step));
    if (row->outcome == OUTCOME_SOLD)
        pg_put_null(a);
    else
        pg_put(a, slice_str(booking_outcome_text(row->outcome)));
    pg_put_bool(a, b->has_lease && b->lease_until > m->now_ms);
    pg_put(a, slice_str(row->hold_id));
    pg_put(a, slice_str(row->session));
    pg_put_i64(a, (int64_t)row->fence);
    pg_put_i64(a, row->expires_ms);
    pg_put_numbers(a, row->seats, row->seat_count, "", "");
    pg_put_numbers(a, row->versions, row->seat_count, "", "");
    pg_put(a, slice_str(row->email));
    pg_put(a, slice_str(row->name));
    pg_put_i64(a, row->total);
    pg_put(a, slice_str(row->currency));
    pg_put_i64(a, row->created_ms);
    if (row->confirmed_ms)
        pg_put_i64(a, row->confirmed_ms);
    else
        pg_put_null(a);
    put_payment(a, row);
    put_labels(a, pg_event_find(m, row->event_id), row);
    put_live(a, b);
    pg_row(a);
}

/* ---- statements that only read, or take leases ---- */

static void booking_find(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid idem = pg_uuid(p[1]);
    const struct pg_booking *b = pg_booking_by_idem(m, (uint64_t)pg_i64(p[0]), &idem);

    if (b)
        pg_put_purchase(m, a, b);
}

static void booking_read(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid id = pg_uuid(p[1]);
    const struct pg_booking *b = pg_booking_find(m, (uint64_t)pg_i64(p[0]), &id);

    if (b)
        pg_put_purchase(m, a, b);
}

/* ORDER BY lease_until; equal ones in the order of the table here, in any order there. */
static void booking_resume(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    int64_t limit = pg_i64(p[0]), until = m->now_ms + pg_i64(p[1]);

    list_for_each (it, &m->bookings)
        list_entry(it, struct pg_booking, link)->taken = false;
    while ((int64_t)a->result.rows < limit) {
        struct pg_booking *first = NULL;

        list_for_each (it, &m->bookings) {
            struct pg_booking *b = list_entry(it, struct pg_booking, link);

            if (b->has_lease && !b->taken && b->lease_until <= m->now_ms &&
                (!first || b->lease_until < first->lease_until))
                first = b;
        }
        if (!first)
            return;
        first->taken = true;
        m->changes++;
        pg_put_purchase(m, a, first); /* as it was before: one statement, one snapshot */
        first->lease_until = until;
    }
}

static bool being_refunded(const struct pg_model *m, const struct pg_booking *b)
{
    list_for_each (it, &m->refunds) {
        const struct pg_refund *r = list_entry(it, struct pg_refund, link);

        if (r->booking == b && r->has_lease)
            return true;
    }
    return false;
}

static bool to_be_compared(const struct pg_model *m, const struct pg_booking *b, int64_t rest_ms)
{
    bool at_rest = b->row.charge == CHARGE_CAPTURED || b->row.charge == CHARGE_VOIDED ||
                   b->row.charge == CHARGE_DECLINED;

    return b->reconcile && b->reconcile_due <= m->now_ms && b->paid_ms <= m->now_ms - rest_ms &&
           at_rest && !b->has_lease && !being_refunded(m, b);
}

static void payment_reconcile(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    int64_t limit = pg_i64(p[0]), rest_ms = pg_i64(p[1]);

    while ((int64_t)a->result.rows < limit) {
        struct pg_booking *first = NULL;

        list_for_each (it, &m->bookings) {
            struct pg_booking *b = list_entry(it, struct pg_booking, link);

            if (to_be_compared(m, b, rest_ms) &&
                (!first || b->reconcile_due < first->reconcile_due))
                first = b;
        }
        if (!first)
            return;
        first->reconcile_due = m->now_ms + 60000;
        pg_put_purchase(m, a, first);
    }
}

static void payment_compared(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct uuid id = pg_uuid(p[1]);
    struct pg_booking *b = pg_booking_find(m, (uint64_t)pg_i64(p[0]), &id);

    (void)a;
    if (b)
        b->reconcile = false;
}

static void webhook_receive(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct webhook *w;
    char name[128];
    struct uuid id;
    struct pg_booking *b;

    snprintf(name, sizeof(name), "%.*s/%.*s", SLICE_ARG(p[0]), SLICE_ARG(p[1]));
    list_for_each (it, &m->webhooks) {
        if (strcmp(list_entry(it, struct webhook, link)->name, name) == 0) {
            pg_put_bool(a, false);
            pg_row(a);
            return;
        }
    }
    w = mem_alloc(sizeof(*w));
    memcpy(w->name, name, sizeof(name));
    list_push_back(&m->webhooks, &w->link);
    m->changes++;
    if (p[3].at) {
        id = pg_uuid(p[4]);
        b = pg_booking_find(m, (uint64_t)pg_i64(p[3]), &id);
        if (b && b->row.charge == CHARGE_PENDING && slice_is(p[0], b->row.provider) && b->has_lease)
            b->lease_until = m->now_ms;
    }
    pg_put_bool(a, true);
    pg_row(a);
}

static void mirror_read_truth(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    struct pg_event *e = pg_event_find(m, (uint64_t)pg_i64(p[0]));
    uint32_t least = (uint32_t)pg_i64(p[1]);
    char *state, *hex;

    if (!e)
        return;
    e->epoch = (e->epoch > least ? e->epoch : least) + 1;
    m->changes++;
    state = arena_take(&a->arena, e->seat_count + 1);
    hex = arena_take(&a->arena, 8 * e->seat_count + 1);
    for (size_t i = 0; i < e->seat_count; i++) {
        state[i] = (char)('0' + e->seats[i].status);
        snprintf(hex + 8 * i, 9, "%08x", e->seats[i].version);
    }
    pg_put_i64(a, e->epoch);
    pg_put_i64(a, (int64_t)e->seat_count);
    pg_put(a, slice_of(state, e->seat_count));
    pg_put(a, slice_of(hex, 8 * e->seat_count));
    pg_row(a);
}

static void relay_events(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    uint32_t mask = (uint32_t)pg_i64(p[0]);

    for (size_t i = 0; i < m->event_count; i++) {
        if (mask >> m->events[i].id % 16 & 1) {
            pg_put_i64(a, (int64_t)m->events[i].id);
            pg_row(a);
        }
    }
}

static void sweeper_events(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    (void)p;
    for (size_t i = m->event_count; i-- > 0;) {
        pg_put_i64(a, (int64_t)m->events[i].id);
        pg_put_bool(a, false);
        pg_row(a);
    }
}

/* ---- the outbox ---- */

static bool has(const struct pg_array *list, uint64_t value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].at && (uint64_t)pg_i64(list->items[i]) == value)
            return true;
    }
    return false;
}

static void put_outbox(struct pg_model *m, struct pg_answer *a, const struct pg_outbox *o)
{
    pg_put_i64(a, (int64_t)o->id);
    pg_put_i64(a, (int64_t)(o->event_id % 16));
    pg_put_i64(a, (int64_t)o->event_id);
    pg_put(a, slice_str(o->topic));
    pg_put(a, slice_str(o->key));
    pg_put(a, slice_str(o->type));
    pg_put(a, o->payload);
    pg_put_numbers(a, o->seats, o->seat_count, "{", "}");
    pg_put_numbers(a, o->versions, o->seat_count, "{", "}");
    pg_put(a, slice_str(o->hold_id));
    pg_put(a, slice_str(o->session));
    if (o->trace.at)
        pg_put(a, o->trace);
    else
        pg_put_null(a);
    pg_put_i64(a, m->now_ms - o->created_ms);
    pg_row(a);
}

static void outbox_fetch(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    static struct pg_array shards;
    size_t of_shard[16] = {0};

    pg_array_read(p[0], a, &shards);
    list_for_each (it, &m->outbox) {
        const struct pg_outbox *o = list_entry(it, struct pg_outbox, link);
        uint64_t shard = o->event_id % 16;

        if (!o->parked && has(&shards, shard) && of_shard[shard]++ < 256 && a->result.rows < 512)
            put_outbox(m, a, o);
    }
}

static void outbox_settle(struct pg_model *m, const struct slice *p, struct pg_answer *a)
{
    static struct pg_array done, parked;
    int64_t settled = 0;

    pg_array_read(p[1], a, &done);
    pg_array_read(p[3], a, &parked);
    list_for_each_safe (it, &m->outbox) {
        struct pg_outbox *o = list_entry(it, struct pg_outbox, link);
        bool is_done = has(&done, o->id), is_poison = !is_done && has(&parked, o->id);

        settled += is_done || is_poison;
        if (is_done)
            outbox_free(o);
        else if (is_poison)
            o->parked = true;
    }
    m->changes++;
    pg_put_i64(a, settled);
    pg_row(a);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    pg_statement_fn run;
} statements[] = {
    {"outbox_fetch", outbox_fetch},
    {"outbox_settle", outbox_settle},
    {"booking_resume", booking_resume},
    {"refund_resume", pg_refund_resume},
    {"relay_events", relay_events},
    {"sweeper_events", sweeper_events},
    {"mirror_read_truth", mirror_read_truth},
    {"payment_reconcile", payment_reconcile},
    {"payment_compared", payment_compared},
    {"booking_find", booking_find},
    {"booking_rehold", pg_booking_rehold},
    {"booking_read", booking_read},
    {"booking_begin", pg_booking_begin},
    {"booking_move", pg_booking_move},
    {"booking_commit", pg_booking_commit},
    {"booking_commit_paid", pg_booking_commit_paid},
    {"refund_begin", pg_refund_begin},
    {"refund_done", pg_refund_done},
    {"webhook_receive", webhook_receive},
    {"booking_authorized", pg_booking_authorized},
    {"booking_captured", pg_booking_captured},
};

const char *pg_statement_name(size_t i)
{
    return i < array_len(statements) ? statements[i].name : NULL;
}

struct pg_answer *pg_run(struct pg_model *m, const struct db_statement *statement,
                         const struct slice *params)
{
    struct pg_answer *a = pg_answer_new();

    for (size_t i = 0; i < array_len(statements); i++) {
        if (strcmp(statements[i].name, statement->name) == 0) {
            statements[i].run(m, params, a);
            return a;
        }
    }
    fprintf(stderr, "the model of postgresql does not know %s\n", statement->name);
    abort();
}
