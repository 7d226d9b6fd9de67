/* What the auditor found: per promise how much was looked at and the offending rows. */
#ifndef HOLDFAST_AUDITOR_VERDICT_H
#define HOLDFAST_AUDITOR_VERDICT_H

#include "engine/base/buf.h"
#include "engine/base/list.h"

#define VERDICT_ROWS_MAX 20 /* shown; all are counted */

enum promise { I1, I2, I3, I4, I5, I6, I7, PROMISES };

struct verdict {
    struct {
        uint64_t checked; /* things looked at */
        uint64_t broken;
        struct buf rows; /* a line each */
    } promises[PROMISES];
    bool incomplete; /* a fact could not be had */
};

void verdict_init(struct verdict *v);
void verdict_free(struct verdict *v);
void verdict_checked(struct verdict *v, enum promise p, uint64_t count);
void verdict_broken(struct verdict *v, enum promise p, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void verdict_incomplete(struct verdict *v, const char *what, enum status status);
uint64_t verdict_broken_count(const struct verdict *v);
void verdict_print(const struct verdict *v);

#endif
