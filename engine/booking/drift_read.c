#include "engine/base/buf.h"
#include "engine/base/encode.h"
#include "engine/booking/drift_job.h"

#include <stdio.h>

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
        drift_job_rebuild(j, j->seat_count);
        return;
    }
    j->next = 0;
    j->candidate_count = 0;
    drift_job_settle(j);
}

static void slice_cb(struct db_request *request, enum status status, const struct db_result *r)
{
    struct drift_job *j = container_of(request, struct drift_job, db);

    if (status != STATUS_OK || j->drift->stopped) {
        drift_job_fail(j);
        return;
    }
    if (r->rows == 0) { /* the event is gone */
        drift_job_end(j);
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
        drift_job_settle(j);
    else
        drift_job_end(j);
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
    if (db_query(j->drift->o.db, &j->db, &read_slice, params, DRIFT_REQUEST_MS) != STATUS_OK)
        drift_job_fail(j);
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
        drift_job_end(j); /* nothing to compare; whoever needs the event rebuilds it */
    else if (status == STATUS_OK && reply->kind == KV_STR && !j->drift->stopped &&
             take_slice(j, reply->str))
        ask_truth(j);
    else
        drift_job_fail(j);
}

void drift_job_read(struct drift_job *j)
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
    if (kv_eval(d->o.kv, &j->kv, &d->read.kv, &key, 1, args, array_len(args), DRIFT_REQUEST_MS) !=
        STATUS_OK)
        drift_job_fail(j);
}
