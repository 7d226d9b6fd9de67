/* Wakes a loop at an instant, to tens of microseconds: libuv's timers know milliseconds only, and a
 * millisecond that the generator is late would be charged to whom it measures. */
#ifndef HOLDFAST_BENCH_PACE_H
#define HOLDFAST_BENCH_PACE_H

#include "engine/net/loop.h"

struct pace;
typedef void (*pace_cb)(struct pace *p);

/* Embedded by its owner. */
struct pace {
    pace_cb cb;
    /* private */
    uv_poll_t poll;
    int fd;
    bool closed;
};

/* Aborts when the kernel gives no timer. */
void pace_init(struct loop *l, struct pace *p, pace_cb cb);
/* Calls back once, at loop_mono_ns `at_ns` or soon after; asking again moves it. */
void pace_at(struct pace *p, int64_t at_ns);
/* Turns the loop until the memory may go. */
void pace_close(struct loop *l, struct pace *p);

#endif
