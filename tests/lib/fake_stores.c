#include "tests/lib/fake_stores.h"

#include <assert.h>
#include <string.h>

/* ---- kv ---- */

static enum status keep_kv(struct kv *kv, struct kv_request *request, const char *name,
                           unsigned deadline_ms)
{
    struct fake_kv *f = container_of(kv, struct fake_kv, kv);

    assert(f->count < FAKE_CALLS_MAX);
    f->calls[f->count].name = name;
    f->calls[f->count].deadline_ms = deadline_ms;
    f->calls[f->count++].request = request;
    return STATUS_OK;
}

static enum status kv_fake_command(struct kv *kv, struct kv_request *request,
                                   const struct slice *args, size_t count, unsigned deadline_ms)
{
    (void)args;
    (void)count;
    return keep_kv(kv, request, "command", deadline_ms);
}

static enum status kv_fake_eval(struct kv *kv, struct kv_request *request,
                                const struct kv_script *script, const struct slice *keys,
                                size_t key_count, const struct slice *args, size_t arg_count,
                                unsigned deadline_ms)
{
    (void)keys;
    (void)key_count;
    (void)args;
    (void)arg_count;
    return keep_kv(kv, request, script->name, deadline_ms);
}

static bool kv_fake_ready(struct kv *kv, const char **ret_why)
{
    (void)kv;
    (void)ret_why;
    return true;
}

static void complete_kv(struct fake_kv *f, size_t i, enum status status,
                        const struct kv_reply *reply)
{
    struct kv_request *request = f->calls[i].request;

    f->calls[i].request = NULL;
    if (request)
        request->cb(request, status, reply);
}

static void kv_fake_close(struct kv *kv)
{
    struct fake_kv *f = container_of(kv, struct fake_kv, kv);

    for (size_t i = 0; i < f->count; i++)
        complete_kv(f, i, STATUS_CANCELED, NULL);
}

static const struct kv_ops fake_kv_ops = {kv_fake_command, kv_fake_eval, kv_fake_ready,
                                          kv_fake_close};

void fake_kv_init(struct fake_kv *f)
{
    *f = (struct fake_kv){.kv = {.ops = &fake_kv_ops, .run_id = "fake"}};
}

void fake_kv_answer(struct fake_kv *f, size_t i, const char *text)
{
    const struct kv_reply reply = {.kind = KV_STR, .str = slice_str(text)};

    assert(i < f->count && f->calls[i].request);
    complete_kv(f, i, STATUS_OK, &reply);
}

/* ---- db ---- */

static enum status db_fake_query(struct db *db, struct db_request *request,
                                 const struct db_statement *statement, const struct slice *params,
                                 unsigned deadline_ms)
{
    struct fake_db *f = container_of(db, struct fake_db, db);

    (void)params;
    assert(f->count < FAKE_CALLS_MAX);
    f->calls[f->count].name = statement->name;
    f->calls[f->count].deadline_ms = deadline_ms;
    f->calls[f->count++].request = request;
    return STATUS_OK;
}

static enum status db_fake_lock(struct db *db, struct db_request *request, int64_t key)
{
    (void)db;
    (void)request;
    (void)key;
    return STATUS_UNAVAILABLE;
}

static void db_fake_unlock(struct db *db, int64_t key)
{
    (void)db;
    (void)key;
}

static bool db_fake_ready(struct db *db, const char **ret_why)
{
    (void)db;
    (void)ret_why;
    return true;
}

static void complete_db(struct fake_db *f, size_t i, enum status status,
                        const struct db_result *result)
{
    struct db_request *request = f->calls[i].request;

    f->calls[i].request = NULL;
    if (request)
        request->cb(request, status, result);
}

static void db_fake_close(struct db *db)
{
    struct fake_db *f = container_of(db, struct fake_db, db);

    for (size_t i = 0; i < f->count; i++)
        complete_db(f, i, STATUS_CANCELED, NULL);
}

static const struct db_ops fake_db_ops = {
    .query = db_fake_query,
    .lock = db_fake_lock,
    .unlock = db_fake_unlock,
    .ready = db_fake_ready,
    .close = db_fake_close,
};

void fake_db_init(struct fake_db *f)
{
    *f = (struct fake_db){.db = {.ops = &fake_db_ops}};
}

struct fake_row {
    struct db_result result;
    const char *const *cells;
};

static const char *cell(const struct db_result *r, size_t column)
{
    return container_of(r, struct fake_row, result)->cells[column];
}

static bool cell_is_null(const struct db_result *r, size_t row, size_t column)
{
    (void)row;
    return !cell(r, column);
}

static struct slice cell_value(const struct db_result *r, size_t row, size_t column)
{
    (void)row;
    return slice_str(cell(r, column));
}

void fake_db_answer(struct fake_db *f, size_t i, const char *const *cells, size_t columns)
{
    static const struct db_result_ops ops = {cell_is_null, cell_value};
    const struct fake_row row = {.result = {.rows = columns > 0, .columns = columns, .ops = &ops},
                                 .cells = cells};

    assert(i < f->count && f->calls[i].request);
    complete_db(f, i, STATUS_OK, &row.result);
}

size_t fake_db_asked(const struct fake_db *f, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++)
        n += strcmp(f->calls[i].name, name) == 0;
    return n;
}
