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
#include "engine/booking/drift.h"

#include "engine/base/encode.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/booking/booking_lua.h"
#include "engine/booking/scripts.h"
#include "engine/booking/seat_store.h"

#include <inttypes.h>
#include <stdio.h>

enum { PASS_MS = 10000, STEP_MS = 100, SETTLE_MS = 6000, REQUEST_MS = 2000 };

#define DRIFT_JOBS       8
#define DRIFT_SLICE      4096
#define DRIFT_CANDIDATES 512
#define TOLD_SEATS       20 /* named in the log */

/* A seat that differs: what Redis has ('0'..'3', 'L': held without a lock), what PostgreSQL has. */
struct candidate {
    uint32_t seat, redis_version, version;
    uint8_t redis_state, state;
};

enum job_state { JOB_IDLE, JOB_SLICE, JOB_SETTLING, JOB_BUSY };

struct drift_job {
    struct drift *drift;
    enum job_state state;
    uint64_t event_id;
    char id[24], key[32];
    uint32_t next; /* first seat of the next slice */
    uint32_t seat_count;
    size_t redis_seats; /* length of the state string */
    unsigned misfits;   /* readings in which the stores did not even agree on the number of seats */
    int64_t settled_ns;
    size_t slice_count;
    uint8_t *states, *versions; /* of the slice, as Redis has it; owned, DRIFT_SLICE and 4 times */
    struct candidate *candidates;
    size_t candidate_count;
    struct kv_request kv;
    struct db_request db;
    struct mirror_wait rebuilt;
};

struct drift {
    struct drift_options o;
    struct script read, mend;
    struct timer tick;
    struct db_request listing;
    bool asking, passing, stopped;
    uint64_t *events; /* owned: of this pass */
    size_t event_count, started, busy, turn;
    int64_t began_ns, ended_ns; /* the last pass */
    int64_t found;              /* in this pass */
    struct drift_job jobs[DRIFT_JOBS];
    struct drift_metrics metrics;
    struct metric_group group;
};

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

static const struct db_statement read_slice = {
    .name = "drift_slice",
    .text = "SELECT e.seat_count, s.states, s.versions FROM event e,"
            " (SELECT string_agg(status::text, '' ORDER BY seat) AS states,"
            " string_agg(lpad(to_hex(version), 8, '0'), '' ORDER BY seat) AS versions"
            " FROM event_seat WHERE event_id = $1::bigint AND seat >= $2::integer AND seat < "
            "$2::integer + $3::integer) s WHERE e.event_id = $1::bigint",
    .params = 3,
    .read_only = true,
};

/* Seats, and whether an outbox row still has to be marked for each; a backlog that is too long to
 * look through counts as one for all of them. Parked rows are not waited for: nobody will mark
 * them.
 */
static const struct db_statement read_candidates = {
    .name = "drift_candidates",
    .text = "WITH waiting AS MATERIALIZED (SELECT o.event_id, o.seats FROM outbox o WHERE o.shard "
            "= $1::bigint % 16 AND o.parked_at IS NULL LIMIT 5000), on_the_way AS MATERIALIZED "
            "(SELECT DISTINCT u.seat FROM waiting w CROSS JOIN LATERAL unnest(w.seats) u (seat) "
            "WHERE w.event_id = $1::bigint)"
            " SELECT s.seat, s.status, s.version FROM event_seat s WHERE s.event_id = $1::bigint "
            "AND s.seat = ANY ($2::integer[]) AND NOT EXISTS (SELECT FROM on_the_way y WHERE "
            "y.seat = s.seat) AND (SELECT count(*) FROM waiting) < 5000 ORDER BY s.seat",
    .params = 2,
    .read_only = true,
};

/* ---- the end of a job ---- */

static void job_end(struct drift_job *j)
{
    j->state = JOB_IDLE;
    j->drift->busy--;
}

static void job_fail(struct drift_job *j)
{
    j->drift->metrics.drift_failures_total++;
    job_end(j);
}

static void settle(struct drift_job *j)
{
    j->state = JOB_SETTLING;
    j->settled_ns = loop_mono_ns(j->drift->o.loop) + j->drift->o.settle_ms * 1000000;
}

/* ---- rebuilding ---- */

static void rebuilt_cb(struct mirror_wait *wait, enum status status)
{
    struct drift_job *j = container_of(wait, struct drift_job, rebuilt);

    if (status == STATUS_OK)
        j->drift->metrics.drift_rebuilds_total++;
    if (status == STATUS_OK || j->drift->stopped)
        job_end(j);
    else
        job_fail(j);
}

static void rebuild(struct drift_job *j, uint64_t seats)
{
    j->drift->found += (int64_t)seats;
    log_error("drift", "too many seats differ from the truth, rebuilding",
              log_u64("event", j->event_id), log_u64("seats", seats));
    j->rebuilt.cb = rebuilt_cb;
    if (mirror_repair(j->drift->o.mirror, j->event_id, true, &j->rebuilt) != STATUS_OK)
        job_fail(j);
}

/* ---- mending ---- */

static const struct candidate *candidate_of(const struct drift_job *j, uint64_t seat)
{
    for (size_t i = 0; i < j->candidate_count; i++) {
        if (j->candidates[i].seat == seat)
            return &j->candidates[i];
    }
    return NULL;
}

/* "7: redis 0@1, truth 2@1; ..." of the first seats; returns how many seats there are. */
static uint64_t describe(const struct drift_job *j, struct slice seats, struct buf *b)
{
    uint64_t count = 0, seat;

    while (seats.at && seats.len) {
        const struct candidate *c =
            slice_to_u64(slice_cut(&seats, ','), &seat) ? candidate_of(j, seat) : NULL;

        if (c && count++ < TOLD_SEATS)
            buf_printf(b, "%s%u: redis %c@%u, truth %u@%u", count > 1 ? "; " : "", c->seat,
                       c->redis_state, c->redis_version, c->state, c->version);
    }
    return count;
}

static void mended(struct drift_job *j, struct slice seats)
{
    struct drift *d = j->drift;
    struct buf text;
    uint64_t count;

    buf_init(&text, 4096);
    count = describe(j, seats, &text);
    if (count > 0) {
        d->metrics.drift_mended_total += count;
        d->found += (int64_t)count;
        log_error("drift", "seats differed from the truth and are marked as it has them",
                  log_u64("event", j->event_id), log_u64("count", count),
                  log_slice("seats", buf_slice(&text)));
        if (d->o.changed)
            d->o.changed(d->o.ctx, j->event_id);
    }
    buf_free(&text);
    job_end(j);
}

static void mend_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct drift_job *j = container_of(request, struct drift_job, kv);
    struct slice words = status == STATUS_OK ? reply->str : SLICE_NONE;
    struct slice letter = words.at ? slice_cut(&words, ' ') : SLICE_NONE;
    uint64_t count;

    if (words.at)
        slice_cut(&words, ' ');
    if (slice_is(letter, "G"))
        mended(j, words);
    else if (slice_is(letter, "M") && slice_to_u64(words, &count))
        rebuild(j, count);
    else
        job_fail(j); /* also NOMIRROR: a rebuild has overtaken us */
}

static void mend(struct drift_job *j)
{
    struct drift *d = j->drift;
    struct slice args[2 + 5 * DRIFT_CANDIDATES], key = slice_str(j->key);
    char(*text)[12] = mem_alloc(sizeof(*text) * 5 * DRIFT_CANDIDATES), max[12];
    size_t count = 0;
    enum status status;

    args[count++] = slice_str(d->o.kv->run_id);
    args[count++] = slice_of(max, (size_t)snprintf(max, sizeof(max), "%d", DRIFT_MEND_MAX));
    for (size_t i = 0; i < j->candidate_count; i++) {
        const struct candidate *c = &j->candidates[i];
        const uint32_t values[5] = {c->seat, c->redis_state, c->redis_version, c->state,
                                    c->version};

        for (size_t v = 0; v < 5; v++) {
            int len = snprintf(text[count - 2], sizeof(*text), "%" PRIu32, values[v]);

            args[count] = slice_of(text[count - 2], (size_t)len);
            count++;
        }
    }
    j->kv.cb = mend_cb;
    status = kv_eval(d->o.kv, &j->kv, &d->mend.kv, &key, 1, args, count, REQUEST_MS);
    mem_free(text);
    if (status != STATUS_OK)
        job_fail(j);
}

/* ---- the second reading ---- */

/* Keeps the candidates that PostgreSQL tells again as before; both are in the order of seats. */
static void keep_confirmed(struct drift_job *j, const struct db_result *r)
{
    size_t kept = 0;

    for (size_t row = 0, i = 0; row < r->rows; row++) {
        while (i < j->candidate_count && j->candidates[i].seat < db_i64(r, row, 0))
            i++;
        if (i < j->candidate_count && j->candidates[i].seat == db_i64(r, row, 0) &&
            j->candidates[i].state == db_i64(r, row, 1) &&
            j->candidates[i].version == db_i64(r, row, 2))
            j->candidates[kept++] = j->candidates[i];
    }
    j->candidate_count = kept;
}

static void confirm_cb(struct db_request *request, enum status status, const struct db_result *r)
{
    struct drift_job *j = container_of(request, struct drift_job, db);

    if (status != STATUS_OK) {
        job_fail(j);
        return;
    }
    keep_confirmed(j, r);
    if (j->candidate_count > 0 && !j->drift->stopped)
        mend(j);
    else
        job_end(j);
}

static void confirm(struct drift_job *j)
{
    struct buf seats;
    enum status status;

    buf_init(&seats, 16 * DRIFT_CANDIDATES);
    db_array_begin(&seats);
    for (size_t i = 0; i < j->candidate_count; i++)
        db_array_i64(&seats, j->candidates[i].seat);
    db_array_end(&seats);
    const struct slice params[] = {slice_str(j->id), buf_slice(&seats)};
    j->state = JOB_BUSY;
    j->db.cb = confirm_cb;
    status = db_query(j->drift->o.db, &j->db, &read_candidates, params, REQUEST_MS);
    buf_free(&seats);
    if (status != STATUS_OK)
        job_fail(j);
}

/* ---- the first reading ---- */

static void add_candidate(struct drift_job *j, const struct candidate *c)
{
    if (j->candidate_count < DRIFT_CANDIDATES)
        j->candidates[j->candidate_count++] = *c;
}

/* Held is Redis' opinion: to PostgreSQL such a seat is free. */
static bool same(const struct candidate *c)
{
    return c->redis_version == c->version &&
           (c->redis_state == '0' + c->state || (c->redis_state == '1' && c->state == SEAT_FREE));
}

static uint32_t big_endian(const uint8_t at[4])
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* `versions` are hex digits. False when PostgreSQL has other seats in this slice than Redis. */
static bool compare_slice(struct drift_job *j, struct slice states, struct slice versions)
{
    if (states.len != j->slice_count || versions.len != 8 * states.len)
        return false;
    for (size_t i = 0; i < j->slice_count; i++) {
        uint8_t version[4];
        struct candidate c = {.seat = j->next + (uint32_t)i,
                              .redis_state = j->states[i],
                              .redis_version = big_endian(j->versions + 4 * i),
                              .state = (uint8_t)(states.at[i] - '0')};

        if (hex_decode(slice_of(versions.at + 8 * i, 8), version, 4) != 4)
            return false;
        c.version = big_endian(version);
        if (!same(&c))
            add_candidate(j, &c);
    }
    j->drift->metrics.drift_compared_total += j->slice_count;
    return true;
}

/* Another number of seats here and there: a layout is being replaced, or Redis has lost something.
 * The second time in a row it is the latter. */
static void misfit(struct drift_job *j)
{
    if (++j->misfits > 1) {
        rebuild(j, j->seat_count);
        return;
    }
    j->next = 0;
    j->candidate_count = 0;
    settle(j);
}

static void slice_cb(struct db_request *request, enum status status, const struct db_result *r)
{
    struct drift_job *j = container_of(request, struct drift_job, db);

    if (status != STATUS_OK || j->drift->stopped) {
        job_fail(j);
        return;
    }
    if (r->rows == 0) { /* the event is gone */
        job_end(j);
        return;
    }
    j->seat_count = (uint32_t)db_i64(r, 0, 0);
    if (j->redis_seats != j->seat_count ||
        !compare_slice(j, db_value(r, 0, 1), db_value(r, 0, 2))) {
        misfit(j);
        return;
    }
    j->next += (uint32_t)j->slice_count;
    if (j->next < j->seat_count && j->candidate_count < DRIFT_CANDIDATES)
        j->state = JOB_SLICE;
    else if (j->candidate_count > 0)
        settle(j);
    else
        job_end(j);
}

static void ask_truth(struct drift_job *j)
{
    char first[12], count[12];
    const struct slice params[] = {
        slice_str(j->id),
        slice_of(first, (size_t)snprintf(first, sizeof(first), "%u", j->next)),
        slice_of(count, (size_t)snprintf(count, sizeof(count), "%d", DRIFT_SLICE)),
    };

    j->db.cb = slice_cb;
    if (db_query(j->drift->o.db, &j->db, &read_slice, params, REQUEST_MS) != STATUS_OK)
        job_fail(j);
}

/* "G <now> <length> <states><versions>" */
static bool take_slice(struct drift_job *j, struct slice words)
{
    uint64_t length;

    slice_cut(&words, ' ');
    if (words.at)
        slice_cut(&words, ' ');
    if (!words.at || !slice_to_u64(slice_cut(&words, ' '), &length) || !words.at ||
        words.len % 5 != 0 || words.len / 5 > DRIFT_SLICE)
        return false;
    j->redis_seats = (size_t)length;
    j->slice_count = words.len / 5;
    memcpy(j->states, words.at, j->slice_count);
    memcpy(j->versions, words.at + j->slice_count, 4 * j->slice_count);
    return true;
}

static void read_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct drift_job *j = container_of(request, struct drift_job, kv);

    if (status == STATUS_INTERNAL && slice_starts_with(reply->str, SLICE_LITERAL("NOMIRROR")))
        job_end(j); /* nothing to compare; whoever needs the event rebuilds it */
    else if (status == STATUS_OK && reply->kind == KV_STR && !j->drift->stopped &&
             take_slice(j, reply->str))
        ask_truth(j);
    else
        job_fail(j);
}

static void read_redis(struct drift_job *j)
{
    struct drift *d = j->drift;
    struct slice key = slice_str(j->key);
    char first[12], count[12];
    const struct slice args[] = {
        slice_str(d->o.kv->run_id),
        slice_of(first, (size_t)snprintf(first, sizeof(first), "%u", j->next)),
        slice_of(count, (size_t)snprintf(count, sizeof(count), "%d", DRIFT_SLICE)),
    };

    j->state = JOB_BUSY;
    j->kv.cb = read_cb;
    if (kv_eval(d->o.kv, &j->kv, &d->read.kv, &key, 1, args, array_len(args), REQUEST_MS) !=
        STATUS_OK)
        job_fail(j);
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
        read_redis(j);
        return true;
    case JOB_SLICE: read_redis(j); return true;
    case JOB_SETTLING:
        if (loop_mono_ns(j->drift->o.loop) < j->settled_ns)
            return false;
        if (j->candidate_count > 0)
            confirm(j);
        else
            read_redis(j); /* after a misfit */
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
    d->asking = db_query(d->o.db, &d->listing, &list_events, NULL, REQUEST_MS) == STATUS_OK;
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
