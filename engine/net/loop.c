#include "engine/net/loop.h"

#include <assert.h>

static void run_turn_ends(struct loop *l)
{
    struct list due;
    struct list *link;

    list_init(&due);
    list_splice(&due, &l->turn_ends);
    while ((link = list_pop_front(&due)) != NULL) {
        struct turn_end *end = list_entry(link, struct turn_end, link);

        end->cb(end);
    }
}

/* The last thing before the loop sleeps. The idle handle, running whenever something is deferred,
 * keeps the sleep at zero. */
static void before_sleep(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;

    run_turn_ends(l);
    if (list_empty(&l->turn_ends))
        uv_idle_stop(&l->idle);
}

static void nothing(uv_idle_t *idle)
{
    (void)idle;
}

void loop_init(struct loop *l, const struct clock *clock)
{
    int failed = uv_loop_init(&l->uv);

    assert(!failed);
    (void)failed;
    l->clock = clock;
    l->stopping = false;
    list_init(&l->turn_ends);
    uv_prepare_init(&l->uv, &l->prepare);
    l->prepare.data = l;
    uv_prepare_start(&l->prepare, before_sleep);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_idle_init(&l->uv, &l->idle);
}

void loop_run(struct loop *l)
{
    l->stopping = false;
    while (!l->stopping && uv_run(&l->uv, UV_RUN_DEFAULT) != 0)
        ;
}

void loop_turn(struct loop *l, bool wait)
{
    uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
    uv_stop(&l->uv);
}

void loop_free(struct loop *l)
{
    int failed;

    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    failed = uv_loop_close(&l->uv);
    assert(!failed && "a handle was not closed by its owner");
    (void)failed;
}

void turn_end_init(struct turn_end *end, turn_end_cb cb)
{
    end->cb = cb;
    list_init(&end->link);
}

void loop_defer(struct loop *l, struct turn_end *end)
{
    if (!list_empty(&end->link))
        return;
    list_push_back(&l->turn_ends, &end->link);
    uv_idle_start(&l->idle, nothing);
}

void turn_end_cancel(struct turn_end *end)
{
    list_remove(&end->link);
}

static void timer_fired(uv_timer_t *uv)
{
    struct timer *t = container_of(uv, struct timer, uv);

    t->cb(t);
}

void timer_init(struct loop *l, struct timer *t, timer_cb cb)
{
    uv_timer_init(&l->uv, &t->uv);
    t->cb = cb;
    t->close_cb = NULL;
}

void timer_start(struct timer *t, uint64_t after_ms, uint64_t repeat_ms)
{
    uv_timer_start(&t->uv, timer_fired, after_ms, repeat_ms);
}

void timer_stop(struct timer *t)
{
    uv_timer_stop(&t->uv);
}

bool timer_active(const struct timer *t)
{
    return uv_is_active((const uv_handle_t *)&t->uv);
}

static void timer_closed(uv_handle_t *handle)
{
    struct timer *t = container_of((uv_timer_t *)handle, struct timer, uv);

    if (t->close_cb)
        t->close_cb(t);
}

void timer_close(struct timer *t, timer_cb close_cb)
{
    t->close_cb = close_cb;
    uv_close((uv_handle_t *)&t->uv, timer_closed);
}
