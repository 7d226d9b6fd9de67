#include "bench/flood.h"

#include "bench/scan.h"

#include <stdio.h>

enum { LOOK_MS = 50 };

struct flood_slot {
    struct flood *flood;
    struct client_request request;
    size_t index;
    int64_t intended_ns;
    struct list link; /* in idle, or alone */
};

static void fill(struct flood *f);

static int64_t now_ns(const struct flood *f)
{
    return loop_mono_ns(f->run->loop);
}

/* The code of a problem document; without one, nothing. */
static void put_answer(struct flood_slot *s, int status, struct slice body)
{
    struct flood *f = s->flood;

    if (f->step != FLOOD_UNMEASURED)
        meter_answer(&f->run->meter, f->step, s->intended_ns, now_ns(f), status,
                     status >= 400 ? scan_str(body, "code") : SLICE_NONE);
}

static void answered(struct client_request *r, int status, struct slice body)
{
    struct flood_slot *s = container_of(r, struct flood_slot, request);
    struct flood *f = s->flood;

    put_answer(s, status, body);
    if (!f->refused[0] && (status == 0 || status >= 400))
        snprintf(f->refused, sizeof(f->refused), "%d %.*s", status, SLICE_ARG(body));
    f->took(f, s->index, status, body);
    list_push_front(&f->idle, &s->link);
    f->done++;
    if (f->done == f->total)
        loop_stop(f->run->loop);
    else
        fill(f);
}

static int64_t intended(const struct flood *f, size_t i)
{
    return f->rate > 0 ? f->begun_ns + (int64_t)((double)i / f->rate * 1e9) : now_ns(f);
}

static void submit(struct flood *f, struct flood_slot *s)
{
    s->index = f->next++;
    s->intended_ns = intended(f, s->index);
    s->request.cb = answered;
    s->request.deadline_ns = 0;
    f->make(f, s->index, &s->request);
    client_submit(f->client, &s->request);
}

static bool due(const struct flood *f)
{
    return f->next < f->total && (f->rate <= 0 || intended(f, f->next) <= now_ns(f));
}

/* Not woken more often than this: a little gathering costs nobody's p99, and saves the generator's
 * share of the machine. */
#define PACE_NS 50000

static void fill(struct flood *f)
{
    while (due(f) && !list_empty(&f->idle))
        submit(f, list_entry(list_pop_front(&f->idle), struct flood_slot, link));
    if (f->rate <= 0 || f->next == f->total || list_empty(&f->idle) || f->woken_ns > now_ns(f))
        return;
    int64_t at = intended(f, f->next), soon = now_ns(f) + PACE_NS;
    f->woken_ns = at > soon ? at : soon;
    pace_at(&f->pace, f->woken_ns);
}

static void pace_due(struct pace *p)
{
    fill(container_of(p, struct flood, pace));
}

static void tick_cb(struct timer *t)
{
    struct flood *f = container_of(t, struct flood, timer);

    if (f->run->interrupted)
        loop_stop(f->run->loop);
}

static void closed_cb(struct timer *t)
{
    container_of(t, struct flood, timer)->closed = true;
}

double flood_run(struct flood *f)
{
    f->slots = mem_alloc(f->in_flight * sizeof(*f->slots));
    list_init(&f->idle);
    for (size_t i = 0; i < f->in_flight; i++) {
        f->slots[i].flood = f;
        list_push_back(&f->idle, &f->slots[i].link);
    }
    f->next = f->done = 0;
    f->closed = false;
    f->woken_ns = 0;
    f->begun_ns = now_ns(f);
    timer_init(f->run->loop, &f->timer, tick_cb);
    timer_start(&f->timer, LOOK_MS, LOOK_MS);
    pace_init(f->run->loop, &f->pace, pace_due);
    fill(f);
    loop_run(f->run->loop);
    double seconds = (double)(now_ns(f) - f->begun_ns) / 1e9;
    pace_close(f->run->loop, &f->pace);
    timer_close(&f->timer, closed_cb);
    while (!f->closed)
        loop_turn(f->run->loop, false);
    mem_free(f->slots);
    return seconds;
}
