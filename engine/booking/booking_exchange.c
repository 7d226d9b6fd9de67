#include "engine/booking/booking_api.h"

#include "engine/base/log.h"
#include "engine/booking/booking_json.h"
#include "engine/booking/booking_request.h"
#include "engine/booking/entry.h"

/* POST /v1/bookings/{eventId}:
 *
 *   parse -> entry (event, pass) -> key on record? --yes--> answer from the record, or take over
 * from its dead worker | no seats named? --> the session's hold that has them
 *                                        |
 *                          hold: read (no charge) or extended over the payment window -> purchase
 * -> answer
 *
 * Without charge the record is looked at inside the commit's statement, and by itself only when the
 * hold is gone: the replay of an answered request needs no hold. */

struct booking_exchange {
    struct till *till;
    struct http_request *req;
    struct entry entry;
    struct booking_wish wish;
    struct slice key;
    struct uuid idem, fingerprint;
    struct ledger_call find;
    struct hold_call hold;
    struct session_call session;
    bool looked_up; /* there is no record of this key */
};

static struct booking_exchange *exchange_new(struct till *t, struct http_request *req)
{
    struct booking_exchange *x = pool_take(&t->exchanges);

    if (!x) {
        http_reply_problem(req, PROBLEM_OVERLOADED, NULL);
        return NULL;
    }
    memset(x, 0, sizeof(*x));
    x->till = t;
    x->req = req;
    purchase_row_init(&x->find.row);
    return x;
}

/* The last thing of every exchange: the request was answered. */
static void exchange_end(struct booking_exchange *x)
{
    entry_end(&x->entry);
    purchase_row_free(&x->find.row);
    pool_give(&x->till->exchanges, x);
}

static void end_problem(struct booking_exchange *x, enum problem problem, const char *detail)
{
    http_reply_problem(x->req, problem, detail);
    exchange_end(x);
}

static void end_failure(struct booking_exchange *x, enum status status)
{
    http_reply_failure(x->req, status);
    exchange_end(x);
}

/* ---- the answer ---- */

static void reply_booking(struct booking_exchange *x, const struct purchase_row *row)
{
    struct json_out w;
    char id[UUID_TEXT_SIZE];

    json_begin(&w, x->req->out);
    booking_json_answer(&w, row, &x->till->keys);
    if (row->state == BOOKING_PENDING) {
        uuid_format(&row->booking_id, id);
        http_headerf(x->req, "Location", "/v1/bookings/%s", id);
    }
    http_reply(x->req, row->state == BOOKING_PENDING ? 202 : 201, "application/json");
    exchange_end(x);
}

static void reply_row(struct booking_exchange *x, const struct purchase_row *row)
{
    switch (row->outcome) {
    case OUTCOME_SOLD: reply_booking(x, row); return;
    case OUTCOME_SEAT_TAKEN: end_problem(x, PROBLEM_SEAT_TAKEN, NULL); return;
    case OUTCOME_HOLD_EXPIRED: end_problem(x, PROBLEM_HOLD_EXPIRED, NULL); return;
    case OUTCOME_PRICE_CHANGED: end_problem(x, PROBLEM_PRICE_CHANGED, NULL); return;
    case OUTCOME_DECLINED:
        end_problem(x, PROBLEM_PAYMENT_DECLINED,
                    "The hold is still yours: try another card, with a new Idempotency-Key.");
        return;
    }
}

static void take_over(struct booking_exchange *x);

/* The key is on record in x->find.row. */
static void reply_known(struct booking_exchange *x)
{
    const struct purchase_row *row = &x->find.row;
    bool undecided = row->state == BOOKING_AUTHORIZED ||
                     (row->state == BOOKING_PENDING && row->charge != CHARGE_PENDING);

    if (memcmp(&row->fingerprint, &x->fingerprint, sizeof(x->fingerprint)) != 0) {
        end_problem(x, PROBLEM_IDEMPOTENCY_MISMATCH, NULL);
    } else if (undecided && row->leased) {
        http_header(x->req, "Retry-After", "1");
        end_problem(x, PROBLEM_IDEMPOTENCY_IN_FLIGHT, NULL);
    } else if (undecided) {
        take_over(x);
    } else {
        x->till->purchases.metrics.bookings_replayed_total++;
        reply_row(x, row);
    }
}

/* ---- the purchase ---- */

static void look_up(struct booking_exchange *x);

static void decided_cb(struct purchase *p, enum status status)
{
    struct booking_exchange *x = p->decided_ctx;

    if (status) {
        end_failure(x, status);
    } else if (p->verdict == LEDGER_BUSY) {
        end_problem(x, PROBLEM_CONFLICT, "Another purchase of this hold is under way.");
    } else if (p->verdict == LEDGER_KNOWN) {
        look_up(x); /* what is on record, whole */
    } else {
        reply_row(x, purchase_row(p));
    }
}

static struct purchase *purchase_for(struct booking_exchange *x)
{
    struct purchase *p = purchase_take(&x->till->purchases);
    struct purchase_row *row;

    if (!p) {
        end_problem(x, PROBLEM_OVERLOADED, NULL);
        return NULL;
    }
    row = purchase_row(p);
    p->decided = decided_cb;
    p->decided_ctx = x;
    p->due = x->req->due;
    slice_to_str(x->req->traceparent, p->trace, sizeof(p->trace));
    row->event_id = x->entry.event_id;
    row->idem = x->idem;
    row->fingerprint = x->fingerprint;
    return p;
}

/* Its worker died: the claim of the same key takes the lease, then the purchase goes on from where
 * it stands. */
static void take_over(struct booking_exchange *x)
{
    struct purchase *p = purchase_for(x);

    if (!p)
        return;
    purchase_row(p)->booking_id = x->find.row.booking_id;
    purchase_begin(p);
}

static void buy(struct booking_exchange *x)
{
    struct purchase *p = purchase_for(x);
    const struct hold *h = &x->hold.hold;
    const struct booking_wish *w = &x->wish;
    struct purchase_row *row;

    if (!p)
        return;
    row = purchase_row(p);
    row->booking_id = uuid_v7(loop_wall_ms(x->till->engine->loop), &x->till->engine->rng);
    memcpy(row->hold_id, h->id, sizeof(row->hold_id));
    memcpy(row->session, h->session, sizeof(row->session));
    row->fence = h->fence;
    row->expires_ms = h->expires_ms;
    row->seat_count = h->seat_count;
    memcpy(row->seats, h->seats, h->seat_count * sizeof(row->seats[0]));
    memcpy(row->versions, h->versions, h->seat_count * sizeof(row->versions[0]));
    memcpy(row->email, w->email, sizeof(row->email));
    memcpy(row->name, w->name, sizeof(row->name));
    row->total = w->expected_total;
    memcpy(row->currency, x->entry.event->currency, sizeof(row->currency));
    row->created_ms = loop_wall_ms(x->till->engine->loop);
    if (x->entry.event->charge) {
        memcpy(row->provider, w->provider, sizeof(row->provider));
        memcpy(row->token, w->token, sizeof(row->token));
        purchase_begin(p);
    } else {
        purchase_buy(p);
    }
}

/* ---- the hold ---- */

static void spent_cb(struct session_call *call, enum status status)
{
    struct booking_exchange *x = container_of(call, struct booking_exchange, session);

    if (!status && call->outcome == HOLD_SESSION_ENDED)
        end_problem(x, PROBLEM_PASS_SPENT, NULL);
    else
        end_problem(x, PROBLEM_HOLD_EXPIRED, NULL);
}

static enum status read_session(struct booking_exchange *x, session_call_cb cb)
{
    x->session = (struct session_call){
        .cb = cb, .event_id = x->entry.event_id, .expires_ms = x->entry.session_expires_ms};
    memcpy(x->session.session, x->entry.session, sizeof(x->session.session));
    x->session.call.due = x->req->due;
    return session_read(x->till->engine->seats, &x->session);
}

/* No hold, and no record of the key either. */
static void hold_gone(struct booking_exchange *x)
{
    if (!x->looked_up)
        look_up(x);
    else if (!x->entry.session[0] || read_session(x, spent_cb))
        end_problem(x, PROBLEM_HOLD_EXPIRED, NULL);
}

static void hold_cb(struct hold_call *call, enum status status)
{
    struct booking_exchange *x = container_of(call, struct booking_exchange, hold);

    if (status)
        end_failure(x, status);
    else if (call->outcome == HOLD_GRANTED)
        buy(x);
    else
        hold_gone(x);
}

static void get_hold(struct booking_exchange *x)
{
    struct seat_store *seats = x->till->engine->seats;
    struct hold *h = &x->hold.hold;
    uint64_t event_id;
    enum status status;

    if (!hold_id_event(slice_str(x->wish.hold_id), &event_id) || event_id != x->entry.event_id) {
        hold_gone(x);
        return;
    }
    x->hold = (struct hold_call){.cb = hold_cb, .trace = x->req->traceparent, .due = x->req->due};
    h->event_id = x->entry.event_id;
    memcpy(h->id, x->wish.hold_id, sizeof(h->id));
    memcpy(h->session, x->entry.session, sizeof(h->session));
    status = x->entry.event->charge ? seat_store_pay(seats, &x->hold, x->entry.event->payment_ms)
                                    : seat_store_get(seats, &x->hold);
    if (status)
        end_failure(x, status);
}

static bool same_seats(const struct hold *h, const struct booking_wish *w)
{
    return h->seat_count == w->seat_count &&
           memcmp(h->seats, w->seats, w->seat_count * sizeof(w->seats[0])) == 0;
}

static void session_cb(struct session_call *call, enum status status)
{
    struct booking_exchange *x = container_of(call, struct booking_exchange, session);

    if (status) {
        end_failure(x, status);
        return;
    }
    if (call->outcome == HOLD_SESSION_ENDED) {
        end_problem(x, PROBLEM_PASS_SPENT, NULL);
        return;
    }
    for (size_t i = 0; i < call->hold_count; i++) {
        if (same_seats(&call->holds[i], &x->wish)) {
            memcpy(x->wish.hold_id, call->holds[i].id, sizeof(x->wish.hold_id));
            get_hold(x);
            return;
        }
    }
    end_problem(x, PROBLEM_HOLD_EXPIRED, "The session holds exactly these seats in no hold.");
}

static void find_hold(struct booking_exchange *x)
{
    enum status status;

    if (x->wish.hold_id[0]) {
        get_hold(x);
        return;
    }
    status = read_session(x, session_cb);
    if (status)
        end_failure(x, status);
}

/* ---- the key ---- */

static void found_cb(struct ledger_call *call, enum status status)
{
    struct booking_exchange *x = container_of(call, struct booking_exchange, find);

    if (status) {
        end_failure(x, status);
    } else if (call->verdict == LEDGER_KNOWN) {
        reply_known(x);
    } else if (x->hold.cb || (x->wish.hold_id[0] && !x->entry.event->charge)) {
        x->looked_up = true;
        hold_gone(x);
    } else {
        x->looked_up = true;
        find_hold(x);
    }
}

static void look_up(struct booking_exchange *x)
{
    enum status status;

    x->find.cb = found_cb;
    x->find.row.event_id = x->entry.event_id;
    x->find.row.idem = x->idem;
    status = ledger_find(x->till->engine->db, &x->find, http_left_ms(x->req, LEDGER_DEADLINE_MS));
    if (status)
        end_failure(x, status);
}

/* ---- the way in ---- */

static void ready_cb(struct entry *entry)
{
    struct booking_exchange *x = container_of(entry, struct booking_exchange, entry);
    const struct event *e = entry->event;
    struct slice principal = slice_str(entry->session[0] ? entry->session : x->wish.hold_id);

    if (principal.len == 0) {
        end_problem(
            x, PROBLEM_INVALID,
            "ticketIds needs the session of a pass; this event has no queue: give the holdId");
        return;
    }
    if (e->charge && !purchases_provider(&x->till->purchases, slice_str(x->wish.provider))) {
        end_problem(x, PROBLEM_INVALID,
                    x->wish.provider[0] ? "paymentDetails.provider is not known here"
                                        : "paymentDetails is needed");
        return;
    }
    x->idem = idempotency_name(principal, x->key);
    x->fingerprint = booking_wish_fingerprint(&x->wish, entry->event_id);
    if (e->charge || !x->wish.hold_id[0])
        look_up(x);
    else
        get_hold(x);
}

static void refused_cb(struct entry *entry)
{
    exchange_end(container_of(entry, struct booking_exchange, entry));
}

void booking_post(struct http_request *req, void *ctx)
{
    struct till *t = ctx;
    struct booking_exchange *x;
    uint64_t event_id;
    struct slice key;
    json_t *body;
    char why[200];
    enum status status;

    if (!http_param_id(req, 0, &event_id) || !idempotency_key(req, &key))
        return;
    body = http_body_json(req);
    if (!body)
        return;
    x = exchange_new(t, req);
    if (x) {
        x->key = key;
        status = booking_wish_read(body, &x->wish, why, sizeof(why));
        if (status)
            end_problem(x, PROBLEM_INVALID, why);
        else
            entry_begin(&x->entry, t->engine, req, event_id, ENTRY_SHOPPER, ready_cb, refused_cb);
    }
    json_decref(body);
}

void booking_exchanges_init(struct till *t, size_t requests)
{
    pool_init(&t->exchanges, sizeof(struct booking_exchange), requests);
}
