#include "bench/core/hold_rate.h"
#include "bench/pace.h"
#include "engine/base/rng.h"

#include <stdio.h>
#include <stdlib.h>

struct sender {
    struct stage *stage;
    struct holding *holding;
    struct rng rng;
    struct client *clients;
    struct list idle; /* struct client */
    size_t next, done;
    int64_t begun_ns;
    struct pace pace;
    bool finished;
};

struct client {
    struct sender *sender;
    struct ask ask;
    int64_t intended_ns;
    struct list link; /* in idle, or alone */
};

static void fill(struct sender *s);

static void placed_cb(struct hold_call *call, enum status status)
{
    struct client *c = container_of(call, struct client, ask.call);
    struct sender *s = c->sender;
    int64_t us = (loop_mono_ns(&s->stage->loop) - c->intended_ns) / 1000;

    hist_record(&s->holding->times, us > 0 ? (uint64_t)us : 0);
    s->holding->granted += !status && call->outcome == HOLD_GRANTED;
    list_push_front(&s->idle, &c->link);
    if (++s->done == s->stage->holds)
        s->finished = true;
    else
        fill(s);
}

static void submit(struct sender *s, struct client *c)
{
    size_t i = s->next++;

    c->intended_ns = s->holding->rate > 0 ? hold_intended_ns(s->holding, s->begun_ns, i)
                                          : loop_mono_ns(&s->stage->loop);
    stage_ask(s->stage, i, s->stage->area ? (uint32_t)rng_below(&s->rng, s->stage->seats) : 0,
              &c->ask);
    c->ask.call.cb = placed_cb;
    if (seat_store_place(s->stage->store, &c->ask.call, &c->ask.terms)) {
        fprintf(stderr, "hold_rate: Redis has gone\n");
        exit(1);
    }
}

static void fill(struct sender *s)
{
    const struct holding *h = s->holding;

    while (s->next < s->stage->holds && !list_empty(&s->idle) &&
           (h->rate <= 0 ||
            hold_intended_ns(h, s->begun_ns, s->next) <= loop_mono_ns(&s->stage->loop)))
        submit(s, list_entry(list_pop_front(&s->idle), struct client, link));
    if (h->rate > 0 && s->next < s->stage->holds)
        pace_at(&s->pace, hold_intended_ns(h, s->begun_ns, s->next));
}

static void pace_due(struct pace *p)
{
    fill(container_of(p, struct sender, pace));
}

void hold_core(struct stage *stage, struct holding *h)
{
    struct sender s = {.stage = stage, .holding = h};

    rng_seed(&s.rng, 1);
    list_init(&s.idle);
    s.clients = mem_alloc(h->in_flight * sizeof(*s.clients));
    for (size_t i = 0; i < h->in_flight; i++) {
        s.clients[i].sender = &s;
        list_push_back(&s.idle, &s.clients[i].link);
    }
    pace_init(&stage->loop, &s.pace, pace_due);
    h->cpu_us = hold_cpu_us();
    s.begun_ns = loop_mono_ns(&stage->loop);
    fill(&s);
    stage_wait(stage, &s.finished);
    h->cpu_us = hold_cpu_us() - h->cpu_us;
    h->seconds = (double)(loop_mono_ns(&stage->loop) - s.begun_ns) / 1e9;
    pace_close(&stage->loop, &s.pace);
    mem_free(s.clients);
}
