#include "engine/booking/pressure.h"

#include "engine/base/encode.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/booking/booking_lua.h"

#include <inttypes.h>
#include <stdio.h>

#define COMMIT_LOW_MS  100
#define COMMIT_HIGH_MS 1000
#define POOL_LOW_MS    20
#define POOL_HIGH_MS   500
#define FILL_LOW       50
#define FILL_HIGH      100
#define FALL           10
#define TELL_DEADLINE  1000
#define PROBES         8 /* places where an event may be in the table */
#define NS_PER_MS      INT64_C(1000000)

#define METRIC_ROW_TAG pressure_metrics
static const struct metric_desc descs[] = {PRESSURE_METRICS(METRIC_ROW_)};

/* An event that is asked for here; free when id is 0. */
struct hot_event {
    uint64_t id;
    int64_t asked_ns;
    struct kv_request kv;
    bool telling;
};

struct pressure {
    struct loop *loop;
    struct kv *kv;
    pressure_feel_fn feel;
    void *ctx;
    char name[17]; /* of this engine, among the others */
    struct script script;
    struct timer tick;
    struct pressure_metrics metrics;
    struct metric_group group;
    struct hot_event events[PRESSURE_EVENTS_MAX];
};

/* ---- the value ---- */

unsigned pressure_part(int64_t value, int64_t low, int64_t high)
{
    if (value <= low)
        return 0;
    return value >= high ? 100 : (unsigned)((value - low) * 100 / (high - low));
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

unsigned pressure_value(const struct pressure_signs *signs, unsigned before,
                        struct pressure_metrics *ret_parts)
{
    unsigned commit = pressure_part(signs->commit_p99_ms, COMMIT_LOW_MS, COMMIT_HIGH_MS);
    unsigned pool = pressure_part(signs->pool_wait_ms, POOL_LOW_MS, POOL_HIGH_MS);
    unsigned fill = pressure_part(signs->fill, FILL_LOW, FILL_HIGH);
    unsigned now = signs->away ? 100 : larger(commit, larger(pool, fill));

    ret_parts->pressure_commit = commit;
    ret_parts->pressure_pool = pool;
    ret_parts->pressure_in_flight = fill;
    return before > now + FALL ? before - FALL : now;
}

/* ---- who is told ---- */

static struct hot_event *place_of(struct pressure *p, uint64_t id, size_t probe)
{
    return &p->events[(id * UINT64_C(0x9e3779b97f4a7c15) + probe) % PRESSURE_EVENTS_MAX];
}

static bool is_hot(const struct hot_event *e, int64_t now_ns)
{
    return e->id != 0 && now_ns - e->asked_ns < PRESSURE_HOT_MS * NS_PER_MS;
}

void pressure_touch(struct pressure *p, uint64_t event_id)
{
    int64_t now_ns = loop_mono_ns(p->loop);
    struct hot_event *free_place = NULL;

    for (size_t i = 0; i < PROBES; i++) {
        struct hot_event *e = place_of(p, event_id, i);

        if (e->id == event_id) {
            e->asked_ns = now_ns;
            return;
        }
        if (!free_place && !e->telling && !is_hot(e, now_ns))
            free_place = e;
    }
    if (!free_place)
        return;
    free_place->id = event_id;
    free_place->asked_ns = now_ns;
}

/* ---- telling ---- */

static void told_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    (void)status; /* a value that is not told runs out, the next one is half a second away */
    (void)reply;
    container_of(request, struct hot_event, kv)->telling = false;
}

static void tell(struct pressure *p, struct hot_event *e)
{
    char key[48], value[16], life[16];
    struct slice keys[1], args[3];

    keys[0] = slice_of(key, (size_t)snprintf(key, sizeof(key), "{e%" PRIu64 "}:q:pressure", e->id));
    args[0] = slice_str(p->name);
    args[1] =
        slice_of(value, (size_t)snprintf(value, sizeof(value), "%" PRId64, p->metrics.pressure));
    args[2] = slice_of(life, (size_t)snprintf(life, sizeof(life), "%d", PRESSURE_LIFE_MS));
    e->kv.cb = told_cb;
    e->telling =
        kv_eval(p->kv, &e->kv, &p->script.kv, keys, 1, args, 3, TELL_DEADLINE) == STATUS_OK;
}

static void tick_over(struct timer *t)
{
    struct pressure *p = container_of(t, struct pressure, tick);
    int64_t now_ns = loop_mono_ns(p->loop);
    struct pressure_signs signs = {0};

    p->feel(p->ctx, &signs);
    p->metrics.pressure = pressure_value(&signs, (unsigned)p->metrics.pressure, &p->metrics);
    p->metrics.pressure_events = 0;
    for (size_t i = 0; i < PRESSURE_EVENTS_MAX; i++) {
        struct hot_event *e = &p->events[i];

        if (!is_hot(e, now_ns))
            continue;
        p->metrics.pressure_events++;
        if (!e->telling)
            tell(p, e);
    }
}

/* ---- life ---- */

struct pressure *pressure_new(struct loop *l, struct kv *kv, pressure_feel_fn feel, void *ctx)
{
    static const char *const parts[SCRIPT_PARTS_MAX] = {lua_pressure_tell};
    struct pressure *p = mem_alloc(sizeof(*p));
    uint8_t name[8];

    p->loop = l;
    p->kv = kv;
    p->feel = feel;
    p->ctx = ctx;
    rng_secret(name, sizeof(name));
    hex_encode(name, sizeof(name), p->name);
    p->name[16] = '\0';
    script_init(&p->script, "pressure_tell", parts);
    p->group =
        (struct metric_group){.descs = descs, .count = array_len(descs), .base = &p->metrics};
    list_init(&p->group.link);
    timer_init(l, &p->tick, tick_over);
    timer_start(&p->tick, PRESSURE_TELL_MS, PRESSURE_TELL_MS);
    return p;
}

struct metric_group *pressure_metrics(struct pressure *p)
{
    return &p->group;
}

void pressure_stop(struct pressure *p)
{
    timer_close(&p->tick, NULL);
}

void pressure_free(struct pressure *p)
{
    if (!p)
        return;
    metric_group_free(&p->group);
    script_free(&p->script);
    mem_free(p);
}
