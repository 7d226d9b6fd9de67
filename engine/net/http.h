/* An HTTP/1.1 exchange as the handlers see it (RFC 9110, RFC 9112): the request, and how it is
 * answered.
 *
 *   bytes -> conn -> http_parse -> router -> handler -> http_reply* -> conn -> bytes
 *
 * A handler answers with exactly one http_reply*, at once or later on the same loop. Until then the
 * request and everything it points to stays valid, even when the client has gone (then the answer
 * is dropped: http_gone tells). Pipelined requests of a connection are handled one after the other.
 * Nothing is allocated per request once warm: requests come from a pool, bytes from buffers that a
 * connection borrows while bytes are in flight. */
#ifndef HOLDFAST_NET_HTTP_H
#define HOLDFAST_NET_HTTP_H

#include "engine/base/buf.h"
#include "engine/base/due.h"
#include "engine/base/json.h"
#include "engine/base/list.h"
#include "engine/net/problem.h"

/* Limits of the parser. */
#define HTTP_LINE_MAX   (8 * 1024)
#define HTTP_HEAD_MAX   (16 * 1024)
#define HTTP_FIELDS_MAX 64
#define HTTP_BODY_MAX   (16 * 1024) /* unless the route says otherwise */
#define HTTP_PARAMS_MAX 4

enum http_method {
    HTTP_GET_,
    HTTP_HEAD_,
    HTTP_POST_,
    HTTP_PUT_,
    HTTP_PATCH_,
    HTTP_DELETE_,
    HTTP_OPTIONS_,
    HTTP_OTHER_
};

struct http_request;
struct route;

/* `ctx` is the one given with the route table. */
typedef void (*http_handler_fn)(struct http_request *req, void *ctx);

struct http_request {
    /* for the handler, read only */
    enum http_method method;
    struct slice path;                    /* without the query, percent-encoded as it came */
    struct slice query;                   /* after '?', may be empty */
    struct slice params[HTTP_PARAMS_MAX]; /* what {name} of the route matched, in order,
                                             percent-decoding refused by the router */
    struct slice body;
    const struct route *route;
    struct slice peer;   /* text of the client's address: X-Forwarded-For's last entry when the peer
                            is a trusted proxy (loopback) */
    char request_id[37]; /* from X-Request-Id when sane, else a new UUID; lower case text */
    struct slice traceparent; /* W3C Trace Context header, validated, or empty */
    int64_t started_ns;       /* loop_mono_ns when the head was complete */
    struct due due;           /* when the answer is, of that clock; each step gets what is left */
    void *state;              /* the handler's own, NULL at the start */

    /* the answer being built, by http_header and http_out */
    struct buf *out; /* body of the answer; borrowed from the server, empty at the start */

    struct http_exchange *exchange; /* private */
};

/* Value of a header field by lower-case name, trimmed; at == NULL when absent. Of a repeated field
 * the last (a repeated Host, Content-Length or Authorization was refused by the parser). */
struct slice http_header_get(const struct http_request *req, const char *name);
/* First value of a query parameter, percent- and plus-decoded into the request's own memory; at ==
 * NULL when absent; malformed encoding reads as absent and sets *ret_bad when given. */
struct slice http_query_get(struct http_request *req, const char *name, bool *ret_bad);
/* "Bearer x" -> x for scheme "Bearer"; at == NULL when the header is absent or of another scheme.
 * Scheme is case-insensitive. */
struct slice http_credential(const struct http_request *req, const char *scheme);
/* A path parameter that must be a decimal id. On failure answers 404 itself and returns false. */
bool http_param_id(struct http_request *req, size_t index, uint64_t *ret_id) MUST_CHECK;
/* The body as a JSON object, or the problem is answered and NULL returned: 415 when Content-Type is
 * not application/json, 400 malformed. The caller decrefs. */
json_t *http_body_json(struct http_request *req) MUST_CHECK;
bool http_gone(
    const struct http_request *req); /* the client has closed: the answer will be dropped */
/* How long the next step may take whose own limit is limit_ms (due.h). 0: no time is left, and the
 * request ends with http_reply_failure(req, STATUS_TIMEOUT). */
unsigned http_left_ms(const struct http_request *req, unsigned limit_ms);

static inline bool http_late(const struct http_request *req)
{
    return http_left_ms(req, 1) == 0;
}

/* Adds a field to the answer. name and value are copied; CR, LF and NUL in the value are a bug
 * (assert). */
void http_header(struct http_request *req, const char *name, const char *value);
void http_headerf(struct http_request *req, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The answers. Each ends the exchange: `req` is not touched afterwards. */

/* Body is what was written to req->out; Content-Length, Date and X-Request-Id are put by the
 * server; HEAD gets no body. A req->out that overflowed becomes a 500. */
void http_reply(struct http_request *req, int http_status, const char *content_type);
/* As http_reply with a body that outlives the exchange's sending (static or reference-counted by
 * `release`, which may be NULL). Not copied. */
void http_reply_shared(struct http_request *req, int http_status, const char *content_type,
                       struct slice body, void (*release)(void *arg), void *arg);
void http_reply_empty(struct http_request *req, int http_status); /* 204, 304 */
/* application/problem+json (RFC 9457) from the table, with `detail` for people (may be NULL). */
void http_reply_problem(struct http_request *req, enum problem problem, const char *detail);
void http_reply_problemf(struct http_request *req, enum problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, with members of its own: writes the standard ones into req->out and leaves the object
 * open for the caller, who then calls http_problem_end. */
struct json_out http_problem_begin(struct http_request *req, enum problem problem,
                                   const char *detail);
void http_problem_end(struct http_request *req, struct json_out *w, enum problem problem);
/* The problem that belongs to a failure; 503 gets Retry-After: 1. */
void http_reply_failure(struct http_request *req, enum status status);

#endif
