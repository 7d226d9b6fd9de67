/* Inside the model of PostgreSQL: parameters in, cells out. */
#ifndef HOLDFAST_TESTS_SIM_PG_INTERNAL_H
#define HOLDFAST_TESTS_SIM_PG_INTERNAL_H

#include "engine/base/mem.h"
#include "tests/sim/pg_model.h"

#define PG_ARRAY_MAX 1024

typedef void (*pg_statement_fn)(struct pg_model *m, const struct slice *params,
                                struct pg_answer *a);

struct pg_array {
    size_t count;
    struct slice items[PG_ARRAY_MAX]; /* at NULL: NULL */
};

int64_t pg_i64(struct slice text);
struct uuid pg_uuid(struct slice text);
void pg_text(struct slice text, char *ret_text, size_t size); /* NULL: "" */
/* '{1,"a\"b",NULL}'; unescaped text is in the answer's arena. */
void pg_array_read(struct slice text, struct pg_answer *a, struct pg_array *ret_array);
size_t pg_numbers(struct slice text, uint32_t ret_numbers[HOLD_SEATS_MAX]);

/* Cells of the rows, in order. */
void pg_put(struct pg_answer *a, struct slice text);
void pg_put_i64(struct pg_answer *a, int64_t value);
void pg_put_uuid(struct pg_answer *a, const struct uuid *u);
void pg_put_null(struct pg_answer *a);
void pg_put_bool(struct pg_answer *a, bool value);
void pg_put_numbers(struct pg_answer *a, const uint32_t *numbers, size_t count, const char *open,
                    const char *close);
void pg_row(struct pg_answer *a); /* the cells since the last one are a row */
void pg_refuse(struct pg_answer *a, const char *sqlstate, const char *constraint);

/* A row of the view `purchase`. */
void pg_put_purchase(struct pg_model *m, struct pg_answer *a, const struct pg_booking *b);
struct pg_outbox *pg_tell(struct pg_model *m, const struct pg_booking *b, const char *type,
                          struct slice payload, struct slice trace);
struct pg_booking *pg_booking_add(struct pg_model *m);

/* pg_commit.c */
void pg_booking_commit(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_booking_commit_paid(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_booking_begin(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_booking_rehold(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_booking_move(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_booking_authorized(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_booking_captured(struct pg_model *m, const struct slice *params, struct pg_answer *a);
/* pg_refund.c */
void pg_refund_begin(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_refund_done(struct pg_model *m, const struct slice *params, struct pg_answer *a);
void pg_refund_resume(struct pg_model *m, const struct slice *params, struct pg_answer *a);

#endif
