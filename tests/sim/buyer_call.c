/* A buyer's question inside an engine: what the HTTP handlers do between request and answer
 * (hold_api.c, booking_exchange.c, refund_api.c). It dies with its engine. */
#include "tests/sim/buyer.h"

#include "engine/base/mem.h"
#include "tests/sim/invariants.h"
#include "tests/sim/stores.h"

#include <stdio.h>

/* Less than the provider's limit, so that purchases outlast their requests. */
enum { REQUEST_MS = 1500 };

struct call {
    struct buyer *buyer;
    struct buyer asked; /* as it was when it asked */
    unsigned serial;
    struct process *process;
    struct due due;
    struct hold_call hold;
    struct hold_terms terms;
    struct session_call session;
    struct ledger_call find;
    bool looked_up, no_hold;
};

static void end(struct call *c)
{
    purchase_row_free(&c->find.row);
    mem_free(c);
}

static void reply_status(struct call *c, enum status status)
{
    struct buyer *b = c->buyer;

    if (c->serial == b->serial) {
        struct host *was = world_enter(NULL);

        b->status = status;
        TRACE("buyer %u hears %s, outcome %d, verdict %d", b->id, status_code(status), b->outcome,
              b->verdict);
        buyer_answered(b, c->serial);
        world_enter(was);
    }
    end(c);
}

/* ---- holds ---- */

static void hold_cb(struct hold_call *call, enum status status)
{
    struct call *c = container_of(call, struct call, hold);
    struct buyer *b = c->buyer;

    if (c->serial == b->serial && !status) {
        b->outcome = call->outcome;
        if ((call->outcome == HOLD_GRANTED || call->outcome == HOLD_REPLAYED) &&
            c->asked.wish != WISH_RELEASE)
            b->hold = call->hold;
    }
    reply_status(c, status);
}

static void session_cb(struct session_call *call, enum status status)
{
    struct call *c = container_of(call, struct call, session);

    if (c->serial == c->buyer->serial)
        c->buyer->outcome = call->outcome;
    reply_status(c, status);
}

static void fill_terms(const struct buyer *b, struct hold_terms *t)
{
    *t = (struct hold_terms){.ttl_ms = 4000,
                             .cap_ms = 12000,
                             .max_seats = 6,
                             .max_holds = 2,
                             .session_expires_ms = b->session[0] ? b->session_expires_ms : 0};
    memcpy(t->key, b->key, sizeof(t->key));
    memcpy(t->fingerprint, b->key, sizeof(t->fingerprint));
}

static void fill_hold(const struct buyer *b, struct hold *h)
{
    h->event_id = b->event_id;
    memcpy(h->id, b->hold.id, sizeof(h->id));
    memcpy(h->session, b->session, sizeof(h->session));
}

static enum status ask_hold(struct call *c)
{
    const struct buyer *b = &c->asked;
    struct seat_store *seats = c->process->engine.seats;

    fill_terms(b, &c->terms);
    fill_hold(b, &c->hold.hold);
    c->hold.cb = hold_cb;
    c->hold.due = c->due;
    switch (b->wish) {
    case WISH_PLACE:
        hold_id_make(b->event_id, c->hold.hold.id);
        c->hold.hold.seat_count = b->want_count;
        memcpy(c->hold.hold.seats, b->want, sizeof(b->want));
        return seat_store_place(seats, &c->hold, &c->terms);
    case WISH_EXTEND: return seat_store_extend(seats, &c->hold, &c->terms, 2000);
    case WISH_SWAP:
        return seat_store_swap(seats, &c->hold, &c->terms, b->want, b->want_count, b->hold.seats,
                               1);
    case WISH_RELEASE: return seat_store_release(seats, &c->hold);
    default: return seat_store_get(seats, &c->hold);
    }
}

static enum status ask_give_up(struct call *c)
{
    c->session.cb = session_cb;
    c->session.call.due = c->due;
    c->session.event_id = c->asked.event_id;
    c->session.expires_ms = c->asked.session_expires_ms;
    memcpy(c->session.session, c->asked.session, sizeof(c->session.session));
    return session_end(c->process->engine.seats, &c->session);
}

/* ---- buying, in the order of booking_exchange.c ---- */

static void look_up(struct call *c);

static void reply_row(struct call *c, enum ledger_verdict verdict, const struct purchase_row *row)
{
    struct buyer *b = c->buyer;

    if (row->state == BOOKING_CONFIRMED)
        check_confirmed(row);
    if (c->serial == b->serial) {
        b->verdict = verdict;
        b->row = *row;
        buf_init(&b->row.labels, 1);
    }
    reply_status(c, STATUS_OK);
}

static void reply_nothing(struct call *c, enum ledger_verdict verdict)
{
    if (c->serial == c->buyer->serial)
        c->buyer->verdict = verdict;
    reply_status(c, STATUS_OK);
}

static void decided_cb(struct purchase *p, enum status status)
{
    struct call *c = p->decided_ctx;

    if (status)
        reply_status(c, status);
    else if (p->verdict == LEDGER_BUSY)
        reply_nothing(c, LEDGER_BUSY);
    else if (p->verdict == LEDGER_KNOWN)
        look_up(c);
    else
        reply_row(c, LEDGER_BEGUN, purchase_row(p));
}

static struct purchase *purchase_for(struct call *c)
{
    struct purchase *p = purchase_take(&c->process->till.purchases);

    if (!p) {
        reply_status(c, STATUS_OVERLOADED);
        return NULL;
    }
    p->decided = decided_cb;
    p->decided_ctx = c;
    p->due = c->due;
    purchase_row(p)->event_id = c->asked.event_id;
    purchase_row(p)->idem = c->asked.idem;
    purchase_row(p)->fingerprint = c->asked.fingerprint;
    return p;
}

static void buy(struct call *c)
{
    struct purchase *p = purchase_for(c);
    const struct hold *h = &c->hold.hold;
    struct purchase_row *row;

    if (!p)
        return;
    row = purchase_row(p);
    row->booking_id = uuid_v7(loop_wall_ms(c->process->engine.loop), &c->process->engine.rng);
    memcpy(row->hold_id, h->id, sizeof(row->hold_id));
    memcpy(row->session, h->session, sizeof(row->session));
    row->fence = h->fence;
    row->expires_ms = h->expires_ms;
    row->seat_count = h->seat_count;
    memcpy(row->seats, h->seats, sizeof(row->seats));
    memcpy(row->versions, h->versions, sizeof(row->versions));
    snprintf(row->email, sizeof(row->email), "fan@example.org");
    snprintf(row->name, sizeof(row->name), "A \"Fan\" {1,2}, \\o/");
    row->total = SALE_PRICE * (int64_t)h->seat_count;
    memcpy(row->currency, "EUR", 4);
    row->created_ms = loop_wall_ms(c->process->engine.loop);
    if (!c->asked.charge) {
        purchase_buy(p);
        return;
    }
    snprintf(row->provider, sizeof(row->provider), "sim");
    snprintf(row->token, sizeof(row->token), "%s", c->asked.token);
    purchase_begin(p);
}

static void take_over(struct call *c)
{
    struct purchase *p = purchase_for(c);

    if (!p)
        return;
    purchase_row(p)->booking_id = c->find.row.booking_id;
    purchase_begin(p);
}

static void bought_hold_cb(struct hold_call *call, enum status status)
{
    struct call *c = container_of(call, struct call, hold);

    if (status)
        reply_status(c, status);
    else if (call->outcome == HOLD_GRANTED)
        buy(c);
    else if (!c->looked_up)
        look_up(c);
    else
        reply_nothing(c, LEDGER_NONE);
}

static void get_hold(struct call *c)
{
    struct seat_store *seats = c->process->engine.seats;
    enum status status;

    c->hold = (struct hold_call){.cb = bought_hold_cb, .due = c->due};
    fill_hold(&c->asked, &c->hold.hold);
    status = c->asked.charge ? seat_store_pay(seats, &c->hold, SALE_PAYMENT_MS)
                             : seat_store_get(seats, &c->hold);
    if (status)
        reply_status(c, status);
}

static void found_cb(struct ledger_call *call, enum status status)
{
    struct call *c = container_of(call, struct call, find);
    const struct purchase_row *row = &call->row;
    bool undecided = row->state == BOOKING_AUTHORIZED ||
                     (row->state == BOOKING_PENDING && row->charge != CHARGE_PENDING);

    if (status)
        reply_status(c, status);
    else if (call->verdict == LEDGER_KNOWN && undecided && row->leased)
        reply_status(c, STATUS_CONFLICT); /* in flight */
    else if (call->verdict == LEDGER_KNOWN && undecided)
        take_over(c);
    else if (call->verdict == LEDGER_KNOWN)
        reply_row(c, LEDGER_KNOWN, row);
    else if (c->hold.cb)
        reply_nothing(c, LEDGER_NONE);
    else {
        c->looked_up = true;
        get_hold(c);
    }
}

static void look_up(struct call *c)
{
    enum status status;

    c->find.cb = found_cb;
    c->find.row.event_id = c->asked.event_id;
    c->find.row.idem = c->asked.idem;
    status =
        ledger_find(c->process->engine.db, &c->find,
                    due_left_ms(c->due, loop_mono_ns(c->process->engine.loop), LEDGER_DEADLINE_MS));
    if (status)
        reply_status(c, status);
}

/* ---- giving back ---- */

static void refunded_cb(struct refund *r, enum status status)
{
    struct call *c = r->decided_ctx;

    if (!status && c->serial == c->buyer->serial)
        c->buyer->verdict = r->verdict;
    reply_status(c, status);
}

static enum status ask_refund(struct call *c)
{
    const struct buyer *b = &c->asked;
    struct refund *r = refund_take(&c->process->till.refunds);

    if (!r)
        return STATUS_OVERLOADED;
    r->decided = refunded_cb;
    r->decided_ctx = c;
    r->due = c->due;
    r->row.event_id = b->event_id;
    r->row.booking_id = b->booking_id;
    r->row.refund_id = b->refund_id;
    r->row.idem = b->idem;
    r->row.fingerprint = b->fingerprint;
    r->row.cancel = b->id % 2;
    if (!r->row.cancel && b->row.seat_count > 1) {
        r->row.seat_count = 1;
        r->row.seats[0] = b->row.seats[0];
    }
    refund_begin(r);
    return STATUS_OK;
}

void buyer_ask(struct buyer *b, const struct buyer *asked, struct process *p)
{
    struct host *was = world_enter(p->host);
    struct call *c = mem_alloc(sizeof(*c));
    enum status status = STATUS_OK;

    c->buyer = b;
    c->asked = *asked;
    c->serial = asked->serial;
    c->process = p;
    c->due = due_in(loop_mono_ns(p->engine.loop), REQUEST_MS);
    purchase_row_init(&c->find.row);
    TRACE("buyer %u wants %d", b->id, asked->wish);
    switch (asked->wish) {
    case WISH_BUY:
        if (asked->charge)
            look_up(c);
        else
            get_hold(c);
        break;
    case WISH_GIVE_UP: status = ask_give_up(c); break;
    case WISH_REFUND: status = ask_refund(c); break;
    default: status = ask_hold(c); break;
    }
    if (status)
        reply_status(c, status);
    world_enter(was);
}
