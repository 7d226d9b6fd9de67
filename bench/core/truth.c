#include "bench/core/truth.h"

#include <assert.h>
#include <stdio.h>

static struct truth *truth_of(const struct db_result *r)
{
    return r->impl;
}

static bool is_null(const struct db_result *r, size_t row, size_t column)
{
    (void)r;
    (void)row;
    (void)column;
    return false;
}

/* epoch, seat_count, state, versions */
static struct slice value(const struct db_result *r, size_t row, size_t column)
{
    const struct truth *t = truth_of(r);
    const struct slice columns[] = {SLICE_LITERAL("1"), slice_str(t->count),
                                    slice_of(t->state, t->seats),
                                    slice_of(t->versions, 8 * t->seats)};

    assert(row == 0 && column < array_len(columns));
    return columns[column];
}

static const struct db_result_ops result_ops = {is_null, value};

static void answer_cb(struct timer *timer)
{
    struct truth *t = container_of(timer, struct truth, answer);
    const struct db_result result = {.rows = 1, .columns = 4, .ops = &result_ops, .impl = t};
    struct db_request *request = t->asked;

    t->asked = NULL;
    request->cb(request, STATUS_OK, &result);
}

static enum status query(struct db *db, struct db_request *request,
                         const struct db_statement *statement, const struct slice *params,
                         unsigned deadline_ms)
{
    struct truth *t = container_of(db, struct truth, db);

    (void)params;
    (void)deadline_ms;
    if (t->asked || strcmp(statement->name, "mirror_read_truth") != 0)
        return STATUS_UNAVAILABLE;
    t->asked = request;
    timer_start(&t->answer, 0, 0);
    return STATUS_OK;
}

static const struct db_ops ops = {.query = query};

void truth_init(struct truth *t, struct loop *l, size_t seats)
{
    *t = (struct truth){.db = {.ops = &ops}, .seats = seats};
    t->state = mem_alloc(seats + 1);
    t->versions = mem_alloc(8 * seats + 1);
    memset(t->state, '0', seats);
    memset(t->versions, '0', 8 * seats);
    snprintf(t->count, sizeof(t->count), "%zu", seats);
    timer_init(l, &t->answer, answer_cb);
}

void truth_close(struct truth *t)
{
    timer_close(&t->answer, NULL);
    mem_free(t->state);
    mem_free(t->versions);
}
