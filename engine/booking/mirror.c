#include "engine/booking/mirror.h"

#include "engine/base/encode.h"
#include "engine/base/log.h"
#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/booking/booking_lua.h"
#include "engine/booking/scripts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/*   begin --V--------------------------> done     begin: mirror_begin.lua, V: it is valid already
 *     | \--B--> pause (25 ms) --> begin           B: another process is at it
 *     G
 *   read (PostgreSQL: epoch + 1, seats)
 *     |
 *   load --S--> begin                             S: another rebuild has begun since
 *     G
 *    done */

#define MIRROR_MS       5000 /* for one rebuild, waiting for others included */
#define MIRROR_PAUSE_MS 25

struct mirror {
    struct loop *loop;
    struct kv *kv;
    struct db *db;
    struct script begin, load;
    struct map jobs; /* by event id */
    void (*on_rebuilt)(void *ctx, uint64_t event_id);
    void *on_rebuilt_ctx;
    uint64_t rebuilds;
};

struct mirror_job {
    struct mirror *mirror;
    uint64_t event_id;
    char key[32], id[24], token[33];
    bool force;
    int64_t deadline_ns;
    struct list waits;
    struct kv_request kv;
    struct db_request db;
    struct timer pause;
};

/* Everything a mirror is made of, in one snapshot taken after mirror_begin. */
const struct db_statement mirror_truth_statement = {
    .name = "mirror_read_truth",
    .text = "WITH raised AS (UPDATE event SET epoch = greatest(epoch, $2::int) + 1 WHERE event_id "
            "= $1 RETURNING epoch, seat_count)"
            " SELECT raised.epoch, raised.seat_count, s.state, s.versions FROM raised,"
            " (SELECT string_agg(status::text, '' ORDER BY seat) AS state,"
            " string_agg(lpad(to_hex(version), 8, '0'), '' ORDER BY seat) AS versions"
            " FROM event_seat WHERE event_id = $1) s",
    .params = 2,
};

struct mirror *mirror_new(struct loop *l, struct kv *kv, struct db *db)
{
    struct mirror *m = mem_alloc(sizeof(*m));

    m->loop = l;
    m->kv = kv;
    m->db = db;
    map_init(&m->jobs);
    script_init(&m->begin, "mirror_begin",
                (const char *const[SCRIPT_PARTS_MAX]){lua_common, lua_mirror_begin});
    script_init(&m->load, "mirror_load",
                (const char *const[SCRIPT_PARTS_MAX]){lua_common, lua_ending, lua_mirror_load});
    return m;
}

void mirror_on_rebuilt(struct mirror *m, void (*fn)(void *ctx, uint64_t event_id), void *ctx)
{
    m->on_rebuilt = fn;
    m->on_rebuilt_ctx = ctx;
}

uint64_t mirror_rebuilds(const struct mirror *m)
{
    return m->rebuilds;
}

static void pause_closed_cb(struct timer *t)
{
    mem_free(container_of(t, struct mirror_job, pause));
}

static void finish(struct mirror_job *job, enum status status)
{
    struct list *link;

    map_remove(&job->mirror->jobs, slice_str(job->id));
    if (status != STATUS_OK && status != STATUS_CANCELED)
        log_warn("mirror", "rebuild failed", log_u64("event", job->event_id), log_status(status));
    while ((link = list_pop_front(&job->waits))) {
        struct mirror_wait *wait = list_entry(link, struct mirror_wait, link);

        wait->cb(wait, status);
    }
    timer_close(&job->pause, pause_closed_cb);
}

void mirror_stop(struct mirror *m)
{
    struct mirror_job *job;
    size_t cursor = 0;

    while ((job = map_next(&m->jobs, &cursor))) {
        if (timer_active(&job->pause))
            finish(job, STATUS_CANCELED);
    }
}

void mirror_free(struct mirror *m)
{
    if (!m)
        return;
    assert(m->jobs.len == 0);
    map_free(&m->jobs);
    script_free(&m->begin);
    script_free(&m->load);
    mem_free(m);
}

static unsigned left_ms(const struct mirror_job *job)
{
    int64_t left = (job->deadline_ns - loop_mono_ns(job->mirror->loop)) / 1000000;

    return left > 0 ? (unsigned)left : 0;
}

static void begin(struct mirror_job *job);

static void pause_cb(struct timer *t)
{
    begin(container_of(t, struct mirror_job, pause));
}

static void begin_later(struct mirror_job *job)
{
    timer_start(&job->pause, MIRROR_PAUSE_MS, 0);
}

static void load_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct mirror_job *job = container_of(request, struct mirror_job, kv);
    struct mirror *m = job->mirror;

    if (status != STATUS_OK) {
        if (status == STATUS_INTERNAL)
            log_error("mirror", "mirror_load refused", log_slice("why", reply->str));
        finish(job, status);
    } else if (reply->str.len && reply->str.at[0] == 'S') {
        begin_later(job);
    } else {
        m->rebuilds++;
        log_info("mirror", "rebuilt", log_u64("event", job->event_id));
        if (m->on_rebuilt)
            m->on_rebuilt(m->on_rebuilt_ctx, job->event_id);
        finish(job, STATUS_OK);
    }
}

/* The answer of PostgreSQL becomes the arguments of mirror_load. */
static void load(struct mirror_job *job, const struct db_result *r)
{
    struct mirror *m = job->mirror;
    struct slice state = db_value(r, 0, 2), hex = db_value(r, 0, 3), key = slice_str(job->key);
    size_t count = (size_t)db_i64(r, 0, 1);
    uint8_t *versions = mem_alloc(count * 4 + 1);
    enum status status = STATUS_INTERNAL;

    if (state.len == count && hex.len == 8 * count &&
        hex_decode(hex, versions, 4 * count) == (long)(4 * count)) {
        struct slice args[] = {slice_str(m->kv->run_id), slice_str(job->token), db_value(r, 0, 0),
                               state, slice_of(versions, 4 * count)};

        job->kv.cb = load_cb;
        status =
            kv_eval(m->kv, &job->kv, &m->load.kv, &key, 1, args, array_len(args), left_ms(job));
    } else {
        log_error("mirror", "the seats in PostgreSQL are not complete",
                  log_u64("event", job->event_id), log_u64("seats", state.len));
    }
    mem_free(versions);
    if (status != STATUS_OK)
        finish(job, status);
}

static void read_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct mirror_job *job = container_of(request, struct mirror_job, db);

    if (status == STATUS_OK && result->rows == 0)
        status = STATUS_NOT_FOUND;
    if (status == STATUS_OK)
        load(job, result);
    else
        finish(job, status);
}

static void begin_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct mirror_job *job = container_of(request, struct mirror_job, kv);
    struct slice words = status == STATUS_OK ? reply->str : SLICE_NONE;
    struct slice params[2] = {slice_str(job->id)};
    char what = status == STATUS_OK && reply->str.len ? reply->str.at[0] : '?';

    if (status == STATUS_OK && what == 'G') {
        slice_cut(&words, ' ');
        slice_cut(&words, ' ');
        params[1] = words;
        job->db.cb = read_cb;
        status = db_query(job->mirror->db, &job->db, &mirror_truth_statement, params, left_ms(job));
        if (status != STATUS_OK)
            finish(job, status);
    } else if (status == STATUS_OK && what == 'B') {
        begin_later(job);
    } else {
        finish(job, status);
    }
}

static void begin(struct mirror_job *job)
{
    struct mirror *m = job->mirror;
    struct slice key = slice_str(job->key);
    struct slice args[3];
    uint8_t secret[16];
    enum status status = STATUS_TIMEOUT;

    rng_secret(secret, sizeof(secret));
    hex_encode(secret, sizeof(secret), job->token);
    args[0] = slice_str(m->kv->run_id);
    args[1] = slice_str(job->token);
    args[2] = slice_str(job->force ? "1" : "0");
    job->kv.cb = begin_cb;
    if (left_ms(job) > 0)
        status =
            kv_eval(m->kv, &job->kv, &m->begin.kv, &key, 1, args, array_len(args), left_ms(job));
    if (status != STATUS_OK)
        finish(job, status);
}

enum status mirror_repair(struct mirror *m, uint64_t event_id, bool force, struct mirror_wait *wait)
{
    struct mirror_job *job;
    char id[24];

    snprintf(id, sizeof(id), "%" PRIu64, event_id);
    job = map_get(&m->jobs, slice_str(id));
    if (!job) {
        job = mem_alloc(sizeof(*job));
        job->mirror = m;
        job->event_id = event_id;
        memcpy(job->id, id, sizeof(id));
        snprintf(job->key, sizeof(job->key), "{e%s}", id);
        job->force = force;
        job->deadline_ns = loop_mono_ns(m->loop) + MIRROR_MS * 1000000LL;
        list_init(&job->waits);
        timer_init(m->loop, &job->pause, pause_cb);
        map_put(&m->jobs, slice_str(job->id), job);
        timer_start(&job->pause, 0,
                    0); /* begins in the next turn: no callback comes inside a submit */
    }
    list_push_back(&job->waits, &wait->link);
    return STATUS_OK;
}
