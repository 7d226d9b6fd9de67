/* A pass takes the events one after another, DRIFT_JOBS at a time:
 *
 *   slice: Redis, PostgreSQL, compare --(next slice)--> slice
 *     \--all read, nothing differs--> done
 *     \--all read--> settle (settle_ms) --> confirm: PostgreSQL again, is anything on its way?
 *                                             \--> mend: Redis again, and marks what is as it was
 *                                                    \--too many--> rebuild --> done
 *
 * One tick of the clock makes one job take one step, so the cost does not grow with the events, the
 * pass takes longer. Nothing is locked and both stores move on meanwhile: what counts is that
 * PostgreSQL said the same twice, with no outbox row for the seat the second time (so whatever it
 * says was marked), and that Redis after that still has what it had first. */
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/booking/booking_lua.h"
#include "engine/booking/drift_job.h"

#include <inttypes.h>
#include <stdio.h>

enum { PASS_MS = 10000, STEP_MS = 100, SETTLE_MS = 6000 };

#define METRIC_ROW_TAG drift_metrics
static const struct metric_desc metric_descs[] = {DRIFT_METRICS(METRIC_ROW_)};

/* Events that may still change, as the relay's. */
static const struct db_statement list_events = {
    .name = "drift_events",
    .text = "SELECT event_id FROM event WHERE sale_state = 'on_sale' OR starts_at > now() - "
            "interval '1 day' ORDER BY event_id DESC LIMIT 10000",
    .params = 0,
    .read_only = true,
};

/* ---- the end of a job ---- */

void drift_job_end(struct drift_job *j)
{
    j->state = JOB_IDLE;
    j->drift->busy--;
}

void drift_job_fail(struct drift_job *j)
{
    j->drift->metrics.drift_failures_total++;
    drift_job_end(j);
}

void drift_job_settle(struct drift_job *j)
{
    j->state = JOB_SETTLING;
    j->settled_ns = loop_mono_ns(j->drift->o.loop) + j->drift->o.settle_ms * 1000000;
}

/* ---- a pass ---- */

static bool next_event(struct drift *d, struct drift_job *j)
{
    while (d->started < d->event_count) {
        j->event_id = d->events[d->started++];
        if (d->o.mine && !d->o.mine(d->o.ctx, j->event_id))
            continue;
        snprintf(j->id, sizeof(j->id), "%" PRIu64, j->event_id);
        snprintf(j->key, sizeof(j->key), "{e%" PRIu64 "}", j->event_id);
        j->next = 0;
        j->misfits = 0;
        j->candidate_count = 0;
        d->busy++;
        return true;
    }
    return false;
}

/* One step of this job, if it has one to take. */
static bool job_step(struct drift_job *j)
{
    switch (j->state) {
    case JOB_BUSY: return false;
    case JOB_IDLE:
        if (!next_event(j->drift, j))
            return false;
        drift_job_read(j);
        return true;
    case JOB_SLICE: drift_job_read(j); return true;
    case JOB_SETTLING:
        if (loop_mono_ns(j->drift->o.loop) < j->settled_ns)
            return false;
        if (j->candidate_count > 0)
            drift_job_confirm(j);
        else
            drift_job_read(j); /* after a misfit */
        return true;
    }
    return false;
}

static void pass_end(struct drift *d)
{
    d->passing = false;
    d->ended_ns = loop_mono_ns(d->o.loop);
    d->metrics.drift_seats = d->found;
}

static void events_cb(struct db_request *request, enum status status, const struct db_result *r)
{
    struct drift *d = container_of(request, struct drift, listing);

    d->asking = false;
    if (status != STATUS_OK) {
        d->metrics.drift_failures_total++;
        return;
    }
    d->events = mem_resize(d->events, (r->rows + 1) * sizeof(*d->events));
    d->event_count = r->rows;
    d->started = 0;
    for (size_t i = 0; i < r->rows; i++)
        d->events[i] = (uint64_t)db_i64(r, i, 0);
    d->passing = true;
    d->found = 0;
}

static void pass_begin(struct drift *d)
{
    int64_t now_ns = loop_mono_ns(d->o.loop);

    if (d->asking || now_ns - d->began_ns < d->o.pass_ms * 1000000)
        return;
    d->began_ns = now_ns;
    d->listing.cb = events_cb;
    d->asking = db_query(d->o.db, &d->listing, &list_events, NULL, DRIFT_REQUEST_MS) == STATUS_OK;
}

static bool any_mine(const struct drift *d)
{
    for (size_t i = 0; i < d->event_count; i++) {
        if (!d->o.mine || d->o.mine(d->o.ctx, d->events[i]))
            return true;
    }
    return false;
}

static void tick_cb(struct timer *t)
{
    struct drift *d = container_of(t, struct drift, tick);
    bool stepped = false;

    if (!d->passing)
        pass_begin(d);
    for (size_t i = 0; d->passing && i < DRIFT_JOBS && !stepped; i++)
        stepped = job_step(&d->jobs[d->turn++ % DRIFT_JOBS]);
    if (d->passing && !stepped && d->busy == 0 && d->started == d->event_count)
        pass_end(d);
    d->metrics.drift_age_ms = any_mine(d) ? (loop_mono_ns(d->o.loop) - d->ended_ns) / 1000000 : 0;
}

/* ---- life ---- */

struct drift *drift_new(const struct drift_options *options)
{
    struct drift *d = mem_alloc(sizeof(*d));

    d->o = *options;
    d->o.pass_ms = d->o.pass_ms ? d->o.pass_ms : PASS_MS;
    d->o.step_ms = d->o.step_ms ? d->o.step_ms : STEP_MS;
    d->o.settle_ms = d->o.settle_ms ? d->o.settle_ms : SETTLE_MS;
    d->began_ns = d->ended_ns = loop_mono_ns(d->o.loop);
    script_init(&d->read, "drift_read",
                (const char *const[SCRIPT_PARTS_MAX]){lua_common, lua_drift_read});
    script_init(&d->mend, "seats_mend",
                (const char *const[SCRIPT_PARTS_MAX]){lua_common, lua_ending, lua_seats_mend});
    for (size_t i = 0; i < DRIFT_JOBS; i++) {
        d->jobs[i].drift = d;
        d->jobs[i].states = mem_alloc(5 * DRIFT_SLICE);
        d->jobs[i].versions = d->jobs[i].states + DRIFT_SLICE;
        d->jobs[i].candidates = mem_alloc(DRIFT_CANDIDATES * sizeof(struct candidate));
    }
    d->group = (struct metric_group){
        .descs = metric_descs, .count = array_len(metric_descs), .base = &d->metrics};
    timer_init(d->o.loop, &d->tick, tick_cb);
    timer_start(&d->tick, (uint64_t)d->o.step_ms, (uint64_t)d->o.step_ms);
    return d;
}

struct metric_group *drift_metrics(struct drift *d)
{
    return &d->group;
}

void drift_stop(struct drift *d)
{
    if (!d)
        return;
    d->stopped = true;
    timer_close(&d->tick, NULL);
    metric_group_free(&d->group);
}

void drift_free(struct drift *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < DRIFT_JOBS; i++) {
        mem_free(d->jobs[i].states);
        mem_free(d->jobs[i].candidates);
    }
    script_free(&d->read);
    script_free(&d->mend);
    mem_free(d->events);
    mem_free(d);
}
