#include "engine/auditor/verdict.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *text;
} promises[PROMISES] = {
    [I1] = {"I1", "a seat has at most one live ticket"},
    [I2] = {"I2", "every confirmed reply has its row"},
    [I3] = {"I3", "every row has a request that caused it"},
    [I4] = {"I4", "free + held + sold + blocked = capacity, in both stores"},
    [I5] = {"I5", "captured - refunded = price of what is sold"},
    [I6] = {"I6", "no seat stays held past its hold's expiry + 5 s"},
    [I7] = {"I7", "every change is on Kafka, in order, and equals the truth"},
};

void verdict_init(struct verdict *v)
{
    *v = (struct verdict){0};
    for (size_t i = 0; i < PROMISES; i++)
        buf_init(&v->promises[i].rows, 64 * 1024);
}

void verdict_free(struct verdict *v)
{
    for (size_t i = 0; i < PROMISES; i++)
        buf_free(&v->promises[i].rows);
}

void verdict_checked(struct verdict *v, enum promise p, uint64_t count)
{
    v->promises[p].checked += count;
}

void verdict_broken(struct verdict *v, enum promise p, const char *format, ...)
{
    char line[512];
    va_list args;

    if (++v->promises[p].broken > VERDICT_ROWS_MAX)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    buf_printf(&v->promises[p].rows, "       %s\n", line);
}

void verdict_incomplete(struct verdict *v, const char *what, enum status status)
{
    v->incomplete = true;
    fprintf(stderr, "audit: could not look at %s: %s\n", what, status_text(status));
}

uint64_t verdict_broken_count(const struct verdict *v)
{
    uint64_t count = 0;

    for (size_t i = 0; i < PROMISES; i++)
        count += v->promises[i].broken;
    return count;
}

void verdict_print(const struct verdict *v)
{
    for (size_t i = 0; i < PROMISES; i++) {
        printf("  %s  %-6s  %8llu checked  %s\n", promises[i].name,
               v->promises[i].broken ? "BROKEN" : "holds",
               (unsigned long long)v->promises[i].checked, promises[i].text);
        printf("%.*s", SLICE_ARG(buf_slice(&v->promises[i].rows)));
        if (v->promises[i].broken > VERDICT_ROWS_MAX)
            printf("       and %llu more\n",
                   (unsigned long long)(v->promises[i].broken - VERDICT_ROWS_MAX));
    }
    fflush(stdout);
}
