#include "tests/sim/world.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct world world;

/* ---- the queue: a binary heap by time, then by the order of asking ---- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void put(size_t at, struct sim_event *e)
{
    world.queue[at] = e;
    e->at = at;
}

static void rise(size_t at, struct sim_event *e)
{
    while (at > 1 && earlier(e, world.queue[at / 2])) {
        put(at, world.queue[at / 2]);
        at /= 2;
    }
    put(at, e);
}

static void sink(size_t at, struct sim_event *e)
{
    for (size_t child = 2 * at; child <= world.count; child = 2 * at) {
        if (child < world.count && earlier(world.queue[child + 1], world.queue[child]))
            child++;
        if (earlier(e, world.queue[child]))
            break;
        put(at, world.queue[child]);
        at = child;
    }
    put(at, e);
}

void world_cancel(struct sim_event *e)
{
    size_t at = e->at;
    struct sim_event *last;

    if (!at)
        return;
    e->at = 0;
    last = world.queue[world.count--];
    if (last == e)
        return;
    if (at > 1 && earlier(last, world.queue[at / 2]))
        rise(at, last);
    else
        sink(at, last);
}

void world_at(struct sim_event *e, struct host *host, int64_t after_ns, sim_event_fn fn)
{
    world_cancel(e);
    if (world.count + 2 > world.cap) {
        struct host *was = world_enter(NULL);

        world.cap = world.cap ? 2 * world.cap : 1024;
        world.queue = mem_resize(world.queue, world.cap * sizeof(struct sim_event *));
        world_enter(was);
    }
    e->due_ns = world.now_ns + (after_ns > 0 ? after_ns : 0);
    e->seq = ++world.seq;
    e->fn = fn;
    e->host = host;
    rise(++world.count, e);
}

bool world_step(void)
{
    struct sim_event *e;

    if (!world.count)
        return false;
    e = world.queue[1];
    world_cancel(e);
    world.now_ns = e->due_ns;
    world.steps++;
    if (e->host && world_put_off(e, e->host))
        return true;
    world_enter(e->host);
    e->fn(e);
    world_enter(NULL);
    return true;
}

/* ---- hosts ---- */

static int64_t host_wall_ms(const struct clock *clock)
{
    return world_wall_ms() + container_of(clock, struct host, clock)->wall_offset_ms;
}

static int64_t host_mono_ns(const struct clock *clock)
{
    return world.now_ns + 1000000000 - container_of(clock, struct host, clock)->mono_behind_ns;
}

struct host *host_new(unsigned id)
{
    struct host *was = world_enter(NULL), *h = mem_alloc(sizeof(*h));

    h->id = id;
    h->alive = true;
    h->clock = (struct clock){.wall_ms = host_wall_ms, .mono_ns = host_mono_ns};
    list_init(&h->blocks);
    list_push_back(&world.hosts, &h->link);
    world_enter(h);
    loop_init(&h->loop, &h->clock);
    world_enter(was);
    return h;
}

void host_kill(struct host *h)
{
    bool found = true;

    h->alive = false;
    while (found) { /* what takes a cancelled one's place may be anywhere: look again */
        found = false;
        for (size_t i = world.count; i > 0; i--) {
            if (i <= world.count && world.queue[i]->host == h) {
                world_cancel(world.queue[i]);
                found = true;
            }
        }
    }
    list_init(&h->loop.turn_ends);
    for (struct list *link; (link = h->blocks.next) != &h->blocks;)
        mem_free((char *)link + 32); /* mem_virtual.c: the header is 32 bytes */
}

bool world_put_off(struct sim_event *e, const struct host *h)
{
    if (!h->alive || h->wakes_ns <= world.now_ns)
        return false;
    world_at(e, e->host, h->wakes_ns - world.now_ns, e->fn);
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct sim_event *const *x = a, *const *y = b;

    return earlier(*x, *y) ? -1 : 1;
}

/* Every event of the host, later by so much. */
static void shift(struct host *h, int64_t by_ns)
{
    struct sim_event **own = mem_alloc((world.count + 1) * sizeof(struct sim_event *));
    size_t count = 0;

    for (size_t i = 1; i <= world.count; i++) {
        if (world.queue[i]->host == h)
            own[count++] = world.queue[i];
    }
    qsort(own, count, sizeof(struct sim_event *), by_time);
    for (size_t i = 0; i < count; i++)
        world_at(own[i], h, own[i]->due_ns - world.now_ns + by_ns, own[i]->fn);
    mem_free(own);
}

void host_stop(struct host *h, int64_t for_ns, bool frozen)
{
    struct host *was = world_enter(NULL);

    h->wakes_ns = world.now_ns + for_ns;
    if (frozen) {
        h->mono_behind_ns += for_ns;
        shift(h, for_ns);
    }
    world_enter(was);
}

/* ---- life ---- */

void world_begin(uint64_t seed, bool trace)
{
    struct sim_event **queue = world.queue;
    size_t cap = world.cap;

    world = (struct world){
        .seed = seed, .trace = trace, .queue = queue, .cap = cap, .hash = 14695981039346656037u};
    rng_seed(&world.rng, seed);
    list_init(&world.hosts);
}

void world_end(void)
{
    struct list *link;

    while ((link = list_pop_front(&world.hosts)))
        mem_free(list_entry(link, struct host, link));
    world.count = 0;
}

int64_t latency_ns(unsigned slow_per_mille)
{
    int64_t ns = 100000 + chance(1000000);

    if (happens(slow_per_mille))
        ns += (int64_t)chance(3000) * MS;
    return ns;
}

/* ---- the trace ---- */

void world_trace_head(void)
{
    printf("%10.4f %6llu ", (double)world.now_ns / 1e9, (unsigned long long)world.steps);
    if (world.current)
        printf("engine %u: ", world.current->id);
}

void world_mark(uint64_t value)
{
    world.hash = (world.hash ^ value) * 1099511628211u;
    world.hash ^= world.hash >> 29;
}

void world_mark_bytes(const void *at, size_t len)
{
    const unsigned char *bytes = at;

    for (size_t i = 0; i < len; i++)
        world.hash = (world.hash ^ bytes[i]) * 1099511628211u;
}
