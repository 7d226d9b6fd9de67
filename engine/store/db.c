#include "engine/store/db.h"

#include "engine/base/buf.h"

#include <assert.h>

int64_t db_i64(const struct db_result *r, size_t row, size_t column)
{
    int64_t value = 0;
    bool is_number = db_null(r, row, column) || slice_to_i64(db_value(r, row, column), &value);

    assert(is_number);
    (void)is_number;
    return value;
}

bool db_bool(const struct db_result *r, size_t row, size_t column)
{
    struct slice value = db_value(r, row, column);

    if (db_null(r, row, column))
        return false;
    assert(slice_is(value, "t") || slice_is(value, "f"));
    return value.at[0] == 't';
}

int64_t db_time_ms(const struct db_result *r, size_t row, size_t column)
{
    return db_i64(r, row, column);
}

void db_array_begin(struct buf *b)
{
    buf_append_char(b, '{');
}

/* In an array that has begun, only the opening brace is not followed by a comma. A quoted brace is
 * followed by its quote. */
static void separate(struct buf *b)
{
    if (b->len > 0 && b->at[b->len - 1] != '{')
        buf_append_char(b, ',');
}

void db_array_i64(struct buf *b, int64_t value)
{
    separate(b);
    buf_append_i64(b, value);
}

/* How much of it goes into an array as it is. */
static size_t plain_run(struct slice value)
{
    size_t i = 0;

    while (i < value.len && value.at[i] != '"' && value.at[i] != '\\')
        i++;
    return i;
}

void db_array_str(struct buf *b, struct slice value)
{
    separate(b);
    if (!value.at) {
        buf_append_str(b, "NULL");
        return;
    }
    buf_append_char(b, '"');
    while (value.len > 0) {
        size_t run = plain_run(value);

        buf_append(b, value.at, run);
        if (run < value.len) {
            buf_append_char(b, '\\');
            buf_append_char(b, value.at[run++]);
        }
        value = slice_of(value.at + run, value.len - run);
    }
    buf_append_char(b, '"');
}

void db_array_end(struct buf *b)
{
    buf_append_char(b, '}');
}
