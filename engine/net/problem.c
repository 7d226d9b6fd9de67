#include "engine/net/problem.h"

#include "engine/base/mem.h"

static const struct {
    const char *code, *title;
    int http;
} problems[] = {
#define X(name, code, http, title) [PROBLEM_##name] = {code, title, http},
    PROBLEM_MAP(X)
#undef X
};

const char *problem_code(enum problem problem)
{
    return (size_t)problem < array_len(problems) ? problems[problem].code : "internal";
}

const char *problem_title(enum problem problem)
{
    return (size_t)problem < array_len(problems) ? problems[problem].title
                                                 : "An unexpected failure";
}

int problem_http(enum problem problem)
{
    return (size_t)problem < array_len(problems) ? problems[problem].http : 500;
}

enum problem problem_of_status(enum status status)
{
    switch (status) {
    case STATUS_CANCELED:
    case STATUS_TIMEOUT:
    case STATUS_UNAVAILABLE: return PROBLEM_UNAVAILABLE;
    case STATUS_OVERLOADED: return PROBLEM_OVERLOADED;
    case STATUS_MALFORMED: return PROBLEM_BAD_REQUEST;
    case STATUS_TOO_LARGE: return PROBLEM_BODY_TOO_LARGE;
    case STATUS_INVALID: return PROBLEM_INVALID;
    case STATUS_NOT_FOUND: return PROBLEM_NOT_FOUND;
    case STATUS_UNAUTHORIZED: return PROBLEM_UNAUTHORIZED;
    case STATUS_FORBIDDEN: return PROBLEM_FORBIDDEN;
    case STATUS_CONFLICT: return PROBLEM_CONFLICT;
    case STATUS_EXPIRED: return PROBLEM_HOLD_EXPIRED;
    case STATUS_PROTOCOL: return PROBLEM_UPSTREAM;
    case STATUS_OK:
    case STATUS_IO:
    case STATUS_INTERNAL: break;
    }
    return PROBLEM_INTERNAL;
}
