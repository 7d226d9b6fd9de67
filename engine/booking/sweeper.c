#include "engine/booking/sweeper.h"

#include "engine/base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* Nobody waits for the sweeper: the seats of a hold past its time are taken over by whoever asks
 * for them (lua/taking.lua). It makes them look free, too. */
#define SWEEP_MS 500
#define SWEEP_HOLDS                                                                                \
    256 /* ended by one script call: about 4 ms of Redis; when there are as many, the next call    \
           follows at once */
#define SWEEP_EVENTS 256  /* in one tick, or an eighth of all: nobody waits more than 4 s */
#define SWEEP_CALLS  8    /* events swept at the same time */
#define EVENTS_MS    5000 /* between two readings of which events there are */
#define TELL_MS      1000
#define TELL_EVENTS  64 /* told of in one tick, the others in the next ones */
#define REQUEST_MS   1000

/* An event that is known to the sweeper. */
struct swept_event {
    uint64_t id;
    bool has_queue; /* and is on sale: its line wants to know how many seats are left */
};

/* One event after another, each swept until nothing is due. */
struct sweep {
    struct sweeper *sweeper;
    struct hold_call call;
};

/* How many seats are left, for the waiting room's page: event, view, then the key. */
struct tell {
    struct sweeper *sweeper;
    uint64_t id;
    struct event_wait event;
    struct view_wait view;
    struct kv_request kv;
    bool busy;
};

struct sweeper {
    struct engine *engine;
    struct timer tick, tell_tick;
    struct sweep sweeps[SWEEP_CALLS];
    size_t sweeping, next,
        left; /* how many are being swept; whose turn is next; how many in this tick */
    struct tell tells[TELL_EVENTS];
    size_t told;
    struct swept_event *events; /* owned */
    size_t event_count;
    struct db_request db;
    bool reading, stopped;
    int64_t read_ns;
};

/* ---- which events there are ---- */

const struct db_statement sweeper_events_statement = {
    .name = "sweeper_events",
    .text = "SELECT event_id, has_queue AND sale_state = 'on_sale' FROM event ORDER BY event_id "
            "DESC LIMIT 10000",
    .params = 0,
    .read_only = true,
};

static void events_cb(struct db_request *request, enum status status,
                      const struct db_result *result)
{
    struct sweeper *s = container_of(request, struct sweeper, db);

    s->reading = false;
    if (status != STATUS_OK)
        return;
    s->read_ns = loop_mono_ns(s->engine->loop);
    s->events = mem_resize(s->events, (result->rows + 1) * sizeof(*s->events));
    s->event_count = result->rows;
    if (s->left > s->event_count)
        s->left = s->event_count;
    for (size_t i = 0; i < result->rows; i++)
        s->events[i] = (struct swept_event){.id = (uint64_t)db_i64(result, i, 0),
                                            .has_queue = db_bool(result, i, 1)};
}

static void read_events_again(struct sweeper *s)
{
    if (s->reading ||
        (s->read_ns && loop_mono_ns(s->engine->loop) - s->read_ns < EVENTS_MS * 1000000LL))
        return;
    s->db.cb = events_cb;
    s->reading =
        db_query(s->engine->db, &s->db, &sweeper_events_statement, NULL, REQUEST_MS) == STATUS_OK;
}

/* ---- expired holds ---- */

static bool sweep_event(struct sweep *w, uint64_t id);

static void sweep_next(struct sweep *w)
{
    struct sweeper *s = w->sweeper;

    while (!s->stopped && s->left > 0) {
        s->left--;
        if (sweep_event(w, s->events[s->next++ % s->event_count].id))
            return;
        s->left = 0; /* Redis is away: the next tick tries again */
    }
}

static void swept_cb(struct hold_call *call, enum status status)
{
    struct sweep *w = container_of(call, struct sweep, call);
    struct sweeper *s = w->sweeper;
    size_t count = status == STATUS_OK ? call->hold.seat_count : 0;

    s->sweeping--;
    if (count > 0) {
        s->engine->metrics.holds_expired_total += count;
        engine_changed(s->engine, call->hold.event_id);
    }
    if (count < SWEEP_HOLDS || s->stopped || !sweep_event(w, call->hold.event_id))
        sweep_next(w);
}

static bool sweep_event(struct sweep *w, uint64_t id)
{
    w->call.cb = swept_cb;
    w->call.hold.event_id = id;
    if (seat_store_sweep(w->sweeper->engine->seats, &w->call, SWEEP_HOLDS) != STATUS_OK)
        return false;
    w->sweeper->sweeping++;
    return true;
}

static void tick_cb(struct timer *t)
{
    struct sweeper *s = container_of(t, struct sweeper, tick);

    read_events_again(s);
    if (s->sweeping > 0)
        return;
    s->left = s->event_count / 8 > SWEEP_EVENTS ? s->event_count / 8 : SWEEP_EVENTS;
    if (s->left > s->event_count)
        s->left = s->event_count;
    for (size_t i = 0; i < SWEEP_CALLS; i++)
        sweep_next(&s->sweeps[i]);
}

/* ---- seats left ---- */

static void told_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    (void)status;
    (void)reply;
    container_of(request, struct tell, kv)->busy = false;
}

/* "left,lowest price,highest price,currency" of the free seats */
static size_t seats_left_text(const struct event *event, const struct view *v, char *ret_text,
                              size_t size)
{
    int64_t low = 0, high = 0;
    bool any = false;

    for (uint32_t n = 0; n < v->seat_count && n < event->sheet->layout->seat_count; n++) {
        int64_t price;

        if (v->seats[n] != '0')
            continue;
        price = event_price(event, n);
        low = !any || price < low ? price : low;
        high = !any || price > high ? price : high;
        any = true;
    }
    return (size_t)snprintf(ret_text, size, "%u,%" PRId64 ",%" PRId64 ",%s", v->counts[SEAT_FREE],
                            low, high, event->currency);
}

static void put_seats_left(struct tell *t, struct view *v)
{
    struct engine *e = t->sweeper->engine;
    struct event *event = event_peek(e->events, t->id);
    char key[48], text[80];
    struct slice args[3] = {SLICE_LITERAL("SET")};

    t->busy = false;
    if (!event || t->sweeper->stopped || v->told_rev == v->rev)
        return;
    args[1] =
        slice_of(key, (size_t)snprintf(key, sizeof(key), "{e%" PRIu64 "}:q:seatsleft", t->id));
    args[2] = slice_of(text, seats_left_text(event, v, text, sizeof(text)));
    t->kv.cb = told_cb;
    t->busy = kv_command(e->kv, &t->kv, args, 3, REQUEST_MS) == STATUS_OK;
    if (t->busy)
        v->told_rev = v->rev;
}

static void tell_view_cb(struct view_wait *wait, enum status status, struct view *view)
{
    struct tell *t = container_of(wait, struct tell, view);

    if (status == STATUS_OK)
        put_seats_left(t, view);
    else
        t->busy = false;
}

static void tell_view(struct tell *t)
{
    struct view *view = view_peek(t->sweeper->engine->views, t->id);

    t->view.cb = tell_view_cb;
    if (view)
        put_seats_left(t, view);
    else
        t->busy = view_get(t->sweeper->engine->views, t->id, &t->view) == STATUS_OK;
}

static void tell_event_cb(struct event_wait *wait, enum status status, struct event *event)
{
    struct tell *t = container_of(wait, struct tell, event);

    (void)event;
    if (status == STATUS_OK && !t->sweeper->stopped)
        tell_view(t);
    else
        t->busy = false;
}

static void tell(struct tell *t, uint64_t id)
{
    t->id = id;
    t->busy = true;
    t->event.cb = tell_event_cb;
    if (event_peek(t->sweeper->engine->events, id))
        tell_view(t);
    else
        t->busy = event_get(t->sweeper->engine->events, id, &t->event) == STATUS_OK;
}

static void tell_tick_cb(struct timer *timer)
{
    struct sweeper *s = container_of(timer, struct sweeper, tell_tick);
    size_t slot = 0;

    for (size_t looked = 0; looked < s->event_count && slot < TELL_EVENTS; looked++) {
        const struct swept_event *event = &s->events[s->told++ % s->event_count];

        if (!event->has_queue)
            continue;
        if (!s->tells[slot].busy)
            tell(&s->tells[slot], event->id);
        slot++;
    }
}

/* ---- life ---- */

struct sweeper *sweeper_new(struct engine *e)
{
    struct sweeper *s = mem_alloc(sizeof(*s));

    s->engine = e;
    for (size_t i = 0; i < SWEEP_CALLS; i++)
        s->sweeps[i].sweeper = s;
    for (size_t i = 0; i < TELL_EVENTS; i++)
        s->tells[i].sweeper = s;
    timer_init(e->loop, &s->tick, tick_cb);
    timer_init(e->loop, &s->tell_tick, tell_tick_cb);
    timer_start(&s->tick, rng_below(&e->rng, SWEEP_MS), SWEEP_MS);
    timer_start(&s->tell_tick, rng_below(&e->rng, TELL_MS), TELL_MS);
    return s;
}

void sweeper_stop(struct sweeper *s)
{
    s->stopped = true;
    timer_close(&s->tick, NULL);
    timer_close(&s->tell_tick, NULL);
}

void sweeper_free(struct sweeper *s)
{
    if (!s)
        return;
    mem_free(s->events);
    mem_free(s);
}
