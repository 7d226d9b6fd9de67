/* The loop of the simulation in place of engine/net/loop.c: the same functions, linked instead of
 * libuv's. Timers are events of the world; a timer keeps its state in the memory that libuv would
 * use. The end of a turn comes a moment after the callback that asked for it, so that others
 * gather. */
#include "tests/sim/world.h"

#include "engine/base/mem.h"

#include <assert.h>

struct virtual_timer {
    struct sim_event event;
    struct host *host;
    uint64_t repeat_ms;
};

_Static_assert(sizeof(struct virtual_timer) <= sizeof(uv_timer_t),
               "a timer's state fits where libuv's was");

static struct virtual_timer *inner(const struct timer *t)
{
    return (struct virtual_timer *)(uintptr_t)&t->uv;
}

static struct host *host_of(const struct loop *l)
{
    return container_of(l, struct host, loop);
}

void loop_init(struct loop *l, const struct clock *clock)
{
    memset(l, 0, sizeof(*l));
    l->clock = clock;
    list_init(&l->turn_ends);
}

/* ---- the end of a turn ---- */

static void turn_over(struct sim_event *e)
{
    struct host *h = container_of(e, struct host, turn);
    struct list due, *link;

    list_init(&due);
    list_splice(&due, &h->loop.turn_ends);
    while ((link = list_pop_front(&due))) {
        struct turn_end *end = list_entry(link, struct turn_end, link);

        end->cb(end);
    }
}

void turn_end_init(struct turn_end *end, turn_end_cb cb)
{
    end->cb = cb;
    list_init(&end->link);
}

void loop_defer(struct loop *l, struct turn_end *end)
{
    struct host *h = host_of(l);

    if (!list_empty(&end->link))
        return;
    list_push_back(&l->turn_ends, &end->link);
    if (!h->turn.at)
        world_at(&h->turn, h, chance(50000), turn_over);
}

void turn_end_cancel(struct turn_end *end)
{
    list_remove(&end->link);
}

/* ---- timers ---- */

static void fire(struct sim_event *e)
{
    struct virtual_timer *v = container_of(e, struct virtual_timer, event);
    struct timer *t = container_of((uv_timer_t *)(void *)v, struct timer, uv);

    if (v->repeat_ms)
        world_at(e, v->host, (int64_t)v->repeat_ms * MS, fire);
    t->cb(t);
}

static void closed(struct sim_event *e)
{
    struct timer *t = container_of(
        (uv_timer_t *)(void *)container_of(e, struct virtual_timer, event), struct timer, uv);

    t->close_cb(t);
}

void timer_init(struct loop *l, struct timer *t, timer_cb cb)
{
    memset(t, 0, sizeof(*t));
    t->cb = cb;
    inner(t)->host = host_of(l);
}

void timer_start(struct timer *t, uint64_t after_ms, uint64_t repeat_ms)
{
    struct virtual_timer *v = inner(t);

    v->repeat_ms = repeat_ms;
    world_at(&v->event, v->host, (int64_t)after_ms * MS + chance(200000), fire);
}

void timer_stop(struct timer *t)
{
    world_cancel(&inner(t)->event);
}

bool timer_active(const struct timer *t)
{
    return inner(t)->event.at && inner(t)->event.fn == fire;
}

void timer_close(struct timer *t, timer_cb close_cb)
{
    struct virtual_timer *v = inner(t);

    t->close_cb = close_cb;
    world_cancel(&v->event);
    if (close_cb)
        world_at(&v->event, v->host, 0, closed);
}
