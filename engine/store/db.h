/* The truth (PostgreSQL) as the domain sees it: named prepared statements with text or binary
 * parameters, and transactions that are one statement each. Behind an ops table: db_pq.c is
 * production, the simulation brings its own (it dispatches on the statement's name). */
#ifndef HOLDFAST_STORE_DB_H
#define HOLDFAST_STORE_DB_H

#include "engine/base/list.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

struct db;
struct db_request;

/* A statement, static in the module that uses it. It is one transaction by itself; work of several
 * steps is an SQL function (sql/). */
struct db_statement {
    const char *name; /* unique in the program: "booking_commit" */
    const char *text; /* with $1.. */
    size_t params;
    bool read_only; /* may be repeated after a lost connection */
};

/* Rows of text columns; valid only during the callback. */
struct db_result {
    size_t rows, columns;
    int64_t affected;
    const struct db_result_ops *ops;
    void *impl;
};

struct db_result_ops {
    bool (*is_null)(const struct db_result *r, size_t row, size_t column);
    struct slice (*value)(const struct db_result *r, size_t row,
                          size_t column); /* NUL follows the slice */
};

/* A refusal by the database: SQLSTATE and message. */
struct db_error {
    char sqlstate[6];
    char message[200];
    char constraint[64];
};

/* OK: result is not NULL. CONFLICT: unique violation, serialization failure or deadlock; INVALID:
 * another refusal (class 22, 23, P0...): `request->error` tells. TIMEOUT, UNAVAILABLE, CANCELED:
 * whether the statement ran is not known. */
typedef void (*db_cb)(struct db_request *request, enum status status,
                      const struct db_result *result);

/* Embedded by the caller, who owns it until the callback. */
struct db_request {
    db_cb cb;
    struct db_error error;
    /* private */
    struct db *db;
    const struct db_statement *statement;
    struct list link;
    int64_t deadline_ns;
    void *impl;
};

struct db_ops {
    enum status (*query)(struct db *db, struct db_request *request,
                         const struct db_statement *statement, const struct slice *params,
                         unsigned deadline_ms);
    enum status (*lock)(struct db *db, struct db_request *request, int64_t key);
    void (*unlock)(struct db *db, int64_t key);
    bool (*ready)(struct db *db, const char **ret_why);
    unsigned (*waited_ms)(struct db *db); /* may be NULL: nothing ever waits */
    void (*close)(struct db *db);
};

struct db {
    const struct db_ops *ops;
    /* A session lock of db_try_lock was lost with its connection; may be NULL. */
    void (*on_lock_lost)(struct db *db, int64_t key, void *ctx);
    void *on_lock_lost_ctx;
};

/* Submits; `params[i].at == NULL` is SQL NULL; they are copied before the call returns. OVERLOADED
 * when too many wait, UNAVAILABLE while the store is away (db_pq.h), TIMEOUT when deadline_ms is 0
 * (due.h: no time is left): then no callback, and nothing was sent.
 * Statements go out in order but on several connections: order between two is only what the caller
 * waits for. */
static inline MUST_CHECK enum status db_query(struct db *db, struct db_request *request,
                                              const struct db_statement *statement,
                                              const struct slice *params, unsigned deadline_ms)
{
    if (deadline_ms == 0)
        return STATUS_TIMEOUT;
    return db->ops->query(db, request, statement, params, deadline_ms);
}

/* Tries to take a session advisory lock on a connection kept for locks only. OK with one row, one
 * column: "t" or "f". Lost locks are told by on_lock_lost. */
static inline MUST_CHECK enum status db_try_lock(struct db *db, struct db_request *request,
                                                 int64_t key)
{
    return db->ops->lock(db, request, key);
}

static inline void db_unlock(struct db *db, int64_t key)
{
    db->ops->unlock(db, key);
}

static inline bool db_ready(struct db *db, const char **ret_why)
{
    return db->ops->ready(db, ret_why);
}

/* How long the statement has waited that has waited longest for a connection; 0: none does. */
static inline unsigned db_waited_ms(struct db *db)
{
    return db->ops->waited_ms ? db->ops->waited_ms(db) : 0;
}

static inline void db_close(struct db *db)
{
    db->ops->close(db);
}

static inline bool db_null(const struct db_result *r, size_t row, size_t column)
{
    return r->ops->is_null(r, row, column);
}

static inline struct slice db_value(const struct db_result *r, size_t row, size_t column)
{
    return r->ops->value(r, row, column);
}

/* Typed readers; a value of another shape is a bug (assert). NULL reads as 0 / false. */
int64_t db_i64(const struct db_result *r, size_t row, size_t column);
bool db_bool(const struct db_result *r, size_t row, size_t column);
int64_t db_time_ms(const struct db_result *r, size_t row,
                   size_t column); /* a bigint column of milliseconds */

/* Builds a PostgreSQL array literal, '{1,2,"a\"b"}', for array parameters: db_array_begin, then
 * values, then db_array_end. */
struct buf;
void db_array_begin(struct buf *b);
void db_array_i64(struct buf *b, int64_t value);
void db_array_str(struct buf *b, struct slice value); /* quoted and escaped; at == NULL is NULL */
void db_array_end(struct buf *b);

#endif
