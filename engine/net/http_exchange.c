#include "engine/net/http_exchange.h"

#include "engine/base/uuid.h"

#include <arpa/inet.h>
#include <assert.h>

/* Answers wait for a reader up to this much, then no more requests of that connection are read. */
#define ANSWERS_QUEUED_MAX (256 * 1024)

/* ---- life ---- */

static struct http_exchange *begin(struct conn *c)
{
    struct http_server *s = container_of(c->set, struct http_server, conns);
    struct http_exchange *ex = pool_take(&s->exchanges);

    if (!ex)
        return NULL;
    memset(ex, 0, offsetof(struct http_exchange, chunks));
    ex->head.field_count = 0;
    ex->req.exchange = ex;
    ex->server = s;
    ex->conn = c;
    ex->in = buffers_borrow(&s->conns.buffers, HTTP_HEAD_MAX + HTTP_BODY_MAX);
    c->owner = ex;
    return ex;
}

void http_exchange_free(struct http_exchange *ex)
{
    struct http_server *s = ex->server;
    struct buffers *b = &s->conns.buffers;

    if (ex->counted)
        s->values.http_requests_in_flight--;
    if (ex->let_in && s->done)
        s->done(&ex->req, ex->waited && ex->state == EXCHANGE_HANDLING, s->gate_ctx);
    if (ex->conn && !ex->upgraded)
        ex->conn->owner = NULL;
    buffers_return(b, ex->req.out);
    buffers_return(b, ex->in);
    buffers_return(b, ex->fields);
    buffers_return(b, ex->decoded);
    buffers_return(b, ex->chunked_body);
    pool_give(&s->exchanges, ex);
    http_server_release(s);
}

/* What a connection waits for when an answer is on its way. */
static void after_answer(struct http_exchange *ex)
{
    struct conn *c = ex->conn;
    bool keep = ex->keep_alive && ex->body_complete;
    bool upgraded = ex->upgraded;
    bool linger = !ex->body_complete;

    http_exchange_free(ex);
    if (!c || upgraded)
        return;
    if (keep)
        conn_deadline(c, CONN_DEADLINE_IDLE);
    else
        conn_finish(c, linger);
}

void http_exchange_answered(struct http_exchange *ex, bool close)
{
    struct conn *c = ex->conn;

    assert(!ex->answered && "an exchange is answered once");
    ex->answered = true;
    if (close)
        ex->keep_alive = false;
    if (ex->dispatching)
        return; /* the one who called the handler goes on */
    after_answer(ex);
    if (c)
        conn_resume(c);
}

/* ---- from head to handler ---- */

static void problem_and_close(struct http_exchange *ex, enum problem problem)
{
    ex->keep_alive = false;
    ex->body_complete = false;
    http_reply_problem(&ex->req, problem, NULL);
}

static void take_request_id(struct http_exchange *ex)
{
    struct slice given = http_header_get(&ex->req, "x-request-id");
    bool sane = given.len > 0 && given.len < sizeof(ex->req.request_id);
    struct uuid id;

    for (size_t i = 0; sane && i < given.len; i++) {
        char ch = given.at[i];
        char lower = (char)(ch | 0x20);

        sane = (ch >= '0' && ch <= '9') || (lower >= 'a' && lower <= 'z') || ch == '-' ||
               ch == '_' || ch == '.';
        ex->req.request_id[i] = ch >= 'A' && ch <= 'Z' ? lower : ch;
    }
    if (sane) {
        ex->req.request_id[given.len] = '\0';
        return;
    }
    id = uuid_v7(loop_wall_ms(ex->server->loop), &ex->server->rng);
    uuid_format(&id, ex->req.request_id);
}

bool http_exchange_trusted(const struct http_exchange *ex)
{
    const char *peer = ex->conn ? ex->conn->peer : "";

    return strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 ||
           strncmp(peer, "::ffff:127.", 11) == 0;
}

static bool is_address(struct slice text)
{
    char copy[CONN_PEER_SIZE];
    struct in6_addr any;

    return slice_to_str(text, copy, sizeof(copy)) &&
           (inet_pton(AF_INET, copy, &any) == 1 || inet_pton(AF_INET6, copy, &any) == 1);
}

void http_exchange_prepare(struct http_exchange *ex)
{
    if (!ex->req.out)
        ex->req.out = buffers_borrow(&ex->server->conns.buffers, HTTP_ANSWER_MAX);
    if (!ex->req.request_id[0])
        take_request_id(ex);
}

static struct slice client_address(const struct http_exchange *ex)
{
    struct slice forwarded = http_header_get(&ex->req, "x-forwarded-for");
    struct slice last = SLICE_NONE;

    if (!forwarded.at || !http_exchange_trusted(ex))
        return slice_str(ex->conn->peer);
    while (forwarded.at)
        last = slice_trim(slice_cut(&forwarded, ','));
    return is_address(last) ? last : slice_str(ex->conn->peer);
}

/* The spans of the head become slices, now that its bytes stay where they are. */
static void resolve(struct http_exchange *ex)
{
    struct slice head = slice_of(ex->in->at, ex->head_len);
    struct http_request *req = &ex->req;

    req->path = http_span_in(head, ex->head.path);
    req->query = http_span_in(head, ex->head.query);
    req->peer = client_address(ex);
    req->traceparent = http_header_get(req, "traceparent");
    if (req->traceparent.at && !http_traceparent_ok(req->traceparent))
        req->traceparent = SLICE_NONE;
}

static bool has_body(const struct http_exchange *ex)
{
    return ex->head.chunked || ex->head.content_length > 0;
}

static size_t body_max(const struct http_exchange *ex)
{
    return ex->req.route->body_max ? ex->req.route->body_max : HTTP_BODY_MAX;
}

/* A gate's and a handler's slices must not move: the memory of the whole body is taken before they
 * see the request. */
static void make_room(struct http_exchange *ex)
{
    size_t body = ex->head.chunked ? 0 : (size_t)ex->head.content_length;
    const char *before = ex->in->at;
    char allow[64];

    ex->in->limit = HTTP_HEAD_MAX + body_max(ex);
    if (body == 0 || !buf_reserve(ex->in, body) || ex->in->at == before)
        return;
    resolve(ex);
    router_match(ex->server->router, &ex->req, &ex->route_ctx, allow);
}

/* Asks everything that can refuse the request before its body is read. False: answered. */
static bool admit(struct http_exchange *ex)
{
    struct http_server *s = ex->server;
    const struct route *route = ex->req.route;

    if (s->values.http_requests_in_flight >= (int64_t)s->options.requests &&
        !(route->flags & ROUTE_NEVER_SHED)) {
        s->values.http_shed_total++;
        http_reply_problem(&ex->req, PROBLEM_OVERLOADED, NULL);
        return false;
    }
    ex->counted = true;
    s->values.http_requests_in_flight++;
    if (!ex->head.chunked && ex->head.content_length > body_max(ex)) {
        http_reply_problemf(&ex->req, PROBLEM_BODY_TOO_LARGE, "At most %zu bytes", body_max(ex));
        return false;
    }
    if ((route->flags & ROUTE_WEBSOCKET) && !ex->head.upgrade) {
        http_header(&ex->req, "Upgrade", "websocket");
        http_reply_problem(&ex->req, PROBLEM_UPGRADE_REQUIRED, NULL);
        return false;
    }
    if ((route->flags & ROUTE_ADMIN) && !s->gate) {
        http_reply_problem(&ex->req, PROBLEM_UNAUTHORIZED, NULL);
        return false;
    }
    make_room(ex);
    ex->let_in = !s->gate || s->gate(&ex->req, s->gate_ctx);
    return ex->let_in;
}

/* False: answered 404 or 405. */
static bool find_route(struct http_exchange *ex)
{
    char allow[64];

    switch (router_match(ex->server->router, &ex->req, &ex->route_ctx, allow)) {
    case ROUTE_FOUND: return true;
    case ROUTE_NO_PATH: http_reply_problem(&ex->req, PROBLEM_NOT_FOUND, NULL); return false;
    case ROUTE_NO_METHOD:
        http_header(&ex->req, "Allow", allow);
        http_reply_problem(&ex->req, PROBLEM_METHOD_NOT_ALLOWED, NULL);
        return false;
    }
    return false;
}

static void expect_body(struct http_exchange *ex)
{
    ex->state = EXCHANGE_BODY;
    ex->body_left = ex->head.content_length;
    if (!ex->head.chunked)
        return;
    ex->chunked_body = buffers_borrow(&ex->server->conns.buffers, body_max(ex));
    http_chunks_init(&ex->chunks, ex->chunked_body);
}

static void continue_100(struct http_exchange *ex)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (!ex->head.expect_continue || ex->head.http10)
        return;
    buf_append(conn_out(ex->conn), text, sizeof(text) - 1);
    conn_out_done(ex->conn);
    conn_flush(ex->conn);
}

/* `here`: bytes behind the head that have come with it. Returns how many of them are dropped: the
 * body of a request that is refused without a look at it, if all of it is here. So a refusal does
 * not cost the client its connection, which would make a refusal dearer than the work. */
static size_t head_complete(struct http_exchange *ex, size_t here)
{
    bool whole = !ex->head.chunked && ex->head.content_length <= here;

    ex->req.method = ex->head.method;
    ex->keep_alive = ex->head.keep_alive && !ex->server->draining;
    ex->body_complete = whole;
    ex->req.started_ns = loop_mono_ns(ex->server->loop);
    ex->req.due = due_in(ex->req.started_ns, ex->server->options.request_ms);
    http_exchange_prepare(ex);
    resolve(ex);
    if (!find_route(ex) || !admit(ex))
        return whole ? (size_t)ex->head.content_length : 0;
    ex->body_complete = !has_body(ex);
    if (ex->body_complete) {
        ex->state = EXCHANGE_HANDLING;
        return 0;
    }
    expect_body(ex);
    if (here == 0)
        continue_100(ex);
    return 0;
}

static void handle(struct http_exchange *ex)
{
    if (ex->chunked_body)
        ex->req.body = buf_slice(ex->chunked_body);
    else
        ex->req.body = slice_of(ex->in->at + ex->head_len, ex->in->len - ex->head_len);
    ex->req.route->handler(&ex->req, ex->route_ctx);
}

/* ---- bytes ---- */

/* Each returns how many bytes of `at` it used. */

static size_t read_head(struct http_exchange *ex, const char *at, size_t len)
{
    size_t before = ex->in->len;
    struct slice all = slice_of(at, len);
    enum problem problem = PROBLEM_BAD_REQUEST;
    enum http_parse result;
    size_t head_len = 0;

    if (before > 0) { /* the start came earlier: read where both are */
        size_t room = HTTP_HEAD_MAX + 1 - before;

        buf_append(ex->in, at, len < room ? len : room);
        all = buf_slice(ex->in);
    }
    result = http_scan_head(&ex->scan, all, &head_len, &problem);
    if (result == HTTP_PARSE_DONE)
        result = http_parse_head(slice_of(all.at, head_len), &ex->head, &problem);
    if (result == HTTP_PARSE_BAD) {
        ex->head.field_count = 0;
        problem_and_close(ex, problem);
        return len;
    }
    if (before == 0)
        buf_append(ex->in, at, result == HTTP_PARSE_DONE ? head_len : len);
    if (result == HTTP_PARSE_MORE)
        return len;
    ex->in->len = ex->head_len = head_len;
    head_len -= before;
    return head_len + head_complete(ex, len - head_len);
}

static size_t read_chunks(struct http_exchange *ex, const char *at, size_t len)
{
    enum problem problem;
    size_t used;

    switch (http_chunks_feed(&ex->chunks, slice_of(at, len), &used, &problem)) {
    case HTTP_PARSE_MORE: break;
    case HTTP_PARSE_BAD: problem_and_close(ex, problem); break;
    case HTTP_PARSE_DONE:
        ex->body_complete = true;
        ex->state = EXCHANGE_HANDLING;
        break;
    }
    return used;
}

static size_t read_body(struct http_exchange *ex, const char *at, size_t len)
{
    size_t used = len < ex->body_left ? len : (size_t)ex->body_left;

    if (ex->chunked_body)
        return read_chunks(ex, at, len);
    buf_append(ex->in, at, used);
    ex->body_left -= used;
    if (ex->body_left == 0) {
        ex->body_complete = true;
        ex->state = EXCHANGE_HANDLING;
    }
    return used;
}

/* One step of an exchange with what is here. */
static void step(struct http_exchange *ex, const char **at, size_t *len)
{
    size_t used;

    ex->dispatching = true;
    used = ex->state == EXCHANGE_HEAD ? read_head(ex, *at, *len) : read_body(ex, *at, *len);
    *at += used;
    *len -= used;
    if (!ex->answered && ex->state == EXCHANGE_HANDLING)
        handle(ex);
    ex->dispatching = false;
    ex->waited = !ex->answered;
    if (ex->answered)
        after_answer(ex);
    else if (ex->state == EXCHANGE_HANDLING)
        conn_deadline(ex->conn, CONN_DEADLINE_NONE); /* its handler has its own */
}

static void arm_deadline(struct conn *c)
{
    const struct http_exchange *ex = c->owner;

    if (!ex)
        return; /* after_answer has */
    if (ex->state == EXCHANGE_HEAD && c->deadline != CONN_DEADLINE_HEAD)
        conn_deadline(c, CONN_DEADLINE_HEAD);
    else if (ex->state == EXCHANGE_BODY && c->deadline != CONN_DEADLINE_BODY)
        conn_deadline(c, CONN_DEADLINE_BODY);
}

static void http_bytes(struct conn *c, const char *at, size_t len)
{
    while (len > 0 && !c->closing && !c->finishing && c->ops == &http_conn_ops) {
        struct http_exchange *ex = c->owner;

        if (c->queued > ANSWERS_QUEUED_MAX)
            conn_flush(c);
        if (ex ? ex->state == EXCHANGE_HANDLING : c->queued > ANSWERS_QUEUED_MAX) {
            conn_hold_back(c, at, len);
            return;
        }
        if (!ex)
            ex = begin(c);
        if (!ex) {
            conn_close(c);
            return;
        }
        step(ex, &at, &len);
    }
    if (c->closing || c->finishing)
        return;
    if (c->ops != &http_conn_ops) {
        if (len > 0)
            c->ops->bytes(c, at, len);
        return;
    }
    arm_deadline(c);
}

static void http_flushed(struct conn *c)
{
    if (c->held && !c->owner)
        conn_resume(c);
}

static void http_expired(struct conn *c, enum conn_deadline kind)
{
    struct http_server *s = container_of(c->set, struct http_server, conns);
    struct http_exchange *ex = c->owner;

    if (kind == CONN_DEADLINE_IDLE || !ex) {
        conn_close(c);
        return;
    }
    s->values.http_timeouts_total++;
    problem_and_close(ex, PROBLEM_REQUEST_TIMEOUT);
}

static void http_closed(struct conn *c)
{
    struct http_server *s = container_of(c->set, struct http_server, conns);
    struct http_exchange *ex = c->owner;

    s->values.http_connections--;
    if (!ex)
        return;
    ex->conn = NULL;
    if (ex->state != EXCHANGE_HANDLING)
        http_exchange_free(ex);
}

const struct conn_ops http_conn_ops = {
    .bytes = http_bytes,
    .flushed = http_flushed,
    .expired = http_expired,
    .closed = http_closed,
};
