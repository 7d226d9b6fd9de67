/* Redis behind a network. One connection an engine: commands run in the order they were sent,
 * answers come in that order; a cut loses the answers of what ran, and what had not arrived never
 * runs. */
#include "tests/sim/invariants.h"
#include "tests/sim/stores.h"

#include "engine/base/mem.h"

#include <stdio.h>

struct fake_kv {
    struct kv kv;
    struct host *host;
    struct list link, jobs; /* of stores.kvs; struct job, in the order of sending */
    bool connected;
    int64_t arrives_ns, answers_ns; /* of the last one */
    int64_t away_ns;                /* how long a cut lasts */
    struct sim_event reconnect;
};

struct job {
    struct fake_kv *conn;
    struct kv_request *request; /* NULL: nobody waits any more */
    struct list link;
    struct sim_event progress, deadline;
    const struct kv_script *script; /* NULL: a command */
    struct slice *args;
    size_t key_count, count;
    struct arena arena; /* of the arguments and the answer */
    struct kv_reply *reply;
};

static void job_free(struct job *j)
{
    list_remove(&j->link);
    world_cancel(&j->progress);
    world_cancel(&j->deadline);
    arena_free(&j->arena);
    mem_free(j);
}

static void complete(struct job *j, enum status status, const struct kv_reply *reply)
{
    struct kv_request *request = j->request;
    struct host *was;

    world_cancel(&j->deadline);
    j->request = NULL;
    if (!request)
        return;
    was = world_enter(j->conn->host);
    request->cb(request, status, reply);
    world_enter(was);
}

/* ---- the connection ---- */

static void reconnected(struct sim_event *e)
{
    struct fake_kv *c = container_of(e, struct fake_kv, reconnect);
    bool another = strcmp(c->kv.run_id, stores.run_id) != 0;

    if (world_put_off(e, c->host))
        return;
    memcpy(c->kv.run_id, stores.run_id, sizeof(c->kv.run_id));
    c->connected = true;
    c->arrives_ns = c->answers_ns = 0;
    if (another && c->kv.on_run_id) {
        world_enter(c->host);
        c->kv.on_run_id(&c->kv, c->kv.on_run_id_ctx);
        world_enter(NULL);
    }
}

/* The engine sees that its connection is gone: once it runs. */
static void noticed(struct sim_event *e)
{
    struct fake_kv *c = container_of(e, struct fake_kv, reconnect);
    struct list lost, *link;

    if (world_put_off(e, c->host))
        return;
    list_init(&lost);
    list_splice(&lost, &c->jobs);
    while ((link = list_pop_front(&lost))) {
        struct job *j = list_entry(link, struct job, link);

        world_cancel(&j->progress);
        complete(j, STATUS_UNAVAILABLE, NULL);
        job_free(j);
    }
    world_at(e, NULL, c->away_ns, reconnected);
}

static void cut(struct fake_kv *c, int64_t away_ms)
{
    if (!c->connected)
        return;
    TRACE("redis: the connection of engine %u is cut", c->host->id);
    c->connected = false;
    c->away_ns = away_ms * MS;
    list_for_each (it, &c->jobs)
        world_cancel(&list_entry(it, struct job, link)->progress);
    world_at(&c->reconnect, NULL, 0, noticed);
}

static int64_t a_moment_ms(void)
{
    return 50 + (int64_t)chance(400);
}

/* ---- a command ---- */

static void answer(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);
    const struct kv_reply *r = j->reply;

    if (world_put_off(e, j->conn->host))
        return;
    complete(j, r->kind == KV_ERROR ? STATUS_INTERNAL : STATUS_OK, r);
    job_free(j);
}

static struct kv_reply *keep(struct arena *a, const struct kv_reply *r)
{
    struct kv_reply *kept = arena_take(a, sizeof(*kept)), *elements;

    *kept = *r;
    if (r->kind == KV_STR || r->kind == KV_ERROR) {
        char *text = arena_take(a, r->str.len + 1);

        memcpy(text, r->str.at, r->str.len);
        text[r->str.len] = '\0';
        kept->str.at = text;
    }
    if (r->kind == KV_ARRAY) {
        elements = arena_take(a, (r->count + 1) * sizeof(*elements));
        for (size_t i = 0; i < r->count; i++)
            elements[i] = *keep(a, &r->elements[i]);
        kept->elements = elements;
    }
    return kept;
}

static const struct kv_reply *run(struct job *j)
{
    stores.redis.now_ms = world_wall_ms() + stores.redis_offset_ms;
    if (j->script)
        return redis_eval(&stores.redis, j->script, j->args, j->key_count, j->args + j->key_count,
                          j->count - j->key_count);
    return redis_run(&stores.redis, j->args, j->count);
}

static void trace_job(const struct job *j, const struct kv_reply *r)
{
    if (!world.trace || (!j->script && slice_is(j->args[0], "XRANGE") && r->count == 0))
        return;
    world_trace_head();
    printf("redis <- engine %u: %s", j->conn->host->id, j->script ? j->script->name : "");
    for (size_t i = j->script ? 2 : 0; i < j->count; i++)
        printf(" %.*s", j->args[i].len < 60 ? (int)j->args[i].len : 60, j->args[i].at);
    if (r->kind == KV_INT)
        printf(" -> %lld\n", (long long)r->integer);
    else if (r->kind == KV_ARRAY)
        printf(" -> %zu entries\n", r->count);
    else
        printf(" -> %.*s\n", SLICE_ARG(r->str));
}

static void arrive(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);
    struct fake_kv *c = j->conn;
    const struct kv_reply *r = run(j);
    int64_t at = world.now_ns + latency_ns(stores.faults.slow / 4);

    trace_job(j, r);
    world_mark_bytes(r->str.at, r->kind == KV_STR ? r->str.len : 0);
    j->reply = keep(&j->arena, r);
    c->answers_ns = at > c->answers_ns ? at : c->answers_ns + 1;
    world_at(&j->progress, NULL, c->answers_ns - world.now_ns, answer);
    if (happens(stores.faults.kv_cut))
        cut(c, a_moment_ms());
}

static void late(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, deadline);

    if (!world_put_off(e, j->conn->host))
        complete(j, STATUS_TIMEOUT, NULL);
}

static void copy_args(struct job *j, size_t at, const struct slice *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *copy = arena_take(&j->arena, args[i].len + 1);

        if (args[i].len)
            memcpy(copy, args[i].at, args[i].len);
        j->args[at + i] = slice_of(copy, args[i].len);
    }
}

static enum status submit(struct kv *kv, struct kv_request *request, const struct kv_script *script,
                          const struct slice *keys, size_t key_count, const struct slice *args,
                          size_t count, unsigned deadline_ms)
{
    struct fake_kv *c = container_of(kv, struct fake_kv, kv);
    struct host *was;
    struct job *j;
    int64_t at;

    if (!c->connected)
        return STATUS_UNAVAILABLE;
    was = world_enter(NULL);
    j = mem_alloc(sizeof(*j));
    j->conn = c;
    j->request = request;
    j->script = script;
    j->key_count = key_count;
    j->count = key_count + count;
    j->args = arena_take(&j->arena, (j->count + 1) * sizeof(*j->args));
    copy_args(j, 0, keys, key_count);
    copy_args(j, key_count, args, count);
    list_push_back(&c->jobs, &j->link);
    at = world.now_ns + latency_ns(stores.faults.slow);
    c->arrives_ns = at > c->arrives_ns ? at : c->arrives_ns + 1;
    world_at(&j->progress, NULL, c->arrives_ns - world.now_ns, arrive);
    world_at(&j->deadline, NULL, (int64_t)deadline_ms * MS, late);
    world_enter(was);
    return STATUS_OK;
}

static enum status fake_command(struct kv *kv, struct kv_request *request, const struct slice *args,
                                size_t count, unsigned deadline_ms)
{
    return submit(kv, request, NULL, NULL, 0, args, count, deadline_ms);
}

static bool fake_ready(struct kv *kv, const char **ret_why)
{
    (void)ret_why;
    return container_of(kv, struct fake_kv, kv)->connected;
}

static const struct kv_ops ops = {.command = fake_command, .eval = submit, .ready = fake_ready};

struct kv *kv_connect(void)
{
    struct host *host = world_enter(NULL);
    struct fake_kv *c = mem_alloc(sizeof(*c));

    c->kv.ops = &ops;
    c->host = host;
    list_init(&c->jobs);
    list_push_back(&stores.kvs, &c->link);
    memcpy(c->kv.run_id, stores.run_id, sizeof(c->kv.run_id));
    c->connected = true;
    world_enter(host);
    return &c->kv;
}

/* What was sent may have reached Redis, in order. */
void fake_kv_forget(struct host *h)
{
    list_for_each_safe (it, &stores.kvs) {
        struct fake_kv *c = list_entry(it, struct fake_kv, link);
        bool arrives = c->connected;

        if (c->host != h)
            continue;
        list_for_each_safe (link, &c->jobs) {
            struct job *j = list_entry(link, struct job, link);

            arrives = arrives && chance(4);
            if (arrives && !j->reply) {
                const struct kv_reply *r = run(j);

                trace_job(j, r);
                check_step(); /* a step of its own, inside the kill's */
            }
            job_free(j);
        }
        world_cancel(&c->reconnect);
        list_remove(&c->link);
        mem_free(c);
    }
}

/* ---- the life of the server ---- */

static void cut_all(void)
{
    list_for_each (it, &stores.kvs)
        cut(list_entry(it, struct fake_kv, link), a_moment_ms());
}

void redis_cut(const struct host *h, int64_t away_ms)
{
    list_for_each (it, &stores.kvs) {
        if (list_entry(it, struct fake_kv, link)->host == h)
            cut(list_entry(it, struct fake_kv, link), away_ms);
    }
}

static void another_run(void)
{
    snprintf(stores.run_id, sizeof(stores.run_id), "run%u", ++stores.runs);
    cut_all();
}

void redis_snapshot(void)
{
    redis_copy(&stores.stale, &stores.redis);
    stores.has_stale = true;
}

void redis_fail_over(void)
{
    if (!stores.has_stale)
        return;
    TRACE("redis fails over to a stale replica");
    redis_copy(&stores.redis, &stores.stale);
    another_run();
}

void redis_restart(void)
{
    TRACE("redis restarts empty");
    redis_flush(&stores.redis);
    another_run();
}

void redis_forget(void)
{
    TRACE("redis: FLUSHALL");
    redis_flush(&stores.redis);
}

void redis_go_back(void)
{
    if (!stores.has_stale)
        return;
    TRACE("redis lies: the data of some moments ago");
    redis_copy(&stores.redis, &stores.stale);
}
