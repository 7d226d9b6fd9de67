#include "engine/base/buf.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/booking/drift_job.h"

#include <inttypes.h>
#include <stdio.h>

#define TOLD_SEATS 20 /* named in the log */

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

/* ---- rebuilding ---- */

static void rebuilt_cb(struct mirror_wait *wait, enum status status)
{
    struct drift_job *j = container_of(wait, struct drift_job, rebuilt);

    if (status == STATUS_OK)
        j->drift->metrics.drift_rebuilds_total++;
    if (status == STATUS_OK || j->drift->stopped)
        drift_job_end(j);
    else
        drift_job_fail(j);
}

void drift_job_rebuild(struct drift_job *j, uint64_t seats)
{
    j->drift->found += (int64_t)seats;
    log_error("drift", "too many seats differ from the truth, rebuilding",
              log_u64("event", j->event_id), log_u64("seats", seats));
    j->rebuilt.cb = rebuilt_cb;
    if (mirror_repair(j->drift->o.mirror, j->event_id, true, &j->rebuilt) != STATUS_OK)
        drift_job_fail(j);
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
    drift_job_end(j);
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
        drift_job_rebuild(j, count);
    else
        drift_job_fail(j); /* also NOMIRROR: a rebuild has overtaken us */
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
    status = kv_eval(d->o.kv, &j->kv, &d->mend.kv, &key, 1, args, count, DRIFT_REQUEST_MS);
    mem_free(text);
    if (status != STATUS_OK)
        drift_job_fail(j);
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
        drift_job_fail(j);
        return;
    }
    keep_confirmed(j, r);
    if (j->candidate_count > 0 && !j->drift->stopped)
        mend(j);
    else
        drift_job_end(j);
}

void drift_job_confirm(struct drift_job *j)
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
    status = db_query(j->drift->o.db, &j->db, &read_candidates, params, DRIFT_REQUEST_MS);
    buf_free(&seats);
    if (status != STATUS_OK)
        drift_job_fail(j);
}
