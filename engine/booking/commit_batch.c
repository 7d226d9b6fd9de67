#include "engine/booking/commit_batch.h"

#include "engine/base/encode.h"

#include <assert.h>
#include <stdlib.h>

#define PARAM_LIMIT (1024 * 1024)

void commit_batch_init(struct commit_batch *b)
{
    memset(b, 0, sizeof(*b));
    list_init(&b->link);
    for (size_t i = 0; i < COMMIT_PARAMS_MAX; i++)
        buf_init(&b->params[i], PARAM_LIMIT);
}

void commit_batch_free(struct commit_batch *b)
{
    for (size_t i = 0; i < COMMIT_PARAMS_MAX; i++)
        buf_free(&b->params[i]);
}

void commit_batch_clear(struct commit_batch *b, enum commit_lane lane)
{
    b->lane = lane;
    b->count = b->seat_count = 0;
    memset(&b->taken, 0, sizeof(b->taken));
}

/* ---- what is in already ---- */

/* splitmix64's finaliser: names differ where (event, seat) do, with overwhelming odds; a false
 * match only makes a booking wait for the next batch. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) | 1;
}

static uint64_t *slot_of(struct commit_taken *t, uint64_t name)
{
    size_t i = (name >> 1) & (COMMIT_TAKEN_SLOTS - 1);

    while (t->names[i] && t->names[i] != name)
        i = (i + 1) & (COMMIT_TAKEN_SLOTS - 1);
    return &t->names[i];
}

static uint64_t seat_name(const struct purchase_row *row, size_t i)
{
    return mix(row->event_id << 20 ^ row->seats[i]);
}

static uint64_t key_name(const struct commit_item *item)
{
    return mix(~get_le64(item->lane == COMMIT_NEW ? item->row->idem.bytes
                                                  : item->row->booking_id.bytes + 8));
}

bool commit_batch_add(struct commit_batch *b, struct commit_item *item)
{
    const struct purchase_row *row = item->row;

    if (b->count == COMMIT_BATCH_MAX ||
        (b->count && (item->alone || b->items[0]->alone ||
                      b->seat_count + row->seat_count > COMMIT_BATCH_SEATS_MAX)))
        return false;
    if (*slot_of(&b->taken, key_name(item)))
        return false;
    for (size_t i = 0; i < row->seat_count; i++) {
        if (*slot_of(&b->taken, seat_name(row, i)))
            return false;
    }
    *slot_of(&b->taken, key_name(item)) = key_name(item);
    for (size_t i = 0; i < row->seat_count; i++)
        *slot_of(&b->taken, seat_name(row, i)) = seat_name(row, i);
    b->items[b->count++] = item;
    b->seat_count += row->seat_count;
    return true;
}

/* ---- parameters ---- */

static void put_i64(struct buf *b, int64_t value)
{
    db_array_i64(b, value);
}

static void put_uuid(struct buf *b, const struct uuid *u)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(u, text);
    db_array_str(b, slice_of(text, UUID_TEXT_SIZE - 1));
}

static void put_text(struct buf *b, const char *text)
{
    db_array_str(b, slice_str(text));
}

/* A number list as one element: '{1,2}'. */
static void put_numbers(struct buf *b, const uint32_t *numbers, size_t count)
{
    char text[HOLD_SEATS_MAX * 11 + 3];
    size_t len = 0;

    text[len++] = '{';
    for (size_t i = 0; i < count; i++) {
        char digits[10];
        size_t n = 0;
        uint32_t value = numbers[i];

        do {
            digits[n++] = (char)('0' + value % 10);
            value /= 10;
        } while (value);
        if (i)
            text[len++] = ',';
        while (n)
            text[len++] = digits[--n];
    }
    text[len++] = '}';
    db_array_str(b, slice_of(text, len));
}

static void put_news(struct buf *b, const struct purchase_row *row, struct buf *scratch)
{
    buf_clear(scratch);
    purchase_row_news(row, scratch);
    db_array_str(b, buf_slice(scratch));
}

struct seat_place {
    uint64_t event_id;
    uint32_t seat, version, item;
};

static int by_event_and_seat(const void *a, const void *b)
{
    const struct seat_place *x = a, *y = b;

    if (x->event_id != y->event_id)
        return x->event_id < y->event_id ? -1 : 1;
    return x->seat < y->seat ? -1 : x->seat > y->seat;
}

static void put_seats(struct commit_batch *b, struct buf *items, struct buf *seats,
                      struct buf *versions)
{
    struct seat_place places[COMMIT_BATCH_SEATS_MAX + HOLD_SEATS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < b->count; i++) {
        const struct purchase_row *row = b->items[i]->row;

        for (size_t k = 0; k < row->seat_count; k++)
            places[n++] = (struct seat_place){row->event_id, row->seats[k], row->versions[k],
                                              (uint32_t)i + 1};
    }
    qsort(places, n, sizeof(places[0]), by_event_and_seat);
    for (size_t i = 0; i < n; i++) {
        put_i64(items, places[i].item);
        put_i64(seats, places[i].seat);
        put_i64(versions, places[i].version);
    }
}

static void put_new(struct commit_batch *b, const struct commit_item *item, struct buf *scratch)
{
    const struct purchase_row *row = item->row;
    struct buf *p = b->params;

    put_i64(&p[0], (int64_t)row->event_id);
    put_uuid(&p[1], &row->booking_id);
    put_uuid(&p[2], &row->idem);
    put_uuid(&p[3], &row->fingerprint);
    put_text(&p[4], row->hold_id);
    put_text(&p[5], row->session);
    put_i64(&p[6], (int64_t)row->fence);
    put_i64(&p[7], row->expires_ms);
    put_numbers(&p[8], row->seats, row->seat_count);
    put_numbers(&p[9], row->versions, row->seat_count);
    put_text(&p[10], row->email);
    put_text(&p[11], row->name);
    put_i64(&p[12], row->total);
    put_text(&p[13], row->currency);
    put_news(&p[14], row, scratch);
    db_array_str(&p[15], item->trace.len ? item->trace : SLICE_NONE);
}

static void put_names(struct commit_batch *b, const struct commit_item *item)
{
    put_i64(&b->params[0], (int64_t)item->row->event_id);
    put_uuid(&b->params[1], &item->row->booking_id);
}

static void put_paid(struct commit_batch *b, const struct commit_item *item, struct buf *scratch)
{
    put_names(b, item);
    put_news(&b->params[2], item->row, scratch);
    db_array_str(&b->params[3], item->trace.len ? item->trace : SLICE_NONE);
}

static void put_authorized(struct commit_batch *b, const struct commit_item *item,
                           struct buf *scratch)
{
    const char *ref = item->row->provider_ref;

    (void)scratch;
    put_names(b, item);
    db_array_str(&b->params[2], ref[0] ? slice_str(ref) : SLICE_NONE);
}

static void put_captured(struct commit_batch *b, const struct commit_item *item,
                         struct buf *scratch)
{
    (void)scratch;
    put_names(b, item);
}

static int by_event_and_booking(const void *a, const void *b)
{
    const struct purchase_row *x = (*(struct commit_item *const *)a)->row,
                              *y = (*(struct commit_item *const *)b)->row;

    if (x->event_id != y->event_id)
        return x->event_id < y->event_id ? -1 : 1;
    return memcmp(x->booking_id.bytes, y->booking_id.bytes, sizeof(x->booking_id.bytes));
}

/* ---- verdicts ---- */

/* Columns: i, known, booking_id, fingerprint, state, outcome, labels. */
static bool read_verdict(struct commit_item *item, const struct db_result *r, size_t row)
{
    bool good;

    item->known = db_bool(r, row, 1);
    item->booking_id = item->row->booking_id;
    item->fingerprint = item->row->fingerprint;
    if (item->known && !(uuid_parse(db_value(r, row, 2), &item->booking_id) &&
                         uuid_parse(db_value(r, row, 3), &item->fingerprint)))
        return false;
    good = booking_state_parse(db_value(r, row, 4), &item->state);
    item->outcome = OUTCOME_SOLD;
    good =
        good && (db_null(r, row, 5) || booking_outcome_parse(db_value(r, row, 5), &item->outcome));
    item->labels = db_null(r, row, 6) ? SLICE_LITERAL("") : db_value(r, row, 6);
    return good;
}

/* Columns: i, moved. */
static bool read_moved(struct commit_item *item, const struct db_result *r, size_t row)
{
    item->moved = db_bool(r, row, 1);
    return true;
}

/* ---- the lanes ---- */

/* `arrays` parameters have an element per booking, or per seat; then comes the lease, if the
 * statement has a parameter more. */
static const struct {
    struct db_statement statement;
    size_t arrays;
    void (*put)(struct commit_batch *b, const struct commit_item *item, struct buf *scratch);
    bool (*read)(struct commit_item *item, const struct db_result *r, size_t row);
} lanes[COMMIT_LANES] = {
    [COMMIT_NEW] = {{.name = "booking_commit",
                     .text =
                         "SELECT i, known, booking_id, fingerprint, state, outcome, labels FROM "
                         "booking_commit($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], "
                         "$5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], "
                         "$10::text[], $11::text[], $12::text[], $13::bigint[], $14::text[], "
                         "$15::text[], $16::text[], $17::integer[], $18::integer[], "
                         "$19::integer[])",
                     .params = 19},
                    19,
                    put_new,
                    read_verdict},
    [COMMIT_AUTHORIZED] = {{.name = "booking_authorized",
                            .text = "SELECT i, moved FROM booking_authorized($1::bigint[], "
                                    "$2::uuid[], $3::text[], $4::bigint)",
                            .params = 4},
                           3,
                           put_authorized,
                           read_moved},
    [COMMIT_PAID] = {{.name = "booking_commit_paid",
                      .text = "SELECT i, false, NULL, NULL, state, outcome, labels FROM "
                              "booking_commit_paid($1::bigint[], $2::uuid[], $3::text[], "
                              "$4::text[], $5::bigint)",
                      .params = 5},
                     4,
                     put_paid,
                     read_verdict},
    [COMMIT_CAPTURED] = {{.name = "booking_captured",
                          .text = "SELECT i, moved FROM booking_captured($1::bigint[], "
                                  "$2::uuid[])",
                          .params = 2},
                         2,
                         put_captured,
                         read_moved},
};

const struct db_statement *commit_batch_params(struct commit_batch *b, int64_t lease_ms,
                                               struct slice ret_params[COMMIT_PARAMS_MAX])
{
    const struct db_statement *statement = &lanes[b->lane].statement;
    size_t arrays = lanes[b->lane].arrays;
    struct buf scratch;

    buf_init(&scratch, 64 * 1024);
    qsort(b->items, b->count, sizeof(b->items[0]), by_event_and_booking);
    for (size_t i = 0; i < COMMIT_PARAMS_MAX; i++)
        buf_clear(&b->params[i]);
    for (size_t i = 0; i < arrays; i++)
        db_array_begin(&b->params[i]);
    for (size_t i = 0; i < b->count; i++)
        lanes[b->lane].put(b, b->items[i], &scratch);
    if (b->lane == COMMIT_NEW)
        put_seats(b, &b->params[16], &b->params[17], &b->params[18]);
    for (size_t i = 0; i < arrays; i++)
        db_array_end(&b->params[i]);
    if (statement->params > arrays)
        buf_append_i64(&b->params[arrays], lease_ms);
    for (size_t i = 0; i < statement->params; i++)
        ret_params[i] = buf_slice(&b->params[i]);
    buf_free(&scratch);
    return statement;
}

bool commit_batch_read(struct commit_batch *b, const struct db_result *r)
{
    if (r->rows != b->count)
        return false;
    for (size_t row = 0; row < r->rows; row++) {
        int64_t i = db_i64(r, row, 0);

        if (i < 1 || (size_t)i > b->count || !lanes[b->lane].read(b->items[i - 1], r, row))
            return false;
    }
    return true;
}
