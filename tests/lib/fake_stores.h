/* Stores that do nothing until the test says so: what was asked, with which limit, and an answer
 * when the test gives one. */
#ifndef HOLDFAST_TESTS_FAKE_STORES_H
#define HOLDFAST_TESTS_FAKE_STORES_H

#include "engine/store/db.h"
#include "engine/store/kv.h"

#define FAKE_CALLS_MAX 32

struct fake_kv {
    struct kv kv;
    size_t count; /* calls so far, answered ones included */
    struct {
        const char *name; /* of the script, or "command" */
        unsigned deadline_ms;
        struct kv_request *request; /* NULL: answered */
    } calls[FAKE_CALLS_MAX];
};

void fake_kv_init(struct fake_kv *f);
/* Answers the i-th call with a string, as the scripts of the booking core do. */
void fake_kv_answer(struct fake_kv *f, size_t i, const char *text);

struct fake_db {
    struct db db;
    size_t count;
    struct {
        const char *name; /* of the statement */
        unsigned deadline_ms;
        struct db_request *request; /* NULL: answered */
    } calls[FAKE_CALLS_MAX];
};

void fake_db_init(struct fake_db *f);
/* Answers the i-th call with one row of so many cells (NULL: SQL NULL), or with none when columns
 * is 0. */
void fake_db_answer(struct fake_db *f, size_t i, const char *const *cells, size_t columns);
/* How many statements of that name came. */
size_t fake_db_asked(const struct fake_db *f, const char *name);

#endif
