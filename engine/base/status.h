/* Failures: what went wrong when an operation could not do its work, one table for code, text and
 * HTTP status.
 *
 * Outcomes (held by another, sold out, not your turn) are not failures: each module has an enum for
 * its own. Bugs are asserts. See docs/architecture.md, "Errors". */
#ifndef HOLDFAST_BASE_STATUS_H
#define HOLDFAST_BASE_STATUS_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* X(NAME, "code on the wire", HTTP status, "text") */
#define STATUS_MAP(X)                                                                              \
    X(OK, "ok", 200, "ok")                                                                         \
    X(CANCELED, "canceled", 503, "the operation was canceled")                                     \
    X(TIMEOUT, "timeout", 503, "a dependency did not answer in time")                              \
    X(UNAVAILABLE, "unavailable", 503, "a dependency is not available")                            \
    X(OVERLOADED, "overloaded", 503, "too much work is queued")                                    \
    X(MALFORMED, "malformed", 400, "the input is not well-formed")                                 \
    X(TOO_LARGE, "too_large", 413, "the input is larger than allowed")                             \
    X(INVALID, "invalid", 422, "the input is well-formed but not acceptable")                      \
    X(NOT_FOUND, "not_found", 404, "there is no such thing")                                       \
    X(UNAUTHORIZED, "unauthorized", 401, "credentials are missing or not valid")                   \
    X(FORBIDDEN, "forbidden", 403, "the credentials do not allow this")                            \
    X(CONFLICT, "conflict", 409, "the state of the thing does not allow this")                     \
    X(EXPIRED, "expired", 410, "the thing has expired")                                            \
    X(IO, "io", 500, "an input/output operation failed")                                           \
    X(PROTOCOL, "protocol", 502, "a peer broke its protocol")                                      \
    X(INTERNAL, "internal", 500, "an unexpected failure")

enum status {
#define X(name, code, http, text) STATUS_##name,
    STATUS_MAP(X)
#undef X
};

/* Both never fail; an unknown value reads "unknown". Static strings. */
const char *status_code(enum status status);
const char *status_text(enum status status);
int status_http(enum status status);

#endif
