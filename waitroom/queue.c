#include "waitroom/queue.h"

#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "waitroom/join.h"
#include "waitroom/meter.h"
#include "waitroom/stream.h"

#define ABSENT_MS   1000
#define FAILED_MS   200
#define ASLEEP_MS   60000
#define EVICT_TRIES 16
#define MS          1000000LL

struct queues {
    struct map map;     /* by the bytes of event_id */
    struct list by_use; /* most recent first */
    struct waitroom *room;
    bool walking;
};

/* A request that waits until its queue is loaded. */
struct waiter {
    struct http_request *req;
    http_handler_fn handler;
    struct list link;
};

size_t queue_waiter_size(void)
{
    return sizeof(struct waiter);
}

struct queues *queues_new(struct waitroom *w)
{
    struct queues *qs = mem_alloc(sizeof(*qs));

    map_init(&qs->map);
    list_init(&qs->by_use);
    qs->room = w;
    return qs;
}

static struct slice key_of(const uint64_t *event_id)
{
    return slice_of(event_id, sizeof(*event_id));
}

static struct queue *queue_new(struct waitroom *w, uint64_t event_id)
{
    struct queue *q = mem_alloc(sizeof(*q));

    q->event_id = event_id;
    q->room = w;
    list_init(&q->link);
    list_init(&q->waiters);
    board_init(&q->board);
    join_init(q);
    stream_init(q);
    return q;
}

static void queue_free(struct queue *q)
{
    list_remove(&q->link);
    map_remove(&q->room->queues->map, key_of(&q->event_id));
    stream_free(q);
    join_free(q);
    board_free(&q->board);
    mem_free(q);
}

void queues_free(struct queues *qs)
{
    while (!list_empty(&qs->by_use))
        queue_free(list_entry(qs->by_use.next, struct queue, link));
    map_free(&qs->map);
    mem_free(qs);
}

void queues_walk(struct queues *qs, void (*visit)(struct queue *q, int64_t now_ns), int64_t now_ns)
{
    struct list seen;
    struct list *link;

    list_init(&seen);
    qs->walking = true;
    while ((link = list_pop_front(&qs->by_use))) {
        list_push_back(&seen, link);
        visit(list_entry(link, struct queue, link), now_ns);
    }
    qs->walking = false;
    list_splice(&qs->by_use, &seen);
}

void queue_hold(struct queue *q)
{
    q->busy++;
}

void queue_let_go(struct queue *q)
{
    q->busy--;
}

static bool evictable(const struct queue *q)
{
    return q->busy == 0 && list_empty(&q->waiters) && list_empty(&q->joins) &&
           q->subscriber_count == 0;
}

/* Makes room for one more: the longest unused that nothing depends on goes. */
static bool make_room(struct queues *qs)
{
    struct list *at = qs->by_use.prev;

    if (qs->map.len < qs->room->queues_max)
        return true;
    for (int i = 0; i < EVICT_TRIES && at != &qs->by_use; i++, at = at->prev) {
        struct queue *q = list_entry(at, struct queue, link);

        if (evictable(q)) {
            queue_free(q);
            return true;
        }
    }
    return false;
}

struct queue *queue_find(struct waitroom *w, uint64_t event_id)
{
    return map_get(&w->queues->map, key_of(&event_id));
}

static struct queue *find_or_add(struct waitroom *w, uint64_t event_id)
{
    struct queue *q = queue_find(w, event_id);

    if (q || w->queues->walking || !make_room(w->queues))
        return q;
    q = queue_new(w, event_id);
    map_put(&w->queues->map, key_of(&q->event_id), q);
    list_push_front(&w->queues->by_use, &q->link);
    w->metrics.queues_known = (int64_t)w->queues->map.len;
    return q;
}

/* Marks the use, and brings a state that has had its time back to NEW. */
static void touch(struct queue *q, int64_t now_ns)
{
    if (q->state == QUEUE_READY && now_ns - q->used_ns > ASLEEP_MS * MS && q->subscriber_count == 0)
        q->state = QUEUE_NEW;
    if ((q->state == QUEUE_ABSENT || q->state == QUEUE_FAILED) && now_ns >= q->until_ns)
        q->state = QUEUE_NEW;
    if (now_ns - q->used_ns < 100 * MS || q->room->queues->walking)
        return;
    q->used_ns = now_ns;
    list_remove(&q->link);
    list_push_front(&q->room->queues->by_use, &q->link);
}

static void park(struct queue *q, struct http_request *req, http_handler_fn handler)
{
    struct waiter *waiter = pool_take(&q->room->waiters);

    if (!waiter) {
        http_reply_failure(req, STATUS_OVERLOADED);
        return;
    }
    waiter->req = req;
    waiter->handler = handler;
    list_init(&waiter->link);
    list_push_back(&q->waiters, &waiter->link);
    if (q->state == QUEUE_NEW) {
        q->state = QUEUE_LOADING;
        meter_load(q);
    }
}

struct queue *queue_enter(struct waitroom *w, struct http_request *req, http_handler_fn handler)
{
    uint64_t event_id;
    struct queue *q;

    if (!http_param_id(req, 0, &event_id))
        return NULL;
    if (event_id == 0 || event_id > INT64_MAX) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, "There is no such queue.");
        return NULL;
    }
    q = find_or_add(w, event_id);
    if (!q) {
        http_reply_failure(req, STATUS_OVERLOADED);
        return NULL;
    }
    touch(q, loop_mono_ns(w->loop));
    switch (q->state) {
    case QUEUE_READY: return q;
    case QUEUE_ABSENT: http_reply_problem(req, PROBLEM_NOT_FOUND, "There is no such queue."); break;
    case QUEUE_FAILED: http_reply_failure(req, STATUS_UNAVAILABLE); break;
    case QUEUE_NEW:
    case QUEUE_LOADING: park(q, req, handler); break;
    }
    return NULL;
}

void queue_settle(struct queue *q, enum queue_state state)
{
    struct list waiters;
    struct list *link;
    int64_t now_ns = loop_mono_ns(q->room->loop);

    q->state = state;
    q->until_ns = now_ns + (state == QUEUE_ABSENT ? ABSENT_MS : FAILED_MS) * MS;
    if (state == QUEUE_ABSENT && !q->room->queues->walking) {
        /* the first to go when room is needed: whoever makes up ids does not push out queues */
        list_remove(&q->link);
        list_push_back(&q->room->queues->by_use, &q->link);
    }
    list_init(&waiters);
    list_splice(&waiters, &q->waiters);
    queue_hold(q);
    while ((link = list_pop_front(&waiters))) {
        struct waiter *waiter = list_entry(link, struct waiter, link);
        struct http_request *req = waiter->req;
        http_handler_fn handler = waiter->handler;

        pool_give(&q->room->waiters, waiter);
        handler(req, q->room);
    }
    queue_let_go(q);
}

void queue_look_again(struct queue *q)
{
    if (q->state == QUEUE_ABSENT || q->state == QUEUE_FAILED)
        q->state = QUEUE_NEW;
    if (q->state == QUEUE_READY)
        meter_pass(q);
}

int64_t queue_now_ms(const struct queue *q)
{
    return q->line.seen_ms + (loop_mono_ns(q->room->loop) - q->line_ns) / MS;
}
