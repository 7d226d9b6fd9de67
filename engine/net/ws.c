/* A WebSocket of the server: a slot beside its connection's.
 *
 *   OPEN --ws_close, 1012 at a drain--> close sent --peer's close, or 2 s--> gone
 *   OPEN --peer's close--> answered --> gone
 *   OPEN --peer breaks the protocol--> close sent --> gone
 *
 * In any state the connection may end: ops->closed comes then, once, when the socket is closed. */
#include "engine/base/encode.h"
#include "engine/net/http_exchange.h"
#include "engine/net/ws_reader.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdio.h>

#define SEND_BUFFER  (32 * 1024) /* SO_SNDBUF: what is to be skipped must not hide in the kernel */
#define BACKLOG_MAX  (1024 * 1024) /* bytes queued for a socket; past it the socket ends, 1013 */
#define PONG_BACKLOG (64 * 1024)   /* with more waiting, pings are not answered */
#define REASON_MAX   123

enum {
    CODE_RESTART = 1012,
    CODE_TRY_LATER = 1013,
    CODE_UNSUPPORTED = 1003,
    CODE_NO_STATUS = 1005,
    CODE_ABNORMAL = 1006,
};

enum { OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

struct ws_shared {
    struct pool slots;
    struct ws_readers readers;
};

struct ws {
    struct conn *conn;
    struct http_server *server;
    const struct ws_ops *ops;
    void *ctx;
    struct list link;         /* in server->sockets until the close is sent */
    struct ws_reader *reader; /* while a frame is half read */
    uint16_t close_code;
    bool close_sent;
};

/* ---- frames ---- */

struct ws_frame {
    unsigned refs;
    uint8_t head_len;
    size_t size; /* head and payload */
    char bytes[];
};

static uint8_t put_frame_head(uint8_t *at, uint8_t opcode, size_t len)
{
    at[0] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        at[1] = (uint8_t)len;
        return 2;
    }
    if (len < 65536) {
        at[1] = 126;
        at[2] = (uint8_t)(len >> 8);
        at[3] = (uint8_t)len;
        return 4;
    }
    at[1] = 127;
    for (int i = 0; i < 8; i++)
        at[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
    return 10;
}

struct ws_frame *ws_frame_new(enum ws_kind kind, struct slice payload)
{
    uint8_t head[10];
    uint8_t head_len = put_frame_head(head, (uint8_t)kind, payload.len);
    struct ws_frame *f = mem_alloc(sizeof(*f) + head_len + payload.len);

    f->refs = 1;
    f->head_len = head_len;
    f->size = head_len + payload.len;
    memcpy(f->bytes, head, head_len);
    if (payload.len)
        memcpy(f->bytes + head_len, payload.at, payload.len);
    return f;
}

struct ws_frame *ws_frame_ref(struct ws_frame *f)
{
    f->refs++;
    return f;
}

void ws_frame_unref(struct ws_frame *f)
{
    if (f && --f->refs == 0)
        mem_free(f);
}

size_t ws_frame_size(const struct ws_frame *f)
{
    return f->size;
}

struct slice ws_frame_payload(const struct ws_frame *f)
{
    return slice_of(f->bytes + f->head_len, f->size - f->head_len);
}

/* ---- sending ---- */

static void send_control(struct ws *ws, uint8_t opcode, struct slice payload)
{
    struct buf *out = conn_out(ws->conn);
    uint8_t head[10];

    buf_append(out, head, put_frame_head(head, opcode, payload.len));
    buf_append_slice(out, payload);
    conn_out_done(ws->conn);
}

static void send_close(struct ws *ws, uint16_t code, const char *reason)
{
    char payload[2 + REASON_MAX];
    size_t len = reason ? strnlen(reason, REASON_MAX) : 0;

    ws->close_sent = true;
    list_remove(&ws->link);
    if (code == CODE_NO_STATUS) {
        send_control(ws, OPCODE_CLOSE, SLICE_NONE);
        return;
    }
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    if (len)
        memcpy(payload + 2, reason, len);
    send_control(ws, OPCODE_CLOSE, slice_of(payload, 2 + len));
}

static void release_frame(void *arg)
{
    ws_frame_unref(arg);
}

void ws_send(struct ws *ws, struct ws_frame *f)
{
    if (ws->close_sent || ws->conn->closing)
        return;
    if (conn_backlog(ws->conn) + f->size > BACKLOG_MAX) {
        ws_close(ws, CODE_TRY_LATER, "too slow");
        return;
    }
    conn_send_shared(ws->conn, slice_of(f->bytes, f->size), release_frame, ws_frame_ref(f));
}

size_t ws_backlog(const struct ws *ws)
{
    return conn_backlog(ws->conn);
}

void ws_close(struct ws *ws, uint16_t code, const char *reason)
{
    if (ws->close_sent || ws->conn->closing)
        return;
    ws->close_code = code;
    send_close(ws, code, reason);
    conn_deadline(ws->conn, CONN_DEADLINE_WS_CLOSE);
}

void ws_set_ctx(struct ws *ws, void *ctx)
{
    ws->ctx = ctx;
}

void *ws_ctx(const struct ws *ws)
{
    return ws->ctx;
}

/* ---- receiving ---- */

/* The peer broke a rule: says so and ends. */
static void fail(struct ws *ws, uint16_t code)
{
    if (!ws->close_sent) {
        ws->close_code = code;
        send_close(ws, code, NULL);
    }
    conn_finish(ws->conn, true);
}

static void got_message(void *owner, enum ws_kind kind, struct slice payload)
{
    struct ws *ws = owner;

    if (ws->close_sent)
        return;
    if (ws->ops->message)
        ws->ops->message(ws, kind, payload, ws->ctx);
    else
        fail(ws, CODE_UNSUPPORTED);
}

static void got_ping(void *owner, struct slice payload)
{
    struct ws *ws = owner;

    if (!ws->close_sent && conn_backlog(ws->conn) < PONG_BACKLOG)
        send_control(ws, OPCODE_PONG, payload);
}

static void got_close(void *owner, uint16_t code)
{
    struct ws *ws = owner;

    if (!ws->close_sent) {
        ws->close_code = code;
        send_close(ws, code, NULL);
    }
    conn_finish(ws->conn, true);
}

static void ws_bytes(struct conn *c, const char *at, size_t len)
{
    static const struct ws_sink sink = {got_message, got_ping, got_close};
    struct ws *ws = c->owner;
    struct ws_readers *readers = &ws->server->ws_shared->readers;
    size_t message_max = ws->ops->message ? ws->ops->message_max : WS_CONTROL_MAX;
    uint16_t wrong;

    if (!ws->close_sent)
        conn_deadline(c, CONN_DEADLINE_WS_IDLE);
    if (!ws->reader)
        ws->reader = ws_reader_borrow(readers);
    wrong = ws_reader_feed(ws->reader, slice_of(at, len), message_max, &sink, ws);
    if (wrong)
        fail(ws, wrong);
    if (!wrong && !ws_reader_at_rest(ws->reader) && !c->finishing)
        return;
    ws_reader_return(readers, ws->reader);
    ws->reader = NULL;
}

static void ws_flushed(struct conn *c)
{
    struct ws *ws = c->owner;

    if (ws->ops->drained && !ws->close_sent)
        ws->ops->drained(ws, ws->ctx);
}

static void ws_expired(struct conn *c, enum conn_deadline kind)
{
    struct ws *ws = c->owner;

    if (kind == CONN_DEADLINE_WS_IDLE) {
        send_control(ws, OPCODE_PING, SLICE_NONE);
        conn_deadline(c, CONN_DEADLINE_WS_PONG);
        return;
    }
    if (kind == CONN_DEADLINE_WS_PONG)
        ws->server->values.http_timeouts_total++;
    conn_close(c);
}

static void ws_closed(struct conn *c)
{
    struct ws *ws = c->owner;
    struct http_server *s = ws->server;

    s->values.http_connections--;
    s->values.ws_connections--;
    list_remove(&ws->link);
    ws_reader_return(&s->ws_shared->readers, ws->reader);
    ws->ops->closed(ws, ws->close_code, ws->ctx);
    pool_give(&s->ws_shared->slots, ws);
}

static const struct conn_ops ws_conn_ops = {
    .bytes = ws_bytes,
    .flushed = ws_flushed,
    .expired = ws_expired,
    .closed = ws_closed,
};

/* ---- the handshake ---- */

struct slice ws_offered(const struct http_request *req)
{
    return http_header_get(req, "sec-websocket-protocol");
}

static bool in_list(struct slice list, struct slice wanted)
{
    while (list.at) {
        if (slice_eq_nocase(slice_trim(slice_cut(&list, ',')), wanted))
            return true;
    }
    return false;
}

bool ws_origin_ok(const struct http_request *req, const char *allowed)
{
    struct slice origin = http_header_get(req, "origin");
    struct slice host = http_header_get(req, "host");
    struct slice forwarded = http_header_get(req, "x-forwarded-host");
    const char *mark;
    struct slice name;

    if (!origin.at)
        return true;
    if (allowed && in_list(slice_str(allowed), origin))
        return true;
    mark = memmem(origin.at, origin.len, "://", 3);
    if (!mark)
        return false;
    name = slice_of(mark + 3, origin.len - (size_t)(mark + 3 - origin.at));
    if (forwarded.at && http_exchange_trusted(req->exchange))
        host = forwarded;
    return slice_eq_nocase(name, host);
}

/* RFC 6455 section 4.2.2, step 5.4. `ret_text` takes 29 bytes. */
static void accept_key(struct slice key, char *ret_text)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char joined[24 + sizeof(guid)];
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct buf text;

    assert(key.len == 24);
    memcpy(joined, key.at, 24);
    memcpy(joined + 24, guid, sizeof(guid) - 1);
    SHA1((const unsigned char *)joined, 24 + sizeof(guid) - 1, digest);
    buf_init(&text, 64);
    base64_append(&text, digest, sizeof(digest));
    memcpy(ret_text, text.at, 28);
    ret_text[28] = '\0';
    buf_free(&text);
}

/* False: the problem is answered. */
static bool check_handshake(struct http_request *req, struct slice *ret_key)
{
    const struct http_head *head = &req->exchange->head;
    uint8_t nonce[16];

    if (!head->upgrade || req->method != HTTP_GET_ || head->http10 ||
        !in_list(http_header_get(req, "upgrade"), SLICE_LITERAL("websocket"))) {
        http_header(req, "Upgrade", "websocket");
        http_reply_problem(req, PROBLEM_UPGRADE_REQUIRED, NULL);
        return false;
    }
    if (!slice_is(http_header_get(req, "sec-websocket-version"), "13")) {
        http_header(req, "Sec-WebSocket-Version", "13");
        http_reply_problem(req, PROBLEM_UPGRADE_REQUIRED, "Only version 13 is spoken");
        return false;
    }
    *ret_key = http_header_get(req, "sec-websocket-key");
    if (ret_key->len != 24 || base64_decode(*ret_key, nonce, sizeof(nonce)) != sizeof(nonce)) {
        http_reply_problem(req, PROBLEM_BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64");
        return false;
    }
    if (req->exchange->server->draining || http_gone(req)) {
        http_reply_problem(req, PROBLEM_UNAVAILABLE, NULL);
        return false;
    }
    return true;
}

static void switch_protocols(struct http_exchange *ex, const char *accept, const char *subprotocol)
{
    struct buf *out = conn_out(ex->conn);

    buf_append_str(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    buf_append_str(out, accept);
    if (subprotocol) {
        buf_append_str(out, "\r\nSec-WebSocket-Protocol: ");
        buf_append_str(out, subprotocol);
    }
    buf_append_str(out, "\r\nX-Request-Id: ");
    buf_append_str(out, ex->req.request_id);
    buf_append_str(out, "\r\n");
    if (ex->fields)
        buf_append_slice(out, buf_slice(ex->fields));
    buf_append_str(out, "\r\n");
    conn_out_done(ex->conn);
}

static struct ws_shared *shared_of(struct http_server *s)
{
    if (!s->ws_shared) {
        s->ws_shared = mem_alloc(sizeof(*s->ws_shared));
        pool_init(&s->ws_shared->slots, sizeof(struct ws), s->conns.slots.capacity);
        ws_readers_init(&s->ws_shared->readers, &s->conns.buffers);
    }
    return s->ws_shared;
}

void ws_shared_free(struct http_server *s)
{
    if (!s->ws_shared)
        return;
    ws_readers_free(&s->ws_shared->readers);
    pool_free(&s->ws_shared->slots);
    mem_free(s->ws_shared);
}

struct ws *ws_accept(struct http_request *req, const char *subprotocol, const struct ws_ops *ops,
                     void *ctx)
{
    struct http_exchange *ex = req->exchange;
    struct http_server *s = ex->server;
    int send_buffer = SEND_BUFFER;
    char accept[29];
    struct slice key;
    struct ws *ws;

    if (!check_handshake(req, &key))
        return NULL;
    ws = pool_take(&shared_of(s)->slots);
    assert(ws && "there are as many slots as connections");
    *ws = (struct ws){
        .conn = ex->conn, .server = s, .ops = ops, .ctx = ctx, .close_code = CODE_ABNORMAL};
    list_push_back(&s->sockets, &ws->link);
    s->values.ws_connections++;
    accept_key(key, accept);
    switch_protocols(ex, accept, subprotocol);
    uv_send_buffer_size((uv_handle_t *)&ex->conn->tcp, &send_buffer);
    conn_set_owner(ex->conn, &ws_conn_ops, ws);
    conn_deadline(ex->conn, CONN_DEADLINE_WS_IDLE);
    ex->upgraded = true;
    http_exchange_answered(ex, false);
    return ws;
}

/* ---- drain ---- */

/* Closes as many sockets as the part of the drain that is over asks for, so that their clients do
 * not come back all at once. */
void ws_drain_step(struct http_server *s, int64_t now_ms)
{
    int64_t window = (s->drain_until - s->drain_started) * 3 / 4;
    int64_t passed = now_ms - s->drain_started;
    int64_t stay = passed >= window ? 0 : s->drain_sockets * (window - passed) / window;
    int64_t open = 0;

    list_for_each (it, &s->sockets)
        open++;
    for (; open > stay; open--) {
        struct ws *ws = list_entry(s->sockets.next, struct ws, link);
        char reason[48];

        snprintf(reason, sizeof(reason), "retry in %u ms",
                 (unsigned)rng_below(&s->rng, (uint64_t)(window > 0 ? window : 1)));
        ws_close(ws, CODE_RESTART, reason);
        list_remove(&ws->link); /* also when it was closing already */
    }
}
