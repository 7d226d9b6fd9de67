#include "engine/base/status.h"

#include <stddef.h>

struct row {
    const char *code, *text;
    int http;
};

static const struct row rows[] = {
#define X(name, wire, status, words) {.code = wire, .text = words, .http = status},
    STATUS_MAP(X)
#undef X
};

static const struct row unknown = {.code = "unknown", .text = "unknown", .http = 500};

static const struct row *row_of(enum status status)
{
    size_t i = (size_t)status;

    return i < sizeof(rows) / sizeof(rows[0]) ? &rows[i] : &unknown;
}

const char *status_code(enum status status)
{
    return row_of(status)->code;
}

const char *status_text(enum status status)
{
    return row_of(status)->text;
}

int status_http(enum status status)
{
    return row_of(status)->http;
}
