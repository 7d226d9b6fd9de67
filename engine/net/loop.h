/* The event loop of a thread: libuv with timers, work at the end of a turn, and memory that is
 * freed only when the turn is over. */
#ifndef HOLDFAST_NET_LOOP_H
#define HOLDFAST_NET_LOOP_H

#include "engine/base/clock.h"
#include "engine/base/list.h"

#include <uv.h>

struct loop {
    uv_loop_t uv;
    const struct clock *clock; /* what loop_now_ms reads; borrowed */
    struct list turn_ends;     /* private: struct turn_end that want to run */
    uv_prepare_t prepare;      /* private: runs them before the loop sleeps */
    uv_idle_t idle;            /* private: keeps a turn from sleeping while work is deferred */
    bool stopping;
};

void loop_init(struct loop *l, const struct clock *clock);
/* Runs until loop_stop or nothing is left. */
void loop_run(struct loop *l);
/* One turn; waits for something to happen only if `wait`. For tests. */
void loop_turn(struct loop *l, bool wait);
void loop_stop(struct loop *l);
/* All handles must be closed by their owners; runs the loop until the closings are done, asserts
 * that none is left. */
void loop_free(struct loop *l);

static inline int64_t loop_wall_ms(const struct loop *l)
{
    return clock_wall_ms(l->clock);
}

static inline int64_t loop_mono_ns(const struct loop *l)
{
    return clock_mono_ns(l->clock);
}

/* ---- work for the end of this turn, after all callbacks of ready sockets: gather, then send once
 * ---- */

struct turn_end;
typedef void (*turn_end_cb)(struct turn_end *end);

struct turn_end {
    turn_end_cb cb;
    struct list link; /* private; list_init'ed by turn_end_init */
};

void turn_end_init(struct turn_end *end, turn_end_cb cb);
/* Runs cb once at the end of this turn, at most once however often it is asked for. What is
 * deferred while these run, runs in the next turn, which does not sleep. Never inside the call. */
void loop_defer(struct loop *l, struct turn_end *end);
void turn_end_cancel(struct turn_end *end); /* harmless when not deferred */

/* ---- timers ---- */

struct timer;
typedef void (*timer_cb)(struct timer *timer);

/* Embedded by its owner. The memory must live until timer_close's callback, or (close_cb NULL)
 * until the loop turn after. */
struct timer {
    uv_timer_t uv;
    timer_cb cb;
    timer_cb close_cb;
};

void timer_init(struct loop *l, struct timer *t, timer_cb cb);
void timer_start(struct timer *t, uint64_t after_ms,
                 uint64_t repeat_ms); /* starting again moves it */
void timer_stop(struct timer *t);
bool timer_active(const struct timer *t); /* will fire */
void timer_close(struct timer *t, timer_cb close_cb);

#endif
