#include "engine/booking/outbox.h"

#include "engine/base/log.h"
#include "engine/booking/news.h"

#include <stdlib.h>

/* A cycle costs two statements and a round trip of Kafka whether it carries one row or 512, so it
 * is not woken by a sale but comes every REST_MS: the picture in the browsers does not come from
 * here.
 */
enum { REST_MS = 20, REST_FAILED_MS = 250, DB_DEADLINE_MS = 5000 };
/* A broker that has just started may not know a topic yet. */
#define MISSING_NS INT64_C(30000000000)

const struct db_statement outbox_fetch_statement = {
    .name = "outbox_fetch",
    .text = "SELECT * FROM outbox_fetch($1::smallint[])",
    .params = 1,
    .read_only = true,
};

/* $1 shards and $2 ids of what is done; $3 shards, $4 ids, $5 reasons of what is poison. */
const struct db_statement outbox_settle_statement = {
    .name = "outbox_settle",
    .text = "SELECT outbox_settle($1::smallint[], $2::bigint[], $3::smallint[], $4::bigint[], "
            "$5::text[])",
    .params = 5,
};

enum row_fate { ROW_UNDECIDED, ROW_DONE, ROW_RETRY, ROW_REFUSED, ROW_PARK };

struct outbox_row {
    struct outbox *outbox;
    struct bus_send bus;
    struct hold_call call;
    uint64_t id;
    unsigned shard;
    enum row_fate fate;
    const char *why;
    struct slice topic, key, type, payload, trace; /* in `text` */
    char *text;                                    /* owned */
};

static void fetch_rows(struct outbox *o);
static void send_rows(struct outbox *o);
static void settle_rows(struct outbox *o);

/* ---- resting ---- */

static void rest(struct outbox *o, unsigned ms)
{
    o->state = OUTBOX_RESTING;
    timer_start(&o->timer, o->stopping ? 0 : ms, 0);
}

static void rest_failed(struct outbox *o)
{
    o->failures++;
    rest(o, REST_FAILED_MS);
}

static void stop_closed(struct timer *t)
{
    struct outbox *o = container_of(t, struct outbox, timer);

    o->stopped(o, o->ctx);
}

static void rested_cb(struct timer *t)
{
    struct outbox *o = container_of(t, struct outbox, timer);

    if (o->stopping)
        timer_close(&o->timer, stop_closed);
    else
        fetch_rows(o);
}

/* ---- rows ---- */

static void rows_free(struct outbox *o)
{
    for (size_t i = 0; i < o->row_count; i++)
        mem_free(o->rows[i].text);
    mem_free(o->rows);
    o->rows = NULL;
    o->row_count = 0;
}

/* Copies the text columns into one block that lives as long as the row. */
static void row_copy_text(struct outbox_row *row, const struct db_result *r, size_t i)
{
    static const size_t columns[] = {3, 4, 5, 6, 11};
    struct slice *const to[] = {&row->topic, &row->key, &row->type, &row->payload, &row->trace};
    size_t size = 0;

    for (size_t c = 0; c < array_len(columns); c++)
        size += db_value(r, i, columns[c]).len;
    char *at = row->text = mem_alloc(size + 1);
    for (size_t c = 0; c < array_len(columns); c++) {
        struct slice value = db_value(r, i, columns[c]);
        if (value.len)
            memcpy(at, value.at, value.len);
        *to[c] = slice_of(at, value.len);
        at += value.len;
    }
}

/* "{1,2,3}" into numbers; false when it is not that or too long. */
static bool read_int_array(struct slice text, uint32_t *ret_values, size_t max, size_t *ret_count)
{
    *ret_count = 0;
    if (text.len < 2 || text.at[0] != '{' || text.at[text.len - 1] != '}')
        return false;
    if (text.len == 2)
        return true;
    struct slice rest = slice_of(text.at + 1, text.len - 2);
    while (rest.at) {
        uint64_t value;
        if (*ret_count == max || !slice_to_u64(slice_cut(&rest, ','), &value) || value > UINT32_MAX)
            return false;
        ret_values[(*ret_count)++] = (uint32_t)value;
    }
    return true;
}

static void row_park(struct outbox_row *row, const char *why)
{
    row->fate = ROW_PARK;
    row->why = why;
}

static void row_read_mark(struct outbox_row *row, const struct db_result *r, size_t i)
{
    struct hold *h = &row->call.hold;
    size_t versions;

    h->event_id = (uint64_t)db_i64(r, i, 2);
    if (!read_int_array(db_value(r, i, 7), h->seats, HOLD_SEATS_MAX, &h->seat_count) ||
        !read_int_array(db_value(r, i, 8), h->versions, HOLD_SEATS_MAX, &versions) ||
        versions != h->seat_count)
        row_park(row, "seats and versions cannot be read");
    else if (!slice_to_str(db_value(r, i, 9), h->id, sizeof(h->id)) ||
             !slice_to_str(db_value(r, i, 10), h->session, sizeof(h->session)))
        row_park(row, "hold or session cannot be read");
}

static void row_read(struct outbox *o, struct outbox_row *row, const struct db_result *r, size_t i)
{
    row->outbox = o;
    row->id = (uint64_t)db_i64(r, i, 0);
    row->shard = (unsigned)db_i64(r, i, 1);
    row_copy_text(row, r, i);
    row_read_mark(row, r, i);
    if (i == 0)
        o->oldest_ms = db_i64(r, i, 12);
}

/* ---- fetching ---- */

static void mark_rows(struct outbox *o);

/* Once its rows are parked a topic is forgotten: those that the operator gives back find patience
 * again. */
static void missing_forget(struct outbox *o)
{
    for (size_t i = 0; i < array_len(o->missing); i++) {
        if (!o->missing[i].wanted)
            o->missing[i].topic[0] = 0;
        o->missing[i].wanted = false;
    }
}

static void fetch_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct outbox *o = container_of(request, struct outbox, request);

    if (status != STATUS_OK || o->stopping) {
        rest_failed(o);
        return;
    }
    o->oldest_ms = 0;
    missing_forget(o);
    if (result->rows == 0) {
        rest(o, REST_MS);
        return;
    }
    o->row_count = result->rows < o->batch ? result->rows : o->batch;
    o->rows = mem_alloc(o->row_count * sizeof(*o->rows));
    for (size_t i = 0; i < o->row_count; i++)
        row_read(o, &o->rows[i], result, i);
    mark_rows(o);
}

static void fetch_rows(struct outbox *o)
{
    struct buf b;

    if (!o->shards->held) {
        rest(o, REST_FAILED_MS);
        return;
    }
    buf_init(&b, 1024);
    db_array_begin(&b);
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        if (o->shards->held >> i & 1)
            db_array_i64(&b, i);
    db_array_end(&b);
    o->state = OUTBOX_FETCHING;
    o->request.cb = fetch_cb;
    if (db_query(o->db, &o->request, &outbox_fetch_statement, (struct slice[]){buf_slice(&b)},
                 DB_DEADLINE_MS) != STATUS_OK)
        rest_failed(o);
    buf_free(&b);
}

/* ---- marking ---- */

static void mark_settled(struct outbox *o)
{
    if (--o->waiting == 0)
        send_rows(o);
}

static void mark_cb(struct hold_call *call, enum status status)
{
    struct outbox_row *row = container_of(call, struct outbox_row, call);

    if (status == STATUS_INVALID)
        row_park(row, "the seats could not be marked");
    else if (status != STATUS_OK)
        row->fate = ROW_RETRY;
    mark_settled(row->outbox);
}

/* What a row means for the seats in Redis. A sale's versions are those that were held, as the
 * script wants them. */
static enum status mark_row(struct outbox *o, struct outbox_row *row)
{
    row->call.cb = mark_cb;
    if (slice_is(row->type, "booking.confirmed"))
        return seat_store_sold(o->seats, &row->call);
    if (slice_is(row->type, "seat.blocked"))
        return seat_store_set(o->seats, &row->call, SEAT_BLOCKED, "block");
    if (slice_is(row->type, "seat.unblocked"))
        return seat_store_set(o->seats, &row->call, SEAT_FREE, "block");
    return seat_store_set(o->seats, &row->call, SEAT_FREE, "refund");
}

/* `waiting` starts at one, so that the last of the callbacks, or this loop, goes on, and never
 * twice. */
static void mark_rows(struct outbox *o)
{
    o->state = OUTBOX_MARKING;
    o->waiting = 1;
    for (size_t i = 0; i < o->row_count; i++) {
        struct outbox_row *row = &o->rows[i];
        if (row->fate != ROW_UNDECIDED || row->call.hold.seat_count == 0)
            continue;
        if (slice_is(row->type, "booking.confirmed") &&
            seat_store_has_sold(o->seats, &row->call.hold))
            continue;
        if (mark_row(o, row) == STATUS_OK)
            o->waiting++;
        else
            row->fate = ROW_RETRY;
    }
    mark_settled(o);
}

/* ---- sending ---- */

static void send_settled(struct outbox *o)
{
    if (--o->waiting == 0)
        settle_rows(o);
}

static struct outbox_missing *missing_find(struct outbox *o, struct slice topic)
{
    for (size_t i = 0; i < array_len(o->missing); i++)
        if (topic.len && slice_is(topic, o->missing[i].topic))
            return &o->missing[i];
    return NULL;
}

/* NULL: no room to remember another. */
static struct outbox_missing *missing_make(struct outbox *o, struct slice topic)
{
    struct outbox_missing *m = NULL;

    for (size_t i = 0; i < array_len(o->missing); i++)
        if (!o->missing[i].topic[0])
            m = &o->missing[i];
    if (!m || !slice_to_str(topic, m->topic, sizeof(m->topic)))
        return NULL;
    m->since_ns = loop_mono_ns(o->loop);
    log_error("outbox", "a topic is not there: its rows wait 30 s, then they are parked",
              log_str("topic", m->topic));
    return m;
}

static void row_missing(struct outbox_row *row)
{
    struct outbox *o = row->outbox;
    struct outbox_missing *m = missing_find(o, row->topic);

    m = m ? m : missing_make(o, row->topic);
    if (m)
        m->wanted = true;
    if (m && loop_mono_ns(o->loop) - m->since_ns < MISSING_NS)
        row->fate = ROW_RETRY;
    else
        row_park(row, "there is no such topic");
}

static void row_sent(struct outbox_row *row)
{
    struct outbox_missing *m = missing_find(row->outbox, row->topic);

    if (m)
        *m = (struct outbox_missing){0};
    row->fate = ROW_DONE;
    row->outbox->sent++;
}

/* Kafka refuses what it was sent at once as a whole: which row is to blame shows when each is sent
 * alone. */
static void row_refused(struct outbox_row *row)
{
    if (row->outbox->row_count == 1)
        row_park(row, "refused by kafka");
    else
        row->fate = ROW_REFUSED;
}

static void send_cb(struct bus_send *send, enum status status)
{
    struct outbox_row *row = container_of(send, struct outbox_row, bus);

    switch (status) {
    case STATUS_OK: row_sent(row); break;
    case STATUS_INVALID: row_refused(row); break;
    case STATUS_NOT_FOUND: row_missing(row); break;
    default: row->fate = ROW_RETRY;
    }
    send_settled(row->outbox);
}

static enum status send_row(struct outbox *o, struct outbox_row *row)
{
    struct news_headers headers;
    char id[32];

    snprintf(id, sizeof(id), "outbox:%llu", (unsigned long long)row->id);
    news_headers_make(&headers, slice_str(id), row->type, loop_wall_ms(o->loop), row->trace);
    row->bus.cb = send_cb;
    char topic[64];
    if (!slice_to_str(row->topic, topic, sizeof(topic)))
        return STATUS_INVALID;
    return bus_send(o->bus, &row->bus, topic, row->key, row->payload, headers.list, headers.count);
}

/* Stays in the outbox. */
static bool is_left(const struct outbox_row *row)
{
    return row->fate == ROW_RETRY || row->fate == ROW_REFUSED;
}

static bool same_key(const struct outbox_row *a, const struct outbox_row *b)
{
    return slice_eq(a->topic, b->topic) && slice_eq(a->key, b->key);
}

/* An earlier row of the same key has to be sent again: this one must not overtake it. */
static bool waits_behind(const struct outbox *o, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (is_left(&o->rows[j]) && same_key(&o->rows[j], &o->rows[i]))
            return true;
    return false;
}

/* What arrived although an earlier row of its key did not is sent again behind it. */
static void settle_order(struct outbox *o)
{
    bool left = false;

    for (size_t i = 0; i < o->row_count; i++) {
        if (left && o->rows[i].fate == ROW_DONE && waits_behind(o, i))
            o->rows[i].fate = ROW_RETRY;
        left |= is_left(&o->rows[i]);
    }
}

static void send_rows(struct outbox *o)
{
    o->state = OUTBOX_SENDING;
    o->waiting = 1;
    for (size_t i = 0; i < o->row_count; i++) {
        struct outbox_row *row = &o->rows[i];
        if (row->fate != ROW_UNDECIDED)
            continue;
        if (waits_behind(o, i)) {
            row->fate = ROW_RETRY;
            continue;
        }
        if (row->topic.len == 0) { /* only a mark: nothing to tell */
            row->fate = ROW_DONE;
            continue;
        }
        enum status status = send_row(o, row);
        if (status == STATUS_OK)
            o->waiting++;
        else if (status == STATUS_INVALID)
            row_park(row, "refused before it was sent");
        else
            row->fate = ROW_RETRY;
    }
    send_settled(o);
}

/* ---- settling ---- */

static void settle_cb(struct db_request *request, enum status status,
                      const struct db_result *result)
{
    struct outbox *o = container_of(request, struct outbox, request);
    bool left = false, refused = false, full = o->row_count >= OUTBOX_SHARD_BATCH;

    (void)result;
    for (size_t i = 0; i < o->row_count; i++) {
        left |= is_left(&o->rows[i]);
        refused |= o->rows[i].fate == ROW_REFUSED;
    }
    rows_free(o);
    o->batch = refused ? 1 : o->batch * 2 > OUTBOX_BATCH ? OUTBOX_BATCH : o->batch * 2;
    if (status != STATUS_OK || left)
        rest_failed(o);
    else
        rest(o, full ? 0 : REST_MS);
}

static void tell_parked(struct outbox *o, const struct outbox_row *row)
{
    o->parked++;
    log_error("outbox", "a row was parked", log_u64("shard", row->shard), log_u64("id", row->id),
              log_str("why", row->why));
}

static void settle_rows(struct outbox *o)
{
    struct buf b[5];

    settle_order(o);
    for (size_t i = 0; i < array_len(b); i++) {
        buf_init(&b[i], OUTBOX_BATCH * 64);
        db_array_begin(&b[i]);
    }
    for (size_t i = 0; i < o->row_count; i++) {
        const struct outbox_row *row = &o->rows[i];
        size_t to = row->fate == ROW_DONE ? 0 : 2;
        if (row->fate != ROW_DONE && row->fate != ROW_PARK)
            continue;
        db_array_i64(&b[to], row->shard);
        db_array_i64(&b[to + 1], (int64_t)row->id);
        if (row->fate == ROW_PARK) {
            db_array_str(&b[4], slice_str(row->why));
            tell_parked(o, row);
        }
    }
    struct slice params[array_len(b)];
    for (size_t i = 0; i < array_len(b); i++) {
        db_array_end(&b[i]);
        params[i] = buf_slice(&b[i]);
    }
    o->state = OUTBOX_DELETING;
    o->request.cb = settle_cb;
    if (db_query(o->db, &o->request, &outbox_settle_statement, params, DB_DEADLINE_MS) !=
        STATUS_OK) {
        rows_free(o);
        rest_failed(o);
    }
    for (size_t i = 0; i < array_len(b); i++)
        buf_free(&b[i]);
}

/* ---- life ---- */

void outbox_start(struct outbox *o, struct loop *l, struct db *db, struct bus *bus,
                  struct seat_store *seats, struct shards *shards)
{
    *o = (struct outbox){
        .loop = l, .db = db, .bus = bus, .seats = seats, .shards = shards, .batch = OUTBOX_BATCH};
    timer_init(l, &o->timer, rested_cb);
    rest(o, 0);
}

void outbox_stop(struct outbox *o, void (*stopped)(struct outbox *o, void *ctx), void *ctx)
{
    o->stopping = true;
    o->stopped = stopped;
    o->ctx = ctx;
    if (o->state == OUTBOX_RESTING)
        timer_start(&o->timer, 0, 0);
}
