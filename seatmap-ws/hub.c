/* A session is in exactly one list of its room:
 *
 *     waiting --(room has its rev)--> live --(bytes still queued at a tick)--> lagging --(queue
 * empty)--> live
 *
 * `live` sessions have all been sent room.sent_rev, so one frame serves them. */
#include "seatmap-ws/hub.h"

#include "engine/base/log.h"
#include "engine/base/map.h"
#include "engine/base/pool.h"

enum {
    BACKLOG_MAX = 64 * 1024, /* bytes queued in user space above which a tick skips the session */
    WAIT_MS = 10000,         /* a session that asks for a rev we do not reach */
    UNKNOWN_MS = 2500, /* an event nobody has told us of yet: it may have been made a moment ago */
    FRAME_MAX = 16 * 1024 * 1024,
};

struct hub_room {
    struct room room;
    struct list live, lagging, waiting; /* struct session */
    struct list dirty_link; /* in hub.dirty while room.rev != sent_rev or somebody lags or waits */
    struct list link;       /* in hub.rooms */
    uint64_t sent_rev;      /* what every live session has */
    struct ws_frame *snapshot[FRAME_FORMATS]; /* cached for snapshot_rev */
    uint64_t snapshot_rev;
    uint64_t key; /* event_id, the map's key */
};

struct session {
    struct hub *hub;
    struct hub_room *room;
    struct ws *ws;
    struct list link;
    uint64_t rev;     /* sent so far; while waiting: asked for */
    int64_t since_ns; /* when it began to lag or wait */
    enum frame_format format;
};

struct hub {
    struct loop *loop;
    struct hub_options options;
    struct map rooms_by_id;
    struct list rooms, dirty;
    struct pool sessions;
    struct timer tick;
    bool ticking, caught_up;
    unsigned tick_ms;             /* now */
    struct frame_change *changes; /* ROOM_SEATS_MAX, scratch of a tick */
    struct buf scratch;
    struct hub_metrics metrics;
    struct metric_group group;
};

#define METRIC_ROW_TAG hub_metrics
static const struct metric_desc metric_descs[] = {HUB_METRICS(METRIC_ROW_)};

/* ---- rooms ---- */

static struct hub_room *room_find(struct hub *h, uint64_t event_id)
{
    return map_get(&h->rooms_by_id, slice_of(&event_id, sizeof(event_id)));
}

static struct hub_room *room_open(struct hub *h, uint64_t event_id)
{
    struct hub_room *r = room_find(h, event_id);

    if (r || h->rooms_by_id.len >= h->options.rooms_max)
        return r;
    r = mem_alloc(sizeof(*r));
    room_init(&r->room, event_id);
    list_init(&r->live);
    list_init(&r->lagging);
    list_init(&r->waiting);
    list_init(&r->dirty_link);
    r->key = event_id;
    list_push_back(&h->rooms, &r->link);
    map_put(&h->rooms_by_id, slice_of(&r->key, sizeof(r->key)), r);
    return r;
}

static bool room_has_sessions(const struct hub_room *r)
{
    return !list_empty(&r->live) || !list_empty(&r->lagging) || !list_empty(&r->waiting);
}

static void snapshots_forget(struct hub_room *r)
{
    for (size_t i = 0; i < FRAME_FORMATS; i++) {
        ws_frame_unref(r->snapshot[i]);
        r->snapshot[i] = NULL;
    }
}

static void room_close(struct hub *h, struct hub_room *r)
{
    map_remove(&h->rooms_by_id, slice_of(&r->key, sizeof(r->key)));
    list_remove(&r->link);
    list_remove(&r->dirty_link);
    snapshots_forget(r);
    room_free(&r->room);
    mem_free(r);
}

static void tick_ensure(struct hub *h)
{
    if (h->ticking)
        return;
    h->ticking = true;
    timer_start(&h->tick, h->tick_ms, 0);
}

static void mark_dirty(struct hub *h, struct hub_room *r)
{
    if (list_empty(&r->dirty_link))
        list_push_back(&h->dirty, &r->dirty_link);
    tick_ensure(h);
}

/* ---- frames ---- */

static enum ws_kind kind_of(enum frame_format format)
{
    return format == FRAME_BINARY ? WS_BINARY : WS_TEXT;
}

static struct ws_frame *snapshot_frame(struct hub *h, struct hub_room *r, enum frame_format format)
{
    if (r->snapshot_rev != r->room.rev)
        snapshots_forget(r);
    r->snapshot_rev = r->room.rev;
    if (!r->snapshot[format]) {
        buf_clear(&h->scratch);
        frame_put_snapshot(&h->scratch, format, r->room.states, r->room.seat_count, r->room.rev);
        r->snapshot[format] = ws_frame_new(kind_of(format), buf_slice(&h->scratch));
    }
    return ws_frame_ref(r->snapshot[format]);
}

/* What brings a client from `since` to now: a delta, or the snapshot when that is smaller or the
 * past is not known. The caller unrefs. */
static struct ws_frame *catch_up_frame(struct hub *h, struct hub_room *r, uint64_t since,
                                       enum frame_format format)
{
    if (!room_can_delta(&r->room, since))
        return snapshot_frame(h, r, format);
    size_t count = room_changes_since(&r->room, since, h->changes, ROOM_SEATS_MAX);
    if (count * 2 > frame_snapshot_size(r->room.seat_count))
        return snapshot_frame(h, r, format);
    buf_clear(&h->scratch);
    frame_put_delta(&h->scratch, format, h->changes, count, since, r->room.rev);
    return ws_frame_new(kind_of(format), buf_slice(&h->scratch));
}

static void session_send(struct session *s, struct ws_frame *f)
{
    ws_send(s->ws, f);
    s->rev = s->room->room.rev;
    s->hub->metrics.seatmap_frames_total++;
}

static void session_move(struct session *s, struct list *to)
{
    list_remove(&s->link);
    list_push_back(to, &s->link);
}

/* ---- a tick ---- */

/* Sends one shared frame of each format to the sessions that are up to date; those with bytes still
 * queued become lagging. */
static void sweep_live(struct hub *h, struct hub_room *r)
{
    struct ws_frame *frames[FRAME_FORMATS] = {NULL};

    if (r->room.rev == r->sent_rev)
        return;
    list_for_each_safe (it, &r->live) {
        struct session *s = list_entry(it, struct session, link);
        if (ws_backlog(s->ws) > BACKLOG_MAX) {
            h->metrics.seatmap_skips_total++;
            s->since_ns = loop_mono_ns(h->loop);
            session_move(s, &r->lagging);
            continue;
        }
        if (!frames[s->format])
            frames[s->format] = catch_up_frame(h, r, r->sent_rev, s->format);
        session_send(s, frames[s->format]);
    }
    r->sent_rev = r->room.rev;
    for (size_t i = 0; i < FRAME_FORMATS; i++)
        ws_frame_unref(frames[i]);
}

static void catch_up(struct session *s)
{
    struct hub_room *r = s->room;
    struct ws_frame *f = catch_up_frame(s->hub, r, s->rev, s->format);

    session_send(s, f);
    ws_frame_unref(f);
    session_move(s, &r->live);
}

static bool older_than(const struct hub *h, const struct session *s, unsigned ms)
{
    return loop_mono_ns(h->loop) - s->since_ns > (int64_t)ms * 1000000;
}

static void sweep_lagging(struct hub *h, struct hub_room *r)
{
    list_for_each_safe (it, &r->lagging) {
        struct session *s = list_entry(it, struct session, link);
        if (ws_backlog(s->ws) == 0) {
            catch_up(s);
        } else if (older_than(h, s, h->options.slow_ms)) {
            h->metrics.seatmap_slow_total++;
            s->since_ns = INT64_MAX / 2; /* said once; the close ends it */
            ws_close(s->ws, 1013, "too slow");
        } else {
            h->metrics.seatmap_skips_total++;
        }
    }
}

/* Only after sweep_live: then a session that enters `live` has the same rev as all others there. */
static void sweep_waiting(struct hub *h, struct hub_room *r)
{
    list_for_each_safe (it, &r->waiting) {
        struct session *s = list_entry(it, struct session, link);
        if (r->room.rev && r->room.rev >= s->rev) {
            catch_up(s);
        } else if (h->caught_up && !r->room.rev && older_than(h, s, UNKNOWN_MS)) {
            s->since_ns = INT64_MAX / 2;
            ws_close(s->ws, 4404, "no such event");
        } else if (older_than(h, s, WAIT_MS)) {
            s->since_ns = INT64_MAX / 2;
            ws_close(s->ws, 1012, "retry in 1000 ms");
        }
    }
}

static bool room_settled(const struct hub_room *r)
{
    return r->room.rev == r->sent_rev && r->room.spare_rev <= r->room.rev &&
           list_empty(&r->lagging) && list_empty(&r->waiting);
}

static void sweep_room(struct hub *h, struct hub_room *r)
{
    uint64_t gaps = r->room.gaps;

    if (room_tick(&r->room))
        h->metrics.seatmap_gaps_total += r->room.gaps - gaps;
    sweep_live(h, r);
    sweep_lagging(h, r);
    sweep_waiting(h, r);
    if (room_settled(r))
        list_remove(&r->dirty_link);
}

/* The tick stretches so that sweeping takes at most half of the process's time. */
static void tick_adapt(struct hub *h, int64_t sweep_ns)
{
    unsigned sweep_ms = (unsigned)(sweep_ns / 1000000);

    h->tick_ms = sweep_ms * 2 > h->options.tick_ms ? sweep_ms * 2 : h->options.tick_ms;
}

static void tick_cb(struct timer *t)
{
    struct hub *h = container_of(t, struct hub, tick);
    int64_t begun_ns = loop_mono_ns(h->loop);

    h->ticking = false;
    list_for_each_safe (it, &h->dirty)
        sweep_room(h, list_entry(it, struct hub_room, dirty_link));
    int64_t sweep_ns = loop_mono_ns(h->loop) - begun_ns;
    hist_record(&h->metrics.seatmap_sweep_us, (uint64_t)(sweep_ns / 1000));
    tick_adapt(h, sweep_ns);
    if (!list_empty(&h->dirty))
        tick_ensure(h);
}

/* ---- the news ---- */

static void count_verdict(struct hub *h, enum room_verdict verdict)
{
    if (verdict == ROOM_APPLIED)
        h->metrics.seatmap_changes_total++;
    else if (verdict == ROOM_OLD)
        h->metrics.seatmap_changes_old_total++;
    else if (verdict == ROOM_BAD)
        h->metrics.seatmap_bad_total++;
}

static void told(struct hub *h, struct hub_room *r, enum room_verdict verdict, uint64_t gaps_before)
{
    count_verdict(h, verdict);
    h->metrics.seatmap_gaps_total += r->room.gaps - gaps_before;
    h->metrics.seatmap_rooms = (int64_t)h->rooms_by_id.len;
    if (verdict == ROOM_APPLIED || verdict == ROOM_ASIDE)
        mark_dirty(h, r);
}

void hub_change(struct hub *h, uint64_t event_id, uint64_t rev, uint8_t state,
                const uint32_t *seats, size_t count)
{
    struct hub_room *r = room_open(h, event_id);

    if (!r) {
        hub_bad_news(h);
        return;
    }
    uint64_t gaps = r->room.gaps;
    told(h, r, room_change(&r->room, rev, state, seats, count), gaps);
}

void hub_snapshot(struct hub *h, uint64_t event_id, uint64_t rev, struct slice states)
{
    struct hub_room *r = room_open(h, event_id);

    if (!r) {
        hub_bad_news(h);
        return;
    }
    uint64_t gaps = r->room.gaps;
    told(h, r, room_snapshot(&r->room, rev, states), gaps);
}

void hub_bad_news(struct hub *h)
{
    h->metrics.seatmap_bad_total++;
}

void hub_caught_up(struct hub *h)
{
    h->caught_up = true;
    list_for_each (it, &h->rooms)
        mark_dirty(h, list_entry(it, struct hub_room, link));
}

/* ---- sessions ---- */

static void session_closed(struct ws *ws, uint16_t code, void *ctx)
{
    struct session *s = ctx;
    struct hub *h = s->hub;
    struct hub_room *r = s->room;

    (void)ws;
    (void)code;
    list_remove(&s->link);
    pool_give(&h->sessions, s);
    h->metrics.seatmap_sessions--;
    /* A room that never existed must not stay because somebody asked for it. */
    if (!r->room.rev && list_empty(&r->room.aside) && !room_has_sessions(r))
        room_close(h, r);
}

static const struct ws_ops session_ops = {.closed = session_closed, .message_max = 1024};

/* A new session waits for its rev; if the room has it and is at rest, it is served at once instead
 * of at the next tick. */
static void session_enter(struct session *s)
{
    struct hub_room *r = s->room;

    if (r->room.rev && r->room.rev >= s->rev && r->sent_rev == r->room.rev)
        catch_up(s);
    else
        mark_dirty(s->hub, r);
}

void hub_join(struct hub *h, struct http_request *req, uint64_t event_id, uint64_t since,
              enum frame_format format, const char *subprotocol)
{
    struct session *s = pool_take(&h->sessions);

    if (!s) {
        http_header(req, "retry-after", "5");
        http_reply_problem(req, PROBLEM_OVERLOADED,
                           "This server has as many viewers as it can take.");
        return;
    }
    struct hub_room *r = room_open(h, event_id);
    if (!r) {
        pool_give(&h->sessions, s);
        http_header(req, "retry-after", "5");
        http_reply_problem(req, PROBLEM_OVERLOADED,
                           "This server shows as many events as it can take.");
        return;
    }
    *s = (struct session){
        .hub = h, .room = r, .rev = since, .format = format, .since_ns = loop_mono_ns(h->loop)};
    list_init(&s->link);
    list_push_back(&r->waiting, &s->link);
    s->ws = ws_accept(req, subprotocol, &session_ops, s);
    if (!s->ws) {
        list_remove(&s->link);
        pool_give(&h->sessions, s);
        if (!r->room.rev && list_empty(&r->room.aside) && !room_has_sessions(r))
            room_close(h, r);
        return;
    }
    h->metrics.seatmap_sessions++;
    session_enter(s);
}

/* ---- life ---- */

struct hub *hub_new(struct loop *l, const struct hub_options *options)
{
    struct hub *h = mem_alloc(sizeof(*h));

    h->loop = l;
    h->options = *options;
    h->tick_ms = options->tick_ms;
    map_init(&h->rooms_by_id);
    list_init(&h->rooms);
    list_init(&h->dirty);
    pool_init(&h->sessions, sizeof(struct session), options->sessions_max);
    timer_init(l, &h->tick, tick_cb);
    h->changes = mem_alloc(ROOM_SEATS_MAX * sizeof(*h->changes));
    buf_init(&h->scratch, FRAME_MAX);
    h->group = (struct metric_group){
        .descs = metric_descs, .count = array_len(metric_descs), .base = &h->metrics};
    return h;
}

static void freed_cb(struct timer *t)
{
    mem_free(container_of(t, struct hub, tick));
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    list_for_each_safe (it, &h->rooms)
        room_close(h, list_entry(it, struct hub_room, link));
    map_free(&h->rooms_by_id);
    pool_free(&h->sessions);
    metric_group_free(&h->group);
    mem_free(h->changes);
    buf_free(&h->scratch);
    timer_close(&h->tick, freed_cb);
}

struct metric_group *hub_metrics(struct hub *h)
{
    return &h->group;
}
