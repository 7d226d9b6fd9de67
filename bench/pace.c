#include "bench/pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void ready_cb(uv_poll_t *poll, int status, int events)
{
    struct pace *p = container_of(poll, struct pace, poll);
    uint64_t times;

    (void)status;
    (void)events;
    if (read(p->fd, &times, sizeof(times)) > 0)
        p->cb(p);
}

void pace_init(struct loop *l, struct pace *p, pace_cb cb)
{
    *p = (struct pace){.cb = cb, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    if (p->fd < 0 || uv_poll_init(&l->uv, &p->poll, p->fd) != 0 ||
        uv_poll_start(&p->poll, UV_READABLE, ready_cb) != 0) {
        perror("timerfd");
        abort();
    }
}

void pace_at(struct pace *p, int64_t at_ns)
{
    /* An instant of zero would disarm it. */
    int64_t ns = at_ns > 1 ? at_ns : 1;
    const struct itimerspec when = {.it_value = {ns / 1000000000, ns % 1000000000}};

    timerfd_settime(p->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void closed_cb(uv_handle_t *handle)
{
    container_of(handle, struct pace, poll)->closed = true;
}

void pace_close(struct loop *l, struct pace *p)
{
    uv_close((uv_handle_t *)&p->poll, closed_cb);
    while (!p->closed)
        loop_turn(l, false);
    close(p->fd);
}
