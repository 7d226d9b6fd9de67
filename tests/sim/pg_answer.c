#include "tests/sim/pg_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- parameters ---- */

int64_t pg_i64(struct slice text)
{
    int64_t value = 0;
    bool good = slice_to_i64(text, &value);

    assert(good);
    (void)good;
    return value;
}

struct uuid pg_uuid(struct slice text)
{
    struct uuid u;
    bool good = uuid_parse(text, &u);

    assert(good);
    (void)good;
    return u;
}

void pg_text(struct slice text, char *ret_text, size_t size)
{
    bool good = slice_to_str(text.at ? text : SLICE_LITERAL(""), ret_text, size);

    assert(good);
    (void)good;
}

static struct slice quoted(struct slice *rest, struct arena *arena)
{
    char *out = arena_take(arena, rest->len + 1);
    size_t len = 0, i = 1;

    for (; rest->at[i] != '"'; i++) {
        i += rest->at[i] == '\\';
        out[len++] = rest->at[i];
    }
    *rest = slice_of(rest->at + i + 1, rest->len - i - 1);
    return slice_of(out, len);
}

static struct slice plain(struct slice *rest)
{
    size_t len = 0;
    struct slice word;

    while (rest->at[len] != ',' && rest->at[len] != '}')
        len++;
    word = slice_of(rest->at, len);
    *rest = slice_of(rest->at + len, rest->len - len);
    return slice_is(word, "NULL") ? SLICE_NONE : word;
}

void pg_array_read(struct slice text, struct pg_answer *a, struct pg_array *ret_array)
{
    struct slice rest = slice_of(text.at + 1, text.len - 1);

    assert(text.len >= 2 && text.at[0] == '{' && text.at[text.len - 1] == '}');
    ret_array->count = 0;
    while (rest.at[0] != '}') {
        assert(ret_array->count < PG_ARRAY_MAX);
        ret_array->items[ret_array->count++] =
            rest.at[0] == '"' ? quoted(&rest, &a->arena) : plain(&rest);
        if (rest.at[0] == ',')
            rest = slice_of(rest.at + 1, rest.len - 1);
    }
}

size_t pg_numbers(struct slice text, uint32_t ret_numbers[HOLD_SEATS_MAX])
{
    return text.len <= 2 ? 0 : seat_numbers_read(slice_of(text.at + 1, text.len - 2), ret_numbers);
}

/* ---- cells ---- */

static bool is_null(const struct db_result *r, size_t row, size_t column)
{
    return !((const struct pg_answer *)r->impl)->cells[row * r->columns + column].at;
}

static struct slice value(const struct db_result *r, size_t row, size_t column)
{
    struct slice s = ((const struct pg_answer *)r->impl)->cells[row * r->columns + column];

    return s.at ? s : slice_of("", 0);
}

static const struct db_result_ops ops = {is_null, value};

struct pg_answer *pg_answer_new(void)
{
    struct pg_answer *a = mem_alloc(sizeof(*a));

    a->result.ops = &ops;
    a->result.impl = a;
    return a;
}

void pg_answer_free(struct pg_answer *a)
{
    arena_free(&a->arena);
    mem_free(a);
}

static struct slice *next_cell(struct pg_answer *a)
{
    if (a->cell_count == a->cell_cap) {
        size_t cap = a->cell_cap ? 2 * a->cell_cap : 32;
        struct slice *cells = arena_take(&a->arena, cap * sizeof(*cells));

        if (a->cell_count)
            memcpy(cells, a->cells, a->cell_count * sizeof(*cells));
        a->cells = cells;
        a->cell_cap = cap;
    }
    return &a->cells[a->cell_count++];
}

void pg_put_null(struct pg_answer *a)
{
    *next_cell(a) = SLICE_NONE;
}

void pg_put(struct pg_answer *a, struct slice text)
{
    char *copy = arena_take(&a->arena, text.len + 1);

    if (text.len)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    *next_cell(a) = slice_of(copy, text.len);
}

void pg_put_i64(struct pg_answer *a, int64_t v)
{
    char digits[24];

    pg_put(a, slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, v)));
}

void pg_put_bool(struct pg_answer *a, bool v)
{
    pg_put(a, v ? SLICE_LITERAL("t") : SLICE_LITERAL("f"));
}

void pg_put_uuid(struct pg_answer *a, const struct uuid *u)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(u, text);
    pg_put(a, slice_str(text));
}

void pg_put_numbers(struct pg_answer *a, const uint32_t *numbers, size_t count, const char *open,
                    const char *close)
{
    char text[HOLD_SEATS_MAX * 11 + 3];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", open);

    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u", i ? "," : "", numbers[i]);
    at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", close);
    pg_put(a, slice_of(text, at));
}

void pg_row(struct pg_answer *a)
{
    if (a->result.rows == 0)
        a->result.columns = a->cell_count;
    a->result.rows++;
    assert(a->cell_count == a->result.rows * a->result.columns);
}

/* 23505 is a unique violation; others are refusals. */
void pg_refuse(struct pg_answer *a, const char *sqlstate, const char *constraint)
{
    a->status = strcmp(sqlstate, "23505") == 0 ? STATUS_CONFLICT : STATUS_INVALID;
    snprintf(a->error.sqlstate, sizeof(a->error.sqlstate), "%s", sqlstate);
    snprintf(a->error.constraint, sizeof(a->error.constraint), "%s", constraint);
}
