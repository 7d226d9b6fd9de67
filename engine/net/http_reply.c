/* How an exchange is answered: the answer's head and body go into the connection's queue. */
#include "engine/net/http_exchange.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define COPIED_MAX (8 * 1024) /* a larger body is sent from where it is */
#define HEAD_ROOM  512        /* the server's own fields of an answer, at most */

/* ---- fields ---- */

void http_header(struct http_request *req, const char *name, const char *value)
{
    struct http_exchange *ex = req->exchange;

    assert(!strpbrk(name, "\r\n: ") && !strpbrk(value, "\r\n"));
    if (!ex->fields)
        ex->fields = buffers_borrow(&ex->server->conns.buffers, HTTP_FIELDS_OUT_MAX);
    buf_append_str(ex->fields, name);
    buf_append(ex->fields, ": ", 2);
    buf_append_str(ex->fields, value);
    buf_append(ex->fields, "\r\n", 2);
}

void http_headerf(struct http_request *req, const char *name, const char *format, ...)
{
    char value[1024];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof(value));
    (void)len;
    http_header(req, name, value);
}

/* ---- the head of an answer ---- */

static struct slice reason_of(int http_status)
{
    switch (http_status) {
    case 200: return SLICE_LITERAL("200 OK");
    case 201: return SLICE_LITERAL("201 Created");
    case 202: return SLICE_LITERAL("202 Accepted");
    case 204: return SLICE_LITERAL("204 No Content");
    case 206: return SLICE_LITERAL("206 Partial Content");
    case 301: return SLICE_LITERAL("301 Moved Permanently");
    case 302: return SLICE_LITERAL("302 Found");
    case 303: return SLICE_LITERAL("303 See Other");
    case 304: return SLICE_LITERAL("304 Not Modified");
    case 307: return SLICE_LITERAL("307 Temporary Redirect");
    case 308: return SLICE_LITERAL("308 Permanent Redirect");
    case 400: return SLICE_LITERAL("400 Bad Request");
    case 401: return SLICE_LITERAL("401 Unauthorized");
    case 402: return SLICE_LITERAL("402 Payment Required");
    case 403: return SLICE_LITERAL("403 Forbidden");
    case 404: return SLICE_LITERAL("404 Not Found");
    case 405: return SLICE_LITERAL("405 Method Not Allowed");
    case 406: return SLICE_LITERAL("406 Not Acceptable");
    case 408: return SLICE_LITERAL("408 Request Timeout");
    case 409: return SLICE_LITERAL("409 Conflict");
    case 410: return SLICE_LITERAL("410 Gone");
    case 413: return SLICE_LITERAL("413 Content Too Large");
    case 414: return SLICE_LITERAL("414 URI Too Long");
    case 415: return SLICE_LITERAL("415 Unsupported Media Type");
    case 422: return SLICE_LITERAL("422 Unprocessable Content");
    case 426: return SLICE_LITERAL("426 Upgrade Required");
    case 429: return SLICE_LITERAL("429 Too Many Requests");
    case 431: return SLICE_LITERAL("431 Request Header Fields Too Large");
    case 500: return SLICE_LITERAL("500 Internal Server Error");
    case 501: return SLICE_LITERAL("501 Not Implemented");
    case 502: return SLICE_LITERAL("502 Bad Gateway");
    case 503: return SLICE_LITERAL("503 Service Unavailable");
    case 505: return SLICE_LITERAL("505 HTTP Version Not Supported");
    default: return SLICE_NONE;
    }
}

static char *put(char *at, struct slice s)
{
    memcpy(at, s.at, s.len);
    return at + s.len;
}

static char *put_number(char *at, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

static char *put_status(char *at, int http_status)
{
    struct slice reason = reason_of(http_status);

    at = put(at, SLICE_LITERAL("HTTP/1.1 "));
    if (reason.at)
        at = put(at, reason);
    else
        at = put(put_number(at, (uint64_t)http_status), SLICE_LITERAL(" -"));
    return put(at, SLICE_LITERAL("\r\n"));
}

static void write_head(const struct http_exchange *ex, struct buf *out, int http_status,
                       const char *content_type, size_t content_length)
{
    const struct http_server *s = ex->server;
    struct slice type = slice_str(content_type);
    struct slice fields = ex->fields ? buf_slice(ex->fields) : SLICE_NONE;
    bool keep = ex->keep_alive && ex->body_complete && !s->draining;
    char *start = buf_reserve(out, HEAD_ROOM + type.len + fields.len);
    char *at = start;

    if (!start)
        return;
    at = put_status(at, http_status);
    at = put(at, slice_of(s->date, s->date_len));
    if (type.len) {
        at = put(put(at, SLICE_LITERAL("Content-Type: ")), type);
        at = put(at, SLICE_LITERAL("\r\n"));
    }
    if (http_status != 204 && http_status != 304) {
        at = put_number(put(at, SLICE_LITERAL("Content-Length: ")), content_length);
        at = put(at, SLICE_LITERAL("\r\n"));
    }
    at = put(put(at, SLICE_LITERAL("X-Request-Id: ")), slice_str(ex->req.request_id));
    at = put(at, SLICE_LITERAL("\r\n"));
    if (fields.len)
        at = put(at, fields);
    if (!keep)
        at = put(at, SLICE_LITERAL("Connection: close\r\n"));
    else if (ex->head.http10)
        at = put(at, SLICE_LITERAL("Connection: keep-alive\r\n"));
    at = put(at, SLICE_LITERAL("\r\n"));
    buf_commit(out, (size_t)(at - start));
}

static void count(struct http_exchange *ex, int http_status)
{
    struct http_server_metrics *m = &ex->server->values;
    int64_t started = ex->req.started_ns;

    m->http_requests_total++;
    m->http_responses_4xx_total += http_status >= 400 && http_status < 500;
    m->http_responses_5xx_total += http_status >= 500;
    if (started && m->http_request_us.counts) /* on a page */
        hist_record(&m->http_request_us,
                    (uint64_t)(loop_mono_ns(ex->server->loop) - started) / 1000);
}

/* ---- answers ---- */

static bool has_no_body(const struct http_exchange *ex, int http_status)
{
    return ex->req.method == HTTP_HEAD_ || http_status == 204 || http_status == 304;
}

void http_answer(struct http_exchange *ex, int http_status, const char *content_type,
                 struct slice body, void (*release)(void *arg), void *arg)
{
    struct conn *c = ex->conn;
    bool send_body = !has_no_body(ex, http_status) && body.len > 0;
    bool copy = body.len <= COPIED_MAX;
    struct buf *out;

    count(ex, http_status);
    if (!c || c->closing) {
        if (release)
            release(arg);
        return;
    }
    out = conn_out(c);
    write_head(ex, out, http_status, content_type, body.len);
    if (send_body && copy)
        buf_append(out, body.at, body.len);
    conn_out_done(c);
    if (send_body && !copy && body.at == (ex->req.out ? ex->req.out->at : NULL)) {
        conn_send_buf(c, ex->req.out);
        ex->req.out = NULL;
    } else if (send_body && !copy) {
        conn_send_shared(c, body, release, arg);
    } else if (release) {
        release(arg);
    }
}

void http_reply(struct http_request *req, int http_status, const char *content_type)
{
    struct http_exchange *ex = req->exchange;

    if (req->out->failed || (ex->fields && ex->fields->failed)) {
        if (ex->fields)
            buf_clear(ex->fields);
        http_reply_problem(req, PROBLEM_INTERNAL, "The answer is too large");
        return;
    }
    http_answer(ex, http_status, content_type, buf_slice(req->out), NULL, NULL);
    http_exchange_answered(ex, false);
}

void http_reply_shared(struct http_request *req, int http_status, const char *content_type,
                       struct slice body, void (*release)(void *arg), void *arg)
{
    http_answer(req->exchange, http_status, content_type, body, release, arg);
    http_exchange_answered(req->exchange, false);
}

void http_reply_empty(struct http_request *req, int http_status)
{
    http_answer(req->exchange, http_status, NULL, SLICE_NONE, NULL, NULL);
    http_exchange_answered(req->exchange, false);
}

/* ---- problems ---- */

static bool has_field(const struct http_exchange *ex, const char *name)
{
    return ex->fields && ex->fields->len > 0 &&
           memmem(ex->fields->at, ex->fields->len, name, strlen(name)) != NULL;
}

/* RFC 9110 11.6.1: a 401 says what would be accepted. */
static const char *scheme_of(enum problem problem)
{
    return problem == PROBLEM_TICKET_INVALID ? "Ticket" : "Bearer";
}

static void problem_fields(struct http_request *req, enum problem problem)
{
    const struct http_exchange *ex = req->exchange;
    int http_status = problem_http(problem);

    if (http_status == 401 && !has_field(ex, "WWW-Authenticate: "))
        http_header(req, "WWW-Authenticate", scheme_of(problem));
    if (http_status == 503 && !has_field(ex, "Retry-After: "))
        http_header(req, "Retry-After", "1");
    if (!has_field(ex, "Cache-Control: "))
        http_header(req, "Cache-Control", "no-store");
}

struct json_out http_problem_begin(struct http_request *req, enum problem problem,
                                   const char *detail)
{
    struct json_out w;
    char type[64];

    http_exchange_prepare(req->exchange);
    buf_clear(req->out);
    snprintf(type, sizeof(type), "/problems/%s", problem_code(problem));
    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_str(&w, "type", slice_str(type));
    json_put_str(&w, "title", slice_str(problem_title(problem)));
    json_put_int(&w, "status", problem_http(problem));
    if (detail)
        json_put_str(&w, "detail", slice_str(detail));
    if (req->path.len)
        json_put_str(&w, "instance", req->path);
    json_put_str(&w, "code", slice_str(problem_code(problem)));
    json_put_str(&w, "requestId", slice_str(req->request_id));
    return w;
}

void http_problem_end(struct http_request *req, struct json_out *w, enum problem problem)
{
    json_object_end(w);
    problem_fields(req, problem);
    http_reply(req, problem_http(problem), "application/problem+json");
}

void http_reply_problem(struct http_request *req, enum problem problem, const char *detail)
{
    struct json_out w = http_problem_begin(req, problem, detail);

    http_problem_end(req, &w, problem);
}

void http_reply_problemf(struct http_request *req, enum problem problem, const char *format, ...)
{
    char detail[512];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    http_reply_problem(req, problem, detail);
}

void http_reply_failure(struct http_request *req, enum status status)
{
    http_reply_problem(req, problem_of_status(status), NULL);
}
