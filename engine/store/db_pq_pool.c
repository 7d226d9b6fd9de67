/* The life of a statement:
 *
 *   submit -> waiting -> in flight on a connection -> answered -> completed
 *               ^             |  lost, or not run for another's sake: once more, if nothing can
 * have happened or it only reads
 *               +-------------+
 *   deadline -> completed with TIMEOUT; if it was in flight the job stays, with nobody waiting,
 * until its answer comes or the connection goes */
#include "engine/store/db_pq_pool.h"

#include "engine/base/log.h"
#include "engine/store/db_pq_result.h"

#include <assert.h>
#include <stdio.h>

#define NO_CONNECTION_NS INT64_C(1000000000) /* so long without a connection: refuse at submit */
#define SILENT_NS        INT64_C(1500000000) /* so long without any answer: the same */
#define BEAT_MS          500
#define RETRY_SHARE      0.1  /* repeats after a loss that a statement pays for */
#define RETRY_SAVED_MAX  32.0 /* that can be saved up: half of what is in flight at a loss */
#define LATE_NS          INT64_C(2000000000) /* an oldest statement so late, though canceled: cut */

struct pq_pool {
    struct loop *loop;
    struct pq_pool_options options;
    struct list waiting; /* struct pq_job */
    size_t waiting_len;
    struct deadlines deadlines;
    size_t jobs; /* all there are */
    struct timer tick, beat;
    bool ticking, closing, silent, beating, open;
    double retries_saved;
    int64_t answered_ns; /* when anything was answered last */
    struct turn_end dispatch;
    int alive; /* connections and the timer that still refer to this */
    size_t ready_len;
    int64_t unready_since_ns; /* while ready_len == 0 */
    char why[220];
    struct pq_conn conns[];
};

static const struct db_statement beat_statement = {.name = "store_beat", .text = "SELECT 1"};

/* ---- jobs ---- */

static int64_t deadline_of(const struct list *link)
{
    return list_entry(link, struct pq_job, deadline)->deadline_ns;
}

static size_t params_size(const struct slice *params, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += params[i].len + 1;
    return size;
}

static struct pq_job *job_new(struct db_request *request, const struct db_statement *statement,
                              const struct slice *params)
{
    size_t count = statement->params, pointers = count * sizeof(char *),
           lengths = count * sizeof(int);
    struct pq_job *job = mem_alloc(sizeof(*job) + pointers + lengths + params_size(params, count));
    char *at;

    job->request = request;
    job->statement = statement;
    job->values = (const char **)(void *)(((uintptr_t)job->bytes + 7) & ~(uintptr_t)7);
    job->lengths = (int *)(void *)((char *)job->values + pointers);
    at = (char *)job->lengths + lengths;
    for (size_t i = 0; i < count; i++) {
        if (!params[i].at)
            continue;
        memcpy(at, params[i].at, params[i].len);
        job->values[i] = at;
        job->lengths[i] = (int)params[i].len;
        at += params[i].len + 1; /* text parameters end with NUL */
    }
    list_init(&job->link);
    list_init(&job->deadline);
    return job;
}

static void job_free(struct pq_pool *p, struct pq_job *job)
{
    if (job->statement == &beat_statement)
        p->beating = false;
    list_remove(&job->link);
    list_remove(&job->deadline);
    PQclear(job->result);
    mem_free(job);
    p->jobs--;
}

static void record(struct pq_pool *p, const struct pq_job *job)
{
    struct db_pq_metrics *m = p->options.metrics;

    if (m->db_statement_us.counts)
        hist_record(&m->db_statement_us,
                    (uint64_t)(loop_mono_ns(p->loop) - job->submitted_ns) / 1000);
}

/* The job goes, the request's owner hears. */
static void complete(struct pq_pool *p, struct pq_job *job, enum status status,
                     const struct db_result *result)
{
    struct db_request *request = job->request;

    list_remove(&job->link);
    list_remove(&job->deadline);
    if (request) {
        request->impl = NULL;
        request->cb(request, status, result);
    }
    job_free(p, job); /* after the callback, which reads the result */
}

static void set_waiting(struct pq_pool *p, size_t len)
{
    p->waiting_len = len;
    p->options.metrics->db_waiting = (int64_t)len;
}

/* ---- dispatch ---- */

static struct pq_conn *least_loaded(struct pq_pool *p)
{
    struct pq_conn *best = NULL;

    for (size_t i = 0; i < p->options.connections; i++) {
        struct pq_conn *c = &p->conns[i];

        if (c->state == PQ_READY && c->in_flight_len < p->options.pipeline &&
            (!best || c->in_flight_len < best->in_flight_len))
            best = c;
    }
    return best;
}

static void dispatch(struct turn_end *end)
{
    struct pq_pool *p = container_of(end, struct pq_pool, dispatch);
    struct pq_conn *c;

    while (!list_empty(&p->waiting) && (c = least_loaded(p))) {
        struct pq_job *job = list_entry(list_pop_front(&p->waiting), struct pq_job, link);

        set_waiting(p, p->waiting_len - 1);
        p->options.metrics->db_statements_total += job->statement != &beat_statement;
        job->sent_ns = loop_mono_ns(p->loop);
        pq_conn_send(c, job);
    }
}

static void send_again(struct pq_pool *p, struct pq_job *job)
{
    PQclear(job->result);
    job->result = NULL;
    job->retried = true;
    job->sent = false;
    list_push_front(&p->waiting, &job->link);
    set_waiting(p, p->waiting_len + 1);
    loop_defer(p->loop, &p->dispatch);
}

static bool may_send_again(const struct pq_pool *p, const struct pq_job *job)
{
    return job->request && !job->retried && !p->closing;
}

/* After a loss, when it may have run: only what reads, and within the budget, so that repeats
 * cannot multiply the load on what is failing. */
static bool may_repeat(struct pq_pool *p, const struct pq_job *job)
{
    if (!job->statement->read_only || !may_send_again(p, job) || p->retries_saved < 1)
        return false;
    p->retries_saved -= 1;
    p->options.metrics->db_retries_total++;
    return true;
}

/* ---- silence ---- */

static void gauge_breaker(struct pq_pool *p, int64_t now_ns)
{
    bool away = p->ready_len == 0 && now_ns - p->unready_since_ns > NO_CONNECTION_NS;
    bool open = p->silent || away;

    p->options.metrics->db_breaker_open +=
        open - p->open; /* the pool of locks has a breaker, too */
    p->open = open;
}

static void heard(struct pq_pool *p)
{
    p->answered_ns = loop_mono_ns(p->loop);
    p->silent = false;
    gauge_breaker(p, p->answered_ns);
}

/* ---- answers and losses ---- */

static void cancel_if_abandoned(struct pq_conn *c)
{
    struct pq_job *oldest = list_entry(c->in_flight.next, struct pq_job, link);

    if (list_empty(&c->in_flight) || oldest->request || oldest->canceled)
        return;
    oldest->canceled = true;
    pq_conn_cancel(c);
}

static void conn_answered(struct pq_conn *c, struct pq_job *job)
{
    struct pq_pool *p = c->ctx;
    struct db_result result = {0};
    struct db_error error = {0};
    enum status status = STATUS_INTERNAL;
    enum pq_verdict verdict = pq_result_judge(job->result, &status, &result, &error);

    heard(p);
    if (!p->closing)
        loop_defer(p->loop, &p->dispatch);
    cancel_if_abandoned(c);
    if (verdict == PQ_NOT_RUN && strcmp(error.sqlstate, "26000") == 0)
        pq_conn_forget(c, job->statement);
    if (verdict == PQ_NOT_RUN && may_send_again(p, job)) {
        send_again(p, job);
        return;
    }
    record(p, job);
    if (status)
        p->options.metrics->db_errors_total++;
    if (job->request)
        job->request->error = error;
    complete(p, job, status, status == STATUS_OK ? &result : NULL);
    if (verdict == PQ_UNFIT && c->state == PQ_READY)
        pq_conn_cut(c, error.message);
}

static void count_ready(struct pq_pool *p)
{
    size_t before = p->ready_len;

    p->ready_len = 0;
    for (size_t i = 0; i < p->options.connections; i++)
        p->ready_len += p->conns[i].state == PQ_READY;
    if (before > 0 && p->ready_len == 0)
        p->unready_since_ns = loop_mono_ns(p->loop);
    p->options.metrics->db_connections += (int64_t)p->ready_len - (int64_t)before;
}

static void conn_lost(struct pq_conn *c, const char *why)
{
    struct pq_pool *p = c->ctx;
    size_t before = p->ready_len;
    struct list lost, *link;

    snprintf(p->why, sizeof(p->why), "postgresql: %s", why);
    count_ready(p);
    list_init(&lost);
    list_splice(&lost, &c->in_flight);
    c->in_flight_len = 0;
    if (before > p->ready_len && p->options.on_lost)
        p->options.on_lost(p->options.ctx);
    while (lost.next != &lost) { /* from the back, so that those that go again keep their order */
        struct pq_job *job = list_entry(link = lost.prev, struct pq_job, link);

        list_remove(link);
        if (may_repeat(p, job))
            send_again(p, job);
        else
            complete(p, job, p->closing ? STATUS_CANCELED : STATUS_UNAVAILABLE, NULL);
    }
}

static void conn_ready(struct pq_conn *c)
{
    struct pq_pool *p = c->ctx;

    count_ready(p);
    heard(p);
    p->options.metrics->db_connects_total++;
    loop_defer(p->loop, &p->dispatch);
}

/* ---- deadlines ---- */

/* A waiting job goes at once; one in flight stays for its answer. */
static void expire(struct pq_pool *p, struct pq_job *job)
{
    struct db_request *request = job->request;

    assert(request); /* a job whose request was answered has no deadline */
    p->options.metrics->db_timeouts_total++;
    if (!job->sent) {
        set_waiting(p, p->waiting_len - 1);
        complete(p, job, STATUS_TIMEOUT, NULL);
        return;
    }
    job->request = NULL;
    request->impl = NULL;
    request->cb(request, STATUS_TIMEOUT, NULL);
}

static void look_after(struct pq_conn *c, int64_t now_ns)
{
    const struct pq_job *oldest;

    if (c->state != PQ_READY || list_empty(&c->in_flight))
        return;
    oldest = list_entry(c->in_flight.next, struct pq_job, link);
    if (oldest->deadline_ns + LATE_NS < now_ns)
        pq_conn_cut(c, "the server does not answer");
    else
        cancel_if_abandoned(c);
}

/* Nothing has come back from any connection although something is on its way long enough. */
static bool is_silent(const struct pq_pool *p, int64_t now_ns)
{
    if (p->options.connections < 2 || now_ns - p->answered_ns < SILENT_NS)
        return false;
    for (size_t i = 0; i < p->options.connections; i++) {
        const struct pq_conn *c = &p->conns[i];

        if (c->state == PQ_READY && !list_empty(&c->in_flight) &&
            now_ns - list_entry(c->in_flight.next, struct pq_job, link)->sent_ns > SILENT_NS)
            return true;
    }
    return false;
}

/* What has not been sent need not wait for its deadline. */
static void fall_silent(struct pq_pool *p)
{
    struct list waiting, *link;

    log_warn("postgresql", "no answer, statements are refused");
    p->silent = true;
    list_init(&waiting);
    list_splice(&waiting, &p->waiting);
    set_waiting(p, 0);
    while ((link = list_pop_front(&waiting)))
        complete(p, list_entry(link, struct pq_job, link), STATUS_UNAVAILABLE, NULL);
}

static void tick_over(struct timer *timer)
{
    struct pq_pool *p = container_of(timer, struct pq_pool, tick);
    int64_t now_ns = loop_mono_ns(p->loop);
    struct list expired, *link;

    list_init(&expired);
    deadlines_expire(&p->deadlines, now_ns, deadline_of, &expired);
    while ((link = list_pop_front(&expired)))
        expire(p, list_entry(link, struct pq_job, deadline));
    if (!p->silent && is_silent(p, now_ns))
        fall_silent(p);
    gauge_breaker(p, now_ns);
    for (size_t i = 0; i < p->options.connections; i++)
        look_after(&p->conns[i], now_ns);
    if (p->jobs == 0 && !p->closing) {
        p->ticking = false;
        timer_stop(&p->tick);
    }
}

/* ---- submitting ---- */

static enum status may_submit(const struct pq_pool *p, int64_t now_ns)
{
    if (p->closing || p->silent ||
        (p->ready_len == 0 && now_ns - p->unready_since_ns > NO_CONNECTION_NS))
        return STATUS_UNAVAILABLE;
    return p->waiting_len >= p->options.waiting_max ? STATUS_OVERLOADED : STATUS_OK;
}

static void enqueue(struct pq_pool *p, struct pq_job *job, int64_t now_ns, unsigned deadline_ms)
{
    job->submitted_ns = now_ns;
    job->deadline_ns = now_ns + (int64_t)deadline_ms * 1000000;
    p->jobs++;
    list_push_back(&p->waiting, &job->link);
    set_waiting(p, p->waiting_len + 1);
    loop_defer(p->loop, &p->dispatch);
    if (!p->ticking) {
        p->ticking = true;
        timer_start(&p->tick, DEADLINE_TICK_MS, DEADLINE_TICK_MS);
    }
}

/* Nobody waits for it, so it is in no deadlines, and is not canceled for that. */
static void beat_over(struct timer *timer)
{
    struct pq_pool *p = container_of(timer, struct pq_pool, beat);
    int64_t now_ns = loop_mono_ns(p->loop);
    struct pq_job *job;

    gauge_breaker(p, now_ns);
    if (p->closing || p->beating || p->ready_len == 0 ||
        now_ns - p->answered_ns < BEAT_MS * INT64_C(1000000))
        return;
    p->beating = true;
    job = job_new(NULL, &beat_statement, NULL);
    job->canceled = true;
    enqueue(p, job, now_ns, BEAT_MS);
}

enum status pq_pool_query(struct pq_pool *p, struct db_request *request,
                          const struct db_statement *statement, const struct slice *params,
                          unsigned deadline_ms)
{
    int64_t now_ns = loop_mono_ns(p->loop);
    enum status status = may_submit(p, now_ns);
    struct pq_job *job;

    if (status)
        return status;
    job = job_new(request, statement, params);
    request->error = (struct db_error){0};
    request->statement = statement;
    request->impl = job;
    enqueue(p, job, now_ns, deadline_ms);
    deadlines_add(&p->deadlines, &job->deadline, job->deadline_ns);
    p->retries_saved += RETRY_SHARE;
    if (p->retries_saved > RETRY_SAVED_MAX)
        p->retries_saved = RETRY_SAVED_MAX;
    return STATUS_OK;
}

bool pq_pool_ready(const struct pq_pool *p, const char **ret_why)
{
    if (ret_why)
        *ret_why = p->silent          ? "postgresql: the server does not answer"
                   : p->ready_len > 0 ? ""
                                      : p->why;
    return p->ready_len > 0 && !p->silent;
}

unsigned pq_pool_waited_ms(const struct pq_pool *p)
{
    const struct pq_job *oldest;

    if (list_empty(&p->waiting))
        return 0;
    oldest = list_entry(p->waiting.next, struct pq_job, link);
    return (unsigned)((loop_mono_ns(p->loop) - oldest->submitted_ns) / 1000000);
}

/* ---- the end ---- */

static void free_if_done(struct pq_pool *p)
{
    void (*on_freed)(void *) = p->options.on_freed;
    void *ctx = p->options.ctx;

    if (--p->alive > 0)
        return;
    assert(p->jobs == 0);
    mem_free(p);
    on_freed(ctx);
}

static void conn_freed(struct pq_conn *c)
{
    free_if_done(c->ctx);
}

/* Closing handles is what surely happens in the next turn, so here the requests are completed. */
static void tick_closed(struct timer *timer)
{
    struct pq_pool *p = container_of(timer, struct pq_pool, tick);
    struct list *link;

    for (size_t i = 0; i < p->options.connections; i++)
        list_splice(&p->waiting, &p->conns[i].in_flight);
    while ((link = list_pop_front(&p->waiting)))
        complete(p, list_entry(link, struct pq_job, link), STATUS_CANCELED, NULL);
    set_waiting(p, 0);
    free_if_done(p);
}

static void beat_closed(struct timer *timer)
{
    free_if_done(container_of(timer, struct pq_pool, beat));
}

void pq_pool_close(struct pq_pool *p)
{
    assert(!p->closing);
    p->closing = true;
    for (size_t i = 0; i < p->options.connections; i++)
        pq_conn_close(&p->conns[i]);
    count_ready(p);
    timer_close(&p->tick, tick_closed);
    timer_close(&p->beat, beat_closed);
    turn_end_cancel(&p->dispatch);
}

static const struct pq_conn_events conn_events = {conn_ready, conn_answered, conn_lost, conn_freed};

struct pq_pool *pq_pool_new(struct loop *l, const struct pq_pool_options *options)
{
    struct pq_pool *p = mem_alloc(sizeof(*p) + options->connections * sizeof(p->conns[0]));
    int64_t now_ns = loop_mono_ns(l);

    p->loop = l;
    p->options = *options;
    p->unready_since_ns = now_ns;
    p->alive = (int)options->connections + 2; /* and the timers */
    p->retries_saved = RETRY_SAVED_MAX / 4;
    p->answered_ns = now_ns;
    snprintf(p->why, sizeof(p->why), "postgresql: connecting");
    list_init(&p->waiting);
    deadlines_init(&p->deadlines, now_ns);
    turn_end_init(&p->dispatch, dispatch);
    timer_init(l, &p->tick, tick_over);
    timer_init(l, &p->beat, beat_over);
    timer_start(&p->beat, BEAT_MS, BEAT_MS);
    for (size_t i = 0; i < options->connections; i++) {
        p->conns[i] = (struct pq_conn){.ctx = p,
                                       .events = &conn_events,
                                       .loop = l,
                                       .conninfo = options->conninfo,
                                       .application = options->application,
                                       .reports = options->reports};
        pq_conn_open(&p->conns[i]);
    }
    return p;
}
