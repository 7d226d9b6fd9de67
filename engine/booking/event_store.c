#include "engine/booking/event_store.h"

#include "engine/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITE_MS 30000
#define TEXT_MAX (512u * 1024 * 1024) /* the largest layout there can be is below it */

static const struct db_statement take_id = {
    .name = "event_take_id",
    .text = "SELECT nextval(pg_get_serial_sequence('event', 'event_id'))",
    .params = 0,
};

static const struct db_statement insert_event = {
    .name = "event_insert",
    .text =
        "WITH e AS (INSERT INTO event (event_id, name, type, venue, performers, starts_at, "
        "currency, has_queue, charge, max_seats, max_holds,"
        " hold_seconds, hold_cap_seconds, payment_seconds, seat_count)"
        " VALUES ($1::bigint, $2, $3, $4::jsonb, $5::jsonb, to_timestamp($6::bigint / 1000.0), $7, "
        "$8::boolean, $9::boolean, $10::int, $11::int,"
        " $12::int, $13::int, $14::int, $15::int)),"
        " p AS (INSERT INTO price_level (event_id, level, position, name, amount)"
        " SELECT $1::bigint, x.level, x.n - 1, x.name, x.amount FROM unnest($16::text[], "
        "$17::text[], $18::bigint[]) WITH ORDINALITY AS x(level, name, amount, n)),"
        " l AS (INSERT INTO event_layout (event_id, hash, document) VALUES ($1::bigint, $19, $20))"
        " INSERT INTO event_seat (event_id, seat, price, label)"
        " SELECT $1::bigint, x.n - 1, ($18::bigint[])[x.level + 1], x.label FROM "
        "unnest($21::int[], $22::text[]) WITH ORDINALITY AS x(level, label, n)",
    .params = 22,
};

/* sql/0005_events.sql */
static const struct db_statement replace_layout = {
    .name = "event_replace_layout",
    .text = "SELECT event_replace_layout($1::bigint, $2, $3, $4::text[], $5::text[])",
    .params = 5,
};

/* Texts of parameters, kept until the statement is submitted. */
struct texts {
    struct buf bufs[12];
    size_t count;
};

static struct buf *text_new(struct texts *t)
{
    struct buf *b = &t->bufs[t->count++];

    buf_init(b, TEXT_MAX);
    return b;
}

static struct slice number(struct texts *t, int64_t value)
{
    struct buf *b = text_new(t);

    buf_append_i64(b, value);
    return buf_slice(b);
}

static void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        buf_free(&t->bufs[i]);
}

static struct slice json_text(struct texts *t, json_t *value, const char *otherwise)
{
    struct buf *b = text_new(t);
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    buf_append_str(b, text ? text : otherwise);
    free(text);
    return buf_slice(b);
}

static struct slice labels(struct texts *t, const struct layout *l)
{
    struct buf *b = text_new(t), label;

    buf_init(&label, 256);
    db_array_begin(b);
    for (uint32_t n = 0; n < l->seat_count; n++) {
        buf_clear(&label);
        layout_label(l, n, &label);
        db_array_str(b, buf_slice(&label));
    }
    db_array_end(b);
    buf_free(&label);
    return buf_slice(b);
}

static struct slice level_indices(struct texts *t, const struct layout *l)
{
    struct buf *b = text_new(t);

    db_array_begin(b);
    for (uint32_t n = 0; n < l->seat_count; n++)
        db_array_i64(b, layout_level(l, n));
    db_array_end(b);
    return buf_slice(b);
}

static struct slice level_ids_of_seats(struct texts *t, const struct layout *l,
                                       const struct layout_levels *levels)
{
    struct buf *b = text_new(t);

    db_array_begin(b);
    for (uint32_t n = 0; n < l->seat_count; n++)
        db_array_str(b, slice_str(levels->ids[layout_level(l, n)]));
    db_array_end(b);
    return buf_slice(b);
}

static struct slice level_column(struct texts *t, const struct event_form *f, char which)
{
    struct buf *b = text_new(t);

    db_array_begin(b);
    for (size_t i = 0; i < f->levels.count; i++) {
        if (which == 'a')
            db_array_i64(b, f->amounts[i]);
        else
            db_array_str(b, which == 'i' ? slice_str(f->levels.ids[i]) : f->level_names[i]);
    }
    db_array_end(b);
    return buf_slice(b);
}

static struct slice flag(bool value)
{
    return slice_str(value ? "t" : "f");
}

static struct slice small_number(char text[24], int64_t value)
{
    return slice_of(text, (size_t)snprintf(text, 24, "%" PRId64, value));
}

static void written_cb(struct db_request *request, enum status status,
                       const struct db_result *result)
{
    struct event_write *w = container_of(request, struct event_write, request);

    (void)result;
    w->cb(w, status);
}

static enum status insert(struct event_write *w)
{
    const struct event_form *f = w->form;
    struct texts t = {.count = 0};
    char hash[LAYOUT_HASH_SIZE], numbers[6][24];
    struct buf *document = text_new(&t);
    enum status status;

    layout_write(f->layout, &f->levels, w->event_id, document, hash);

    struct slice params[22] = {
        number(&t, (int64_t)w->event_id),
        f->name,
        f->type,
        json_text(&t, f->venue, "{}"),
        json_text(&t, f->performers, "[]"),
        number(&t, f->starts_ms),
        f->currency,
        flag(f->queue),
        flag(f->charge),
        small_number(numbers[0], f->max_seats),
        small_number(numbers[1], f->max_holds),
        small_number(numbers[2], f->hold_seconds),
        small_number(numbers[3], f->cap_seconds),
        small_number(numbers[4], f->payment_seconds),
        small_number(numbers[5], f->layout->seat_count),
        level_column(&t, f, 'i'),
        level_column(&t, f, 'n'),
        level_column(&t, f, 'a'),
        slice_str(hash),
        buf_slice(document),
        level_indices(&t, f->layout),
        labels(&t, f->layout),
    };

    w->request.cb = written_cb;
    status = db_query(w->db, &w->request, &insert_event, params, WRITE_MS);
    texts_free(&t);
    return status;
}

static void id_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct event_write *w = container_of(request, struct event_write, request);

    if (status == STATUS_OK) {
        w->event_id = (uint64_t)db_i64(result, 0, 0);
        status = insert(w);
    }
    if (status != STATUS_OK)
        w->cb(w, status);
}

enum status event_create(struct db *db, struct event_write *write)
{
    write->db = db;
    write->request.cb = id_cb;
    return db_query(db, &write->request, &take_id, NULL, WRITE_MS);
}

/* The function answers replaced, sold or missing. */
static void replaced_cb(struct db_request *request, enum status status,
                        const struct db_result *result)
{
    struct event_write *w = container_of(request, struct event_write, request);

    if (status == STATUS_OK && slice_is(db_value(result, 0, 0), "sold"))
        status = STATUS_CONFLICT;
    else if (status == STATUS_OK && slice_is(db_value(result, 0, 0), "missing"))
        status = STATUS_NOT_FOUND;
    w->cb(w, status);
}

enum status event_replace_layout(struct db *db, struct event_write *write,
                                 const struct layout *layout, const struct layout_levels *levels)
{
    struct texts t = {.count = 0};
    struct buf *document = text_new(&t);
    char hash[LAYOUT_HASH_SIZE];
    enum status status;

    layout_write(layout, levels, write->event_id, document, hash);

    struct slice params[] = {number(&t, (int64_t)write->event_id), slice_str(hash),
                             buf_slice(document), level_ids_of_seats(&t, layout, levels),
                             labels(&t, layout)};

    write->db = db;
    write->request.cb = replaced_cb;
    status = db_query(db, &write->request, &replace_layout, params, WRITE_MS);
    texts_free(&t);
    return status;
}
