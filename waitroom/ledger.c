#include "waitroom/ledger.h"

#include "engine/base/mem.h"
#include "engine/base/uuid.h"

#include <inttypes.h>
#include <stdio.h>

/* In the order of enum record_column; times as milliseconds, 0 for NULL. */
#define RECORD                                                                                     \
    "epoch, first_number, settled, watermark, number_high, "                                       \
    "(extract(epoch FROM created_at) * 1000)::bigint, salt, version, "                             \
    "rate_per_minute, max_active, claim_seconds, "                                                 \
    "coalesce((extract(epoch FROM prequeue_at) * 1000)::bigint, 0), "                              \
    "coalesce((extract(epoch FROM opens_at) * 1000)::bigint, 0), "                                 \
    "coalesce((extract(epoch FROM closes_at) * 1000)::bigint, 0), paused"

enum record_column {
    RECORD_EPOCH,
    RECORD_FIRST,
    RECORD_SETTLED,
    RECORD_WATERMARK,
    RECORD_HIGH,
    RECORD_BORN,
    RECORD_SALT,
    RECORD_VERSION,
    RECORD_RATE,
    RECORD_ACTIVE,
    RECORD_CLAIM,
    RECORD_PREQUEUE,
    RECORD_OPENS,
    RECORD_CLOSES,
    RECORD_PAUSED,
};

static const struct db_statement find_statement = {
    .name = "queue_find",
    .text = "SELECT " RECORD " FROM queue WHERE event_id = $1::bigint",
    .params = 1,
    .read_only = true};

static const struct db_statement epoch_statement = {
    .name = "queue_new_epoch",
    .text = "UPDATE queue SET epoch = epoch + 1 WHERE event_id = $1::bigint RETURNING " RECORD,
    .params = 1};

static const struct db_statement reserve_statement = {
    .name = "queue_reserve",
    .text = "UPDATE queue SET number_high = greatest(number_high, $3::bigint) "
            "WHERE event_id = $1::bigint AND epoch = $2::integer "
            "RETURNING " RECORD,
    .params = 3};

static const struct db_statement mark_statement = {
    .name = "queue_mark",
    .text = "UPDATE queue SET watermark = greatest(watermark, $3::bigint), "
            "settled = greatest(settled, $4::bigint) "
            "WHERE event_id = $1::bigint AND epoch = $2::integer "
            "RETURNING " RECORD,
    .params = 4};

/* A new queue starts with epoch 0, so that its first line has epoch 1. Absent parameters are NULL;
 * times come with a flag of their own, because NULL says that there shall be none. */
static const struct db_statement put_statement = {
    .name = "queue_put",
    .text = "WITH given (prequeue_at, opens_at, closes_at) AS (SELECT "
            "to_timestamp(nullif($6::bigint, 0) / 1000.0), "
            "to_timestamp(nullif($8::bigint, 0) / 1000.0), "
            "to_timestamp(nullif($10::bigint, 0) / 1000.0)) "
            "INSERT INTO queue AS q (event_id, epoch, rate_per_minute, max_active, claim_seconds, "
            "prequeue_at, opens_at, closes_at) "
            "SELECT $1::bigint, 0, coalesce($2::integer, 600), coalesce($3::integer, 500), "
            "coalesce($4::integer, 60), prequeue_at, opens_at, closes_at FROM given "
            "ON CONFLICT (event_id) DO UPDATE SET version = q.version + 1, "
            "rate_per_minute = coalesce($2::integer, q.rate_per_minute), "
            "max_active = coalesce($3::integer, q.max_active), "
            "claim_seconds = coalesce($4::integer, q.claim_seconds), prequeue_at = "
            "CASE WHEN $5::boolean THEN excluded.prequeue_at ELSE q.prequeue_at END, opens_at = "
            "CASE WHEN $7::boolean THEN excluded.opens_at ELSE q.opens_at END, closes_at = "
            "CASE WHEN $9::boolean THEN excluded.closes_at ELSE q.closes_at END "
            "RETURNING " RECORD,
    .params = 10};

#define CHANGE   "UPDATE queue SET version = version + 1, "
#define OF_EVENT " WHERE event_id = $1::bigint "

static const struct db_statement act_statements[] = {
    [LEDGER_PAUSE] = {.name = "queue_pause",
                      .text = CHANGE "paused = true" OF_EVENT "RETURNING " RECORD,
                      .params = 1},
    [LEDGER_RESUME] = {.name = "queue_resume",
                       .text = CHANGE "paused = false" OF_EVENT "RETURNING " RECORD,
                       .params = 1},
    [LEDGER_OPEN] = {.name = "queue_open",
                     .text = CHANGE
                     "paused = false, opens_at = least(opens_at, now()), "
                     "prequeue_at = CASE WHEN prequeue_at <= now() THEN prequeue_at END, "
                     "closes_at = CASE WHEN closes_at > now() THEN closes_at END" OF_EVENT
                     "RETURNING " RECORD,
                     .params = 1},
    [LEDGER_CLOSE] = {.name = "queue_close",
                      .text = CHANGE
                      "closes_at = least(closes_at, now()), "
                      "prequeue_at = CASE WHEN prequeue_at <= now() THEN prequeue_at END, "
                      "opens_at = CASE WHEN opens_at <= now() THEN opens_at END" OF_EVENT
                      "RETURNING " RECORD,
                      .params = 1},
    [LEDGER_RESET] = {.name = "queue_reset",
                      .text = CHANGE "epoch = epoch + 1, first_number = number_high, "
                                     "settled = number_high, watermark = number_high, "
                                     "salt = gen_random_uuid()" OF_EVENT "RETURNING " RECORD,
                      .params = 1},
};

/* Passes whose session ended with a booking and that might still be shown: a pass lives ten
 * minutes. Once per rebuilt line, so it may scan. */
static const struct db_statement booked_statement = {
    .name = "queue_booked",
    .text = "SELECT session FROM booking WHERE event_id = $1::bigint AND session <> '' "
            "AND state IN ('confirmed', 'cancelled', 'refunded') "
            "AND created_at > clock_timestamp() - interval '11 minutes'",
    .params = 1,
    .read_only = true};

/* ---- calls ---- */

static void call_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct ledger_call *call = container_of(request, struct ledger_call, db);

    if (status == STATUS_OK && result->rows > 0) {
        call->found = true;
        call->read(call, result);
    } else if (status == STATUS_INVALID && strcmp(request->error.sqlstate, "23503") == 0) {
        call->no_event = true;
        status = STATUS_OK;
    }
    call->cb(call, status);
}

static enum status submit(struct db *db, struct ledger_call *call,
                          const struct db_statement *statement, const struct slice *params,
                          void (*read)(struct ledger_call *call, const struct db_result *result))
{
    call->read = read;
    call->db.cb = call_cb;
    call->found = call->no_event = false;
    return db_query(db, &call->db, statement, params, LEDGER_DEADLINE_MS);
}

static uint64_t u64_at(const struct db_result *r, size_t column)
{
    return (uint64_t)db_i64(r, 0, column);
}

static void read_record(struct ledger_call *call, const struct db_result *r)
{
    struct line_record *record = &call->record;
    struct line_settings *s = &record->settings;
    struct uuid salt;

    record->epoch = (uint32_t)u64_at(r, RECORD_EPOCH);
    record->first = u64_at(r, RECORD_FIRST);
    record->settled = u64_at(r, RECORD_SETTLED);
    record->watermark = u64_at(r, RECORD_WATERMARK);
    record->number_high = u64_at(r, RECORD_HIGH);
    record->born_ms = db_i64(r, 0, RECORD_BORN);
    if (uuid_parse(db_value(r, 0, RECORD_SALT), &salt))
        memcpy(record->salt, salt.bytes, sizeof(record->salt));
    s->version = u64_at(r, RECORD_VERSION);
    s->rate_per_minute = db_i64(r, 0, RECORD_RATE);
    s->max_active = db_i64(r, 0, RECORD_ACTIVE);
    s->claim_ms = db_i64(r, 0, RECORD_CLAIM) * 1000;
    s->prequeue_ms = db_i64(r, 0, RECORD_PREQUEUE);
    s->opens_ms = db_i64(r, 0, RECORD_OPENS);
    s->closes_ms = db_i64(r, 0, RECORD_CLOSES);
    s->paused = db_bool(r, 0, RECORD_PAUSED);
}

static void read_sessions(struct ledger_call *call, const struct db_result *r)
{
    call->sessions = mem_alloc(r->rows * sizeof(*call->sessions));
    for (size_t i = 0; i < r->rows; i++) {
        if (slice_to_str(db_value(r, i, 0), call->sessions[call->session_count], LINE_JTI_SIZE))
            call->session_count++;
    }
}

#define PARAMS_MAX 10

struct params {
    char text[PARAMS_MAX][24];
    struct slice slices[PARAMS_MAX];
    size_t count;
};

static void add_int(struct params *p, int64_t value)
{
    int len = snprintf(p->text[p->count], sizeof(p->text[0]), "%" PRId64, value);

    p->slices[p->count] = slice_of(p->text[p->count], (size_t)len);
    p->count++;
}

static void add_optional(struct params *p, bool given, int64_t value)
{
    if (given)
        add_int(p, value);
    else
        p->slices[p->count++] = SLICE_NONE;
}

static void add_time(struct params *p, bool given, int64_t ms)
{
    p->slices[p->count++] = given ? SLICE_LITERAL("t") : SLICE_LITERAL("f");
    add_int(p, given ? ms : 0);
}

enum status ledger_find(struct db *db, struct ledger_call *c, uint64_t event_id)
{
    struct params p = {.count = 0};

    add_int(&p, (int64_t)event_id);
    return submit(db, c, &find_statement, p.slices, read_record);
}

enum status ledger_new_epoch(struct db *db, struct ledger_call *c, uint64_t event_id)
{
    struct params p = {.count = 0};

    add_int(&p, (int64_t)event_id);
    return submit(db, c, &epoch_statement, p.slices, read_record);
}

enum status ledger_reserve(struct db *db, struct ledger_call *c, uint64_t event_id, uint32_t epoch,
                           uint64_t high)
{
    struct params p = {.count = 0};

    add_int(&p, (int64_t)event_id);
    add_int(&p, epoch);
    add_int(&p, (int64_t)high);
    return submit(db, c, &reserve_statement, p.slices, read_record);
}

enum status ledger_mark(struct db *db, struct ledger_call *c, uint64_t event_id, uint32_t epoch,
                        uint64_t watermark, uint64_t settled)
{
    struct params p = {.count = 0};

    add_int(&p, (int64_t)event_id);
    add_int(&p, epoch);
    add_int(&p, (int64_t)watermark);
    add_int(&p, (int64_t)settled);
    return submit(db, c, &mark_statement, p.slices, read_record);
}

enum status ledger_put(struct db *db, struct ledger_call *c, uint64_t event_id,
                       const struct ledger_change *change)
{
    struct params p = {.count = 0};

    add_int(&p, (int64_t)event_id);
    add_optional(&p, change->rate_given, change->rate_per_minute);
    add_optional(&p, change->active_given, change->max_active);
    add_optional(&p, change->claim_given, change->claim_seconds);
    add_time(&p, change->prequeue_given, change->prequeue_ms);
    add_time(&p, change->opens_given, change->opens_ms);
    add_time(&p, change->closes_given, change->closes_ms);
    return submit(db, c, &put_statement, p.slices, read_record);
}

enum status ledger_act(struct db *db, struct ledger_call *c, uint64_t event_id, enum ledger_act act)
{
    struct params p = {.count = 0};

    add_int(&p, (int64_t)event_id);
    return submit(db, c, &act_statements[act], p.slices, read_record);
}

enum status ledger_booked(struct db *db, struct ledger_call *c, uint64_t event_id)
{
    struct params p = {.count = 0};

    c->sessions = NULL;
    c->session_count = 0;
    add_int(&p, (int64_t)event_id);
    return submit(db, c, &booked_statement, p.slices, read_sessions);
}
