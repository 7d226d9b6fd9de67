#include "tests/sim/invariants.h"

#include "engine/base/mem.h"
#include "tests/sim/news_check.h"
#include "tests/sim/provider.h"
#include "tests/sim/stores.h"
#include "tests/sim/viewers.h"

#include <inttypes.h>
#include <stdio.h>

#define EPOCH_SHIFT 40

/* What the change log of an event has told so far. */
struct shadow {
    uint64_t rev;
    char *state; /* owned */
    size_t len;
};

static struct {
    uint64_t redis_changes, pg_changes;
    uint64_t charge_changes;
    bool lied;
    const struct list *last_booking;
    struct shadow shadows[PG_EVENTS_MAX];
} seen;

void invariants_redis_lied(void)
{
    seen.lied = true;
}

bool invariants_have_lied(void)
{
    return seen.lied;
}

/* ---- the truth ---- */

static const char *text_of(const struct uuid *u)
{
    static char text[UUID_TEXT_SIZE];

    uuid_format(u, text);
    return text;
}

/* I1 and I6, each guard by itself, whatever the statement believes. */
static void check_sale(struct pg_model *m, const struct pg_booking *b)
{
    const struct pg_event *e = pg_event_find(m, b->row.event_id);

    if (m->now_ms >= b->row.expires_ms)
        broken("I6: booking %s is sold %" PRId64 " ms after its hold expired",
               text_of(&b->row.booking_id), m->now_ms - b->row.expires_ms);
    for (size_t i = 0; i < b->row.seat_count; i++) {
        const struct pg_seat *s = &e->seats[b->row.seats[i]];

        if (s->status != 0)
            broken("I1: seat %u of event %" PRIu64 " is sold again", b->row.seats[i], e->id);
        if (s->version != b->row.versions[i])
            broken("I1: seat %u of event %" PRIu64 " is sold at version %u, it was held at %u",
                   b->row.seats[i], e->id, s->version, b->row.versions[i]);
        if (s->fence >= (int64_t)b->row.fence)
            broken("I6: seat %u of event %" PRIu64 " is sold with fence %" PRIu64
                   ", it had %" PRId64,
                   b->row.seats[i], e->id, b->row.fence, s->fence);
    }
}

static bool was_sold(enum booking_state state)
{
    return state == BOOKING_CONFIRMED || state == BOOKING_CANCELLED || state == BOOKING_REFUNDED;
}

void check_confirmed(const struct purchase_row *row)
{
    const struct pg_booking *b = pg_booking_find(&stores.pg, row->event_id, &row->booking_id);

    if (!b || !was_sold(b->row.state))
        broken("I2: booking %s is told to be confirmed and is not", text_of(&row->booking_id));
}

/* I1: live tickets and sold seats are the same. */
static void check_tickets(const struct pg_event *e)
{
    const struct pg_booking *owner[1024] = {NULL};

    list_for_each (it, &stores.pg.bookings) {
        const struct pg_booking *b = list_entry(it, struct pg_booking, link);
        size_t live = 0;

        for (size_t i = 0; b->row.event_id == e->id && i < b->ticket_count; i++) {
            if (!b->tickets[i].live)
                continue;
            live++;
            if (owner[b->tickets[i].seat])
                broken("I1: seat %u of event %" PRIu64 " has two live tickets", b->tickets[i].seat,
                       e->id);
            owner[b->tickets[i].seat] = b;
        }
        if (b->row.event_id == e->id && (live > 0) != (b->row.state == BOOKING_CONFIRMED))
            broken("I3: booking %s is %s and has %zu live tickets", text_of(&b->row.booking_id),
                   booking_state_text(b->row.state), live);
    }
    for (size_t n = 0; n < e->seat_count; n++) {
        const struct pg_seat *s = &e->seats[n];

        if ((s->status == 2) != (owner[n] != NULL) ||
            (owner[n] &&
             memcmp(&s->booking_id, &owner[n]->row.booking_id, sizeof(s->booking_id)) != 0))
            broken("I1: seat %zu of event %" PRIu64 " and its ticket disagree", n, e->id);
    }
}

/* I5: whatever is repeated under one key is one booking. */
static void check_keys(void)
{
    list_for_each (it, &stores.pg.bookings) {
        const struct pg_booking *b = list_entry(it, struct pg_booking, link);

        for (const struct list *next = it->next; next != &stores.pg.bookings; next = next->next) {
            const struct pg_booking *other = list_entry(next, struct pg_booking, link);

            if (b->row.event_id == other->row.event_id &&
                memcmp(&b->row.idem, &other->row.idem, sizeof(b->row.idem)) == 0)
                broken("I5: the key of booking %s was used for another one",
                       text_of(&b->row.booking_id));
        }
    }
}

static int64_t refunds_of(const struct pg_booking *b)
{
    int64_t sum = 0;

    list_for_each (it, &stores.pg.refunds) {
        const struct pg_refund *r = list_entry(it, struct pg_refund, link);

        sum += r->booking == b ? r->amount : 0;
    }
    return sum;
}

/* I5, what must hold at every moment: no money is taken for what is not sold, none given back that
 * is not owed. */
static void check_charges(void)
{
    for (size_t i = 0; i < provider_count(); i++) {
        const struct pg_booking *b;
        struct provider_view v;
        struct uuid id;
        uint64_t event;

        provider_charge(i, &event, &id, &v);
        b = pg_booking_find(&stores.pg, event, &id);
        if (!b)
            broken("I5: the provider has a charge for %s that nobody recorded", text_of(&id));
        if (v.captured && !was_sold(b->row.state))
            broken("I5: booking %s is %s and its money is taken", text_of(&id),
                   booking_state_text(b->row.state));
        if (v.reserved && (b->row.charge == CHARGE_VOIDED || b->row.charge == CHARGE_DECLINED))
            broken("I5: booking %s has ended without a charge and money is reserved for it",
                   text_of(&id));
        if (v.captured > b->row.total || v.refunded > refunds_of(b))
            broken("I5: booking %s: %" PRId64 " taken, %" PRId64 " returned, price %" PRId64
                   ", owed back %" PRId64,
                   text_of(&id), v.captured, v.refunded, b->row.total, refunds_of(b));
    }
}

/* ---- Redis ---- */

static void key_of(uint64_t event, const char *name, char ret_key[64])
{
    snprintf(ret_key, 64, "{e%" PRIu64 "}%s", event, name);
}

static bool mirror_valid(uint64_t event)
{
    char key[64];

    key_of(event, ":run", key);
    return slice_is(redis_string(&stores.redis, key), stores.run_id);
}

static void apply(struct shadow *s, uint64_t event, uint64_t rev, const struct slice *fields,
                  size_t count)
{
    struct slice seats = SLICE_NONE;
    char state = 0;

    if (rev != s->rev + 1)
        broken("I7: event %" PRIu64 ": rev %" PRIu64 " follows rev %" PRIu64, event, rev, s->rev);
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (slice_is(fields[i], "seats"))
            seats = fields[i + 1];
        if (slice_is(fields[i], "state"))
            state = fields[i + 1].at[0];
    }
    while (seats.at) {
        uint64_t n;

        if (!slice_to_u64(slice_cut(&seats, ','), &n) || n >= s->len)
            broken("I7: event %" PRIu64 ": the log names a seat that is none", event);
        s->state[n] = state;
    }
    s->rev = rev;
    viewers_learn(event, rev, s->state, s->len);
}

/* I4 and I7: the log, from the last rebuild on, leads without a gap to the state that Redis shows.
 */
static void check_log(const struct pg_event *e, struct shadow *s)
{
    struct slice state, rev_text;
    uint64_t rev = 0;
    char key[64];

    key_of(e->id, ":state", key);
    state = redis_string(&stores.redis, key);
    key_of(e->id, ":rev", key);
    rev_text = redis_string(&stores.redis, key);
    if (!slice_to_u64(rev_text, &rev) || state.len != e->seat_count)
        broken("I4: event %" PRIu64 ": %zu of %zu seats have a state", e->id, state.len,
               e->seat_count);
    if (rev >> EPOCH_SHIFT != s->rev >> EPOCH_SHIFT) {
        if (rev & ((UINT64_C(1) << EPOCH_SHIFT) - 1))
            broken("I7: event %" PRIu64 ": epoch %" PRIu64 " begins at rev %" PRIu64, e->id,
                   rev >> EPOCH_SHIFT, rev);
        s->state = mem_resize(s->state, state.len);
        memcpy(s->state, state.at, state.len);
        s->len = state.len;
        s->rev = rev;
        viewers_learn(e->id, rev, s->state, s->len);
    }
    key_of(e->id, ":log", key);
    for (size_t i = 0, count = redis_stream_size(&stores.redis, key); i < count; i++) {
        const struct slice *fields;
        size_t field_count;
        uint64_t at = redis_stream_entry(&stores.redis, key, i, &fields, &field_count);

        if (at > s->rev)
            apply(s, e->id, at, fields, field_count);
    }
    if (s->rev != rev || memcmp(s->state, state.at, state.len) != 0)
        broken("I4: event %" PRIu64 " at rev %" PRIu64 ": the log leads to %.*s at %" PRIu64
               ", Redis shows %.*s",
               e->id, rev, (int)s->len, s->state, s->rev, SLICE_ARG(state));
}

static uint32_t version_at(struct slice ver, uint64_t n)
{
    uint32_t v = 0;

    for (size_t i = 4 * n; i < 4 * n + 4; i++)
        v = v << 8 | (i < ver.len ? (unsigned char)ver.at[i] : 0);
    return v;
}

/* The seats of a live hold that are still its own. */
static void cover(const struct pg_event *e, const char *id, struct slice seats, struct slice state,
                  struct slice ver, const char **owners, char (*names)[64], size_t i)
{
    while (seats.at && seats.len) {
        struct slice pair = slice_cut(&seats, ','), n_text = slice_cut(&pair, ':');
        uint64_t n, version;

        if (!slice_to_u64(n_text, &n) || !slice_to_u64(pair, &version) || n >= e->seat_count)
            broken("hold %s names a seat that is none", id);
        if (state.at[n] != '1' || version_at(ver, n) != version)
            continue;
        if (owners[n])
            broken("I6: seat %" PRIu64 " of event %" PRIu64 " is held by %s and by %s", n, e->id,
                   owners[n], id);
        snprintf(names[i], sizeof(names[i]), "%s", id);
        owners[n] = names[i];
    }
}

/* I6: whatever is held has one live hold, which an expiry will end. */
static void check_holds(const struct pg_event *e)
{
    const char *owners[256] = {NULL};
    static char names[256][64];
    char expiry[64], key[64], id[64], hold[160];
    struct slice state, ver;
    size_t count;

    key_of(e->id, ":expiry", expiry);
    key_of(e->id, ":state", key);
    state = redis_string(&stores.redis, key);
    key_of(e->id, ":ver", key);
    ver = redis_string(&stores.redis, key);
    count = redis_zset_size(&stores.redis, expiry);
    for (size_t i = 0; i < count && i < 256; i++) {
        int64_t score;

        slice_to_str(redis_zset_member(&stores.redis, expiry, i, &score), id, sizeof(id));
        snprintf(hold, sizeof(hold), "{e%" PRIu64 "}:hold:%s", e->id, id);
        if (redis_field(&stores.redis, hold, "gone").at)
            broken("I6: hold %s is gone and waits to expire", id);
        cover(e, id, redis_field(&stores.redis, hold, "seats"), state, ver, owners, names, i);
    }
    for (size_t n = 0; n < e->seat_count; n++) {
        if (state.at[n] == '1' && !owners[n])
            broken("I6: seat %zu of event %" PRIu64 " is held by nobody: it would never be sold", n,
                   e->id);
    }
}

void check_expired(void)
{
    int64_t now = world_wall_ms(), expires;
    char key[64];

    if (seen.lied)
        return;
    for (size_t i = 0; i < stores.pg.event_count; i++) {
        uint64_t event = stores.pg.events[i].id;

        key_of(event, ":expiry", key);
        if (mirror_valid(event) && redis_zset_size(&stores.redis, key) &&
            redis_zset_member(&stores.redis, key, 0, &expires).at && expires + 5000 < now)
            broken("I6: a hold of event %" PRIu64 " expired %" PRId64 " ms ago and is not ended",
                   event, now - expires);
    }
}

/* ---- when ---- */

static void check_mirrors(void)
{
    for (size_t i = 0; i < stores.pg.event_count; i++) {
        const struct pg_event *e = &stores.pg.events[i];

        if (!mirror_valid(e->id))
            continue;
        check_log(e, &seen.shadows[i]);
        check_holds(e);
    }
}

void check_step(void)
{
    bool sold = stores.pg.changes != seen.pg_changes,
         paid = provider_changes != seen.charge_changes;

    seen.pg_changes = stores.pg.changes;
    seen.charge_changes = provider_changes;
    for (size_t i = 0; sold && i < stores.pg.event_count; i++)
        check_tickets(&stores.pg.events[i]);
    if (stores.pg.bookings.prev != seen.last_booking) {
        seen.last_booking = stores.pg.bookings.prev;
        check_keys();
    }
    if (sold || paid)
        check_charges();
    if (seen.lied)
        return;
    if (stores.redis.changes != seen.redis_changes) {
        seen.redis_changes = stores.redis.changes;
        check_mirrors();
    }
    check_news();
}

/* ---- at the end ---- */

static void check_decided(void)
{
    list_for_each (it, &stores.pg.bookings) {
        const struct purchase_row *row = &list_entry(it, struct pg_booking, link)->row;

        if (row->state == BOOKING_PENDING || row->state == BOOKING_AUTHORIZED ||
            row->charge == CHARGE_CAPTURING || row->charge == CHARGE_VOIDING)
            broken("I5: booking %s never ends: %s, charge %d", text_of(&row->booking_id),
                   booking_state_text(row->state), row->charge);
    }
    list_for_each (it, &stores.pg.refunds) {
        if (list_entry(it, struct pg_refund, link)->has_lease)
            broken("I5: a refund never ends");
    }
}

bool everything_ended(void)
{
    list_for_each (it, &stores.pg.bookings) {
        if (list_entry(it, struct pg_booking, link)->has_lease)
            return false;
    }
    list_for_each (it, &stores.pg.refunds) {
        if (list_entry(it, struct pg_refund, link)->has_lease)
            return false;
    }
    return list_empty(&stores.pg.outbox);
}

static int64_t worth(const struct pg_booking *b)
{
    int64_t sum = 0;

    for (size_t i = 0; i < b->ticket_count; i++)
        sum += b->tickets[i].live ? b->tickets[i].price : 0;
    return sum;
}

static void check_money(void)
{
    size_t paid = 0;

    for (size_t i = 0; i < provider_count(); i++) {
        const struct pg_booking *b;
        struct provider_view v;
        struct uuid id;
        uint64_t event;

        provider_charge(i, &event, &id, &v);
        b = pg_booking_find(&stores.pg, event, &id);
        if (v.captured - v.refunded != worth(b))
            broken("I5: booking %s: %" PRId64 " taken, %" PRId64
                   " returned, its tickets are worth %" PRId64,
                   text_of(&id), v.captured, v.refunded, worth(b));
        if (v.undecided || v.reserved)
            broken("I5: booking %s is %s and money is still reserved for it", text_of(&id),
                   booking_state_text(b->row.state));
        paid += v.captured > 0;
    }
    list_for_each (it, &stores.pg.bookings) {
        const struct pg_booking *b = list_entry(it, struct pg_booking, link);

        paid -= b->row.charge == CHARGE_CAPTURED;
    }
    if (paid)
        broken("I5: the provider has charged other bookings than the ledger says");
}

static void check_mirror_is_truth(const struct pg_event *e)
{
    struct slice state, ver;
    char key[64];

    if (!mirror_valid(e->id))
        broken("I8: event %" PRIu64 " has no mirror", e->id);
    key_of(e->id, ":state", key);
    state = redis_string(&stores.redis, key);
    key_of(e->id, ":ver", key);
    ver = redis_string(&stores.redis, key);
    for (size_t n = 0; n < e->seat_count; n++) {
        if (state.at[n] != '0' + e->seats[n].status || version_at(ver, n) != e->seats[n].version)
            broken("I8: event %" PRIu64
                   ": Redis shows %.*s, seat %zu is %d at version %u in truth, %u in Redis",
                   e->id, SLICE_ARG(state), n, e->seats[n].status, e->seats[n].version,
                   version_at(ver, n));
    }
}

void check_settled(void)
{
    for (size_t i = 0; i < stores.pg.event_count; i++)
        check_tickets(&stores.pg.events[i]);
    check_decided();
    check_money();
    if (!list_empty(&stores.pg.outbox))
        broken("I7: news of PostgreSQL never get out: %s",
               list_entry(stores.pg.outbox.next, struct pg_outbox, link)->type);
    if (seen.lied)
        return;
    for (size_t i = 0; i < stores.pg.event_count; i++) {
        check_mirror_is_truth(&stores.pg.events[i]);
        check_news_settled(&stores.pg.events[i]);
        check_viewers_settled(&stores.pg.events[i]);
    }
}

void invariants_begin(void)
{
    memset(&seen, 0, sizeof(seen));
    seen.redis_changes = seen.pg_changes = UINT64_MAX;
    stores.pg.selling = check_sale;
    news_check_begin();
}

void invariants_end(void)
{
    for (size_t i = 0; i < PG_EVENTS_MAX; i++)
        mem_free(seen.shadows[i].state);
}
