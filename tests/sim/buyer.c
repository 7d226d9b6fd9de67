#include "tests/sim/buyer.h"

#include "engine/base/mem.h"
#include "tests/sim/stores.h"

#include <stdio.h>

enum { PATIENCE_MS = 7000, ATTEMPTS_MAX = 5 };

struct sale_counts sale_counts;

static struct buyer *buyers; /* owned */
static unsigned buyer_count, keys;
static bool stopping;
static struct list letters; /* on their way to an engine */

static void begin_life(struct sim_event *e);
static void ask(struct buyer *b);

/* ---- what it wants next ---- */

static struct uuid new_uuid(void)
{
    return uuid_v7(world_wall_ms(), &world.rng);
}

static void want_seats(struct buyer *b, size_t most)
{
    b->want_count = 0;
    for (uint32_t n = 0; n < b->seat_count && b->want_count < most; n++) {
        if (chance((uint32_t)b->seat_count) < 2)
            b->want[b->want_count++] = n;
    }
    if (!b->want_count)
        b->want[b->want_count++] = chance((uint32_t)b->seat_count);
}

static void wish(struct buyer *b, enum wish w)
{
    b->wish = w;
    b->attempts = 0;
    b->answered = false;
    snprintf(b->key, sizeof(b->key), "%064x", ++keys);
    b->idem = new_uuid();
    b->refund_id = new_uuid();
    ask(b);
}

static void later(struct buyer *b, int64_t most_ms)
{
    world_at(&b->wake, NULL, (int64_t)chance((uint32_t)most_ms) * MS, begin_life);
}

static const char *some_token(void)
{
    static const char *const tokens[] = {
        "tok_declined",     "tok_slow",          "tok_timeout",      "tok_capture_timeout",
        "tok_webhook_late", "tok_webhook_twice", "tok_webhook_lost", "tok_webhook_reordered"};

    return chance(2) ? "tok_visa" : tokens[chance(8)];
}

static void begin_life(struct sim_event *e)
{
    struct buyer *b = container_of(e, struct buyer, wake);

    if (stopping) {
        b->done = true;
        return;
    }
    b->lives++;
    b->event_id = 1 + chance(2);
    b->seat_count = pg_event_find(&stores.pg, b->event_id)->seat_count;
    b->charge = b->event_id == 1;
    b->hold.id[0] = b->session[0] = '\0';
    b->bought = false;
    b->token = some_token();
    if (chance(2)) {
        snprintf(b->session, sizeof(b->session), "s%u-%u", b->id, b->lives);
        b->session_expires_ms = world_wall_ms() + 20000;
    }
    want_seats(b, 3);
    wish(b, WISH_PLACE);
}

/* It has a hold. */
static void decide(struct buyer *b)
{
    switch (chance(16)) {
    case 0: wish(b, WISH_EXTEND); return;
    case 1:
        want_seats(b, 2);
        wish(b, WISH_SWAP);
        return;
    case 2: wish(b, WISH_READ); return;
    case 3: wish(b, WISH_RELEASE); return;
    case 4:
        if (b->session[0])
            wish(b, WISH_GIVE_UP);
        else
            later(b, 1000);
        return;
    case 5:
    case 6: later(b, 2000); return; /* walks away */
    default: wish(b, WISH_BUY); return;
    }
}

/* ---- answers ---- */

static void bought(struct buyer *b)
{
    const struct purchase_row *row = &b->row;

    if (row->state == BOOKING_PENDING ||
        row->state == BOOKING_AUTHORIZED) { /* asks again until it is decided */
        b->attempts = 0;
        b->answered = false;
        ask(b);
        return;
    }
    sale_counts.bookings += row->state == BOOKING_CONFIRMED;
    sale_counts.lost += row->state == BOOKING_LOST || row->state == BOOKING_EXPIRED;
    sale_counts.declined += row->state == BOOKING_DECLINED;
    b->booking_id = row->booking_id;
    b->bought = row->state == BOOKING_CONFIRMED;
    if (b->bought && chance(3) == 0)
        wish(b, WISH_REFUND);
    else if (row->state == BOOKING_DECLINED && chance(2)) {
        b->token = "tok_visa";
        wish(b, WISH_BUY);
    } else
        later(b, 1500);
}

static void act(struct sim_event *e)
{
    struct buyer *b = container_of(e, struct buyer, wake);
    bool granted = b->outcome == HOLD_GRANTED || b->outcome == HOLD_REPLAYED;

    switch (b->wish) {
    case WISH_PLACE:
        sale_counts.holds += granted;
        sale_counts.refused += !granted;
        if (granted)
            decide(b);
        else
            later(b, 500);
        return;
    case WISH_EXTEND:
    case WISH_SWAP:
    case WISH_READ: decide(b); return;
    case WISH_RELEASE:
    case WISH_GIVE_UP: later(b, 500); return;
    case WISH_BUY:
        if (b->verdict == LEDGER_KNOWN || b->verdict == LEDGER_BEGUN ||
            b->verdict == LEDGER_TAKEN_OVER)
            bought(b);
        else
            later(b, 1000);
        return;
    case WISH_REFUND:
        sale_counts.refunds += b->verdict == LEDGER_BEGUN || b->verdict == LEDGER_KNOWN;
        if (b->verdict == LEDGER_NOT_REFUNDABLE &&
            b->attempts < ATTEMPTS_MAX) { /* not captured yet, perhaps */
            b->answered = false;
            ask(b);
        } else {
            later(b, 1000);
        }
        return;
    }
}

void buyer_answered(struct buyer *b, unsigned serial)
{
    if (b->answered || serial != b->serial)
        return;
    if (happens(stores.faults.slow) || (b->status != STATUS_OK && b->attempts < ATTEMPTS_MAX))
        return; /* nothing came through, or an error: it runs out of patience and asks again */
    if (b->status != STATUS_OK) {
        sale_counts.unanswered++;
        b->answered = true;
        world_cancel(&b->patience);
        later(b, 1000);
        return;
    }
    b->answered = true;
    world_cancel(&b->patience);
    world_at(&b->wake, NULL, latency_ns(0) + (int64_t)chance(400) * MS, act);
}

/* ---- asking ---- */

static void impatient(struct sim_event *e)
{
    struct buyer *b = container_of(e, struct buyer, patience);

    if (b->attempts < ATTEMPTS_MAX) {
        ask(b);
        return;
    }
    sale_counts.unanswered++;
    b->answered = true;
    later(b, 1000);
}

/* A request on its way: as it was written, whatever its buyer wants by the time it arrives. */
struct letter {
    struct sim_event event;
    struct list link;
    struct buyer *buyer, asked;
    struct host *to; /* NULL: nobody's yet */
};

static void letter_free(struct letter *l)
{
    world_cancel(&l->event);
    list_remove(&l->link);
    mem_free(l);
}

/* A stopped engine reads it when it wakes; one that has died never does. */
static void arrived(struct sim_event *e)
{
    struct letter *l = container_of(e, struct letter, event);
    struct process *p = l->to ? process_of(l->to) : process_any();

    l->to = p ? p->host : NULL;
    if (p && world_put_off(e, p->host))
        return;
    if (p)
        buyer_ask(l->buyer, &l->asked, p);
    letter_free(l);
}

static void send_letter(struct buyer *b)
{
    struct letter *l = mem_alloc(sizeof(*l));

    l->buyer = b;
    l->asked = *b;
    list_push_back(&letters, &l->link);
    world_at(&l->event, NULL, latency_ns(stores.faults.slow), arrived);
}

static void ask(struct buyer *b)
{
    b->attempts++;
    b->serial++;
    world_at(&b->patience, NULL, (300 + (int64_t)chance(b->attempts > 2 ? PATIENCE_MS : 2500)) * MS,
             impatient);
    if (!happens(stores.faults.ask_lost))
        send_letter(b);
    if (happens(stores.faults.ask_twice))
        send_letter(b);
}

/* ---- life ---- */

void buyers_begin(unsigned count)
{
    buyers = mem_alloc(count * sizeof(*buyers));
    buyer_count = count;
    keys = 0;
    stopping = false;
    list_init(&letters);
    for (unsigned i = 0; i < count; i++) {
        buyers[i].id = i;
        later(&buyers[i], 1000);
    }
}

void buyers_stop(void)
{
    stopping = true;
}

bool buyers_done(void)
{
    for (unsigned i = 0; i < buyer_count; i++) {
        if (!buyers[i].done)
            return false;
    }
    return true;
}

void buyers_end(void)
{
    for (unsigned i = 0; i < buyer_count; i++) {
        world_cancel(&buyers[i].wake);
        world_cancel(&buyers[i].patience);
    }
    list_for_each_safe (it, &letters)
        letter_free(list_entry(it, struct letter, link));
    mem_free(buyers);
    buyers = NULL;
    buyer_count = 0;
}
