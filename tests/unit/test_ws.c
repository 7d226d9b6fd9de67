/* WebSockets of the server over real sockets; the client's side is written out by hand. */
#include "engine/net/http_server.h"
#include "engine/net/ws.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/lib/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(ws, .fini = assert_no_leaks);

#define MESSAGE_MAX 100000

struct fixture {
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct metric_page page;
    struct http_server_metrics *values;
    struct http_request *parked;
    struct ws *last; /* accepted */
    int messages, closed, drains, drained;
    uint16_t code;
    const struct ws_ops *ops;
    const char *origins;
    struct wire w;
};

static void echo(struct ws *ws, enum ws_kind kind, struct slice payload, void *ctx)
{
    struct fixture *f = ctx;
    struct ws_frame *frame = ws_frame_new(kind, payload);

    f->messages++;
    ws_send(ws, frame);
    ws_frame_unref(frame);
}

static void has_drained(struct ws *ws, void *ctx)
{
    (void)ws;
    ((struct fixture *)ctx)->drains++;
}

static void has_closed(struct ws *ws, uint16_t code, void *ctx)
{
    struct fixture *f = ctx;

    f->closed++;
    f->code = code;
    if (f->last == ws)
        f->last = NULL;
}

static const struct ws_ops talking = {echo, has_drained, has_closed, MESSAGE_MAX};
static const struct ws_ops deaf = {NULL, NULL, has_closed, 0};

static void accept_it(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;
    struct ws *ws;

    if (!ws_origin_ok(req, f->origins)) {
        http_reply_problem(req, PROBLEM_ORIGIN_FORBIDDEN, NULL);
        return;
    }
    ws = ws_accept(req, slice_is(ws_offered(req), "p1") ? "p1" : NULL, f->ops, f);
    if (ws)
        f->last = ws;
}

static void park(struct http_request *req, void *ctx)
{
    ((struct fixture *)ctx)->parked = req;
}

static const struct route routes[] = {
    {HTTP_GET_, "/ws", accept_it, ROUTE_WEBSOCKET, 0},
    {HTTP_GET_, "/later", park, ROUTE_WEBSOCKET, 0},
};

static void begin_with(struct fixture *f, unsigned idle_ms)
{
    const struct http_server_options options = {
        .connections = 64, .requests = 64, .ws_idle_ms = idle_ms, .ws_pong_ms = 50};
    char why[100];

    memset(f, 0, sizeof(*f));
    f->ops = &talking;
    loop_init(&f->loop, &clock_system);
    router_init(&f->router);
    router_add(&f->router, routes, array_len(routes), f);
    f->server = http_server_new(&f->loop, &f->router, &options);
    metric_page_init(&f->page);
    metric_page_add(&f->page, http_server_metrics(f->server));
    f->values = http_server_metrics(f->server)->base;
    cr_assert_eq(http_server_listen(f->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    wire_open(&f->w, &f->loop, http_server_port(f->server));
}

static void begin(struct fixture *f)
{
    begin_with(f, 0);
}

static void end(struct fixture *f)
{
    wire_close(&f->w);
    http_server_free(f->server);
    loop_free(&f->loop);
    router_free(&f->router);
}

/* ---- the client's side ---- */

#define HANDSHAKE(path, more)                                                                      \
    "GET " path                                                                                    \
    " HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"         \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"

static void upgrade(struct wire *w)
{
    cr_assert_eq(wire_ask(w, HANDSHAKE("/ws", "")), 101);
}

/* A masked frame (mask 1 2 3 4); `head` is the first byte, 0x81 a whole text. */
static void put_frame(struct buf *b, uint8_t head, struct slice payload)
{
    uint8_t bytes[14] = {head};
    size_t n = 2;

    if (payload.len < 126) {
        bytes[1] = (uint8_t)(0x80 | payload.len);
    } else if (payload.len < 65536) {
        bytes[1] = 0x80 | 126;
        bytes[n++] = (uint8_t)(payload.len >> 8);
        bytes[n++] = (uint8_t)payload.len;
    } else {
        bytes[1] = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            bytes[n++] = (uint8_t)((uint64_t)payload.len >> 8 * i);
    }
    for (uint8_t i = 1; i <= 4; i++)
        bytes[n++] = i;
    buf_append(b, bytes, n);
    for (size_t i = 0; i < payload.len; i++)
        buf_append_char(b, (char)(payload.at[i] ^ (char)(1 + i % 4)));
}

static void send_frame(struct wire *w, uint8_t head, struct slice payload)
{
    struct buf b;

    buf_init(&b, 1 << 24);
    put_frame(&b, head, payload);
    wire_send(w, b.at, b.len);
    buf_free(&b);
}

static void send_text(struct wire *w, uint8_t head, const char *text)
{
    send_frame(w, head, slice_str(text));
}

/* Takes the next frame of the server; returns its first byte. */
static uint8_t take_frame(struct wire *w, struct buf *ret_payload)
{
    uint8_t head[10];
    size_t len, skip = 2;

    wire_await_bytes(w, 2);
    memcpy(head, w->got.at, 2);
    cr_assert_not(head[1] & 0x80, "a server does not mask");
    len = head[1];
    if (len >= 126) {
        skip = len == 126 ? 4 : 10;
        wire_await_bytes(w, skip);
        memcpy(head, w->got.at, skip);
        len = 0;
        for (size_t i = 2; i < skip; i++)
            len = len << 8 | head[i];
    }
    wire_await_bytes(w, skip + len);
    buf_clear(ret_payload);
    buf_append(ret_payload, w->got.at + skip, len);
    buf_consume(&w->got, skip + len);
    return head[0];
}

static void assert_frame(struct wire *w, uint8_t head, struct slice payload)
{
    struct buf got;

    buf_init(&got, 1 << 24);
    cr_assert_eq(take_frame(w, &got), head);
    cr_assert(slice_eq(buf_slice(&got), payload), "%.*s", SLICE_ARG(buf_slice(&got)));
    buf_free(&got);
}

static void assert_text(struct wire *w, const char *text)
{
    assert_frame(w, 0x81, slice_str(text));
}

static void assert_closed_with(struct wire *w, uint16_t code)
{
    const char payload[2] = {(char)(code >> 8), (char)code};

    assert_frame(w, 0x88, slice_of(payload, 2));
    wire_await_eof(w);
    cr_assert_eq(w->got.len, 0);
    wire_half_close(w); /* the server waits for it, a while */
}

/* ---- the handshake ---- */

Test(ws, handshake)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, HANDSHAKE("/ws", "Sec-WebSocket-Protocol: p1\r\n"));
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 101);
    cr_assert(strstr(a.head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              "RFC 6455 section 1.3");
    cr_assert(strstr(a.head, "\r\nSec-WebSocket-Protocol: p1\r\n"));
    cr_assert(strstr(a.head, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    wire_answer_free(&a);
    cr_assert_eq(f.values->ws_connections, 1);
    cr_assert_eq(f.values->http_requests_in_flight, 0);
    end(&f);
    cr_assert_eq(f.closed, 1);
    cr_assert_eq(f.code, 1006);
}

Test(ws, handshakes_that_are_none)
{
    struct fixture f;

    begin(&f);
    cr_assert_eq(wire_ask(&f.w, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"), 426);
    cr_assert_eq(
        wire_ask(&f.w,
                 "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
        426);
    cr_assert_eq(
        wire_ask(&f.w,
                 "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
        426);
    cr_assert_eq(
        wire_ask(&f.w,
                 "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n"),
        400);
    end(&f);
}

static int with_origin(struct fixture *f, const char *fields)
{
    char text[500];
    struct wire w;
    int status;

    snprintf(text, sizeof(text), HANDSHAKE("/ws", "%s"), fields);
    wire_open(&w, &f->loop, http_server_port(f->server));
    status = wire_ask(&w, text);
    wire_close(&w);
    return status;
}

Test(ws, foreign_origins)
{
    struct fixture f;

    begin(&f);
    f.origins = "https://shop.example, https://other.example:8443";
    cr_assert_eq(with_origin(&f, "Origin: http://here\r\n"), 101);
    cr_assert_eq(with_origin(&f, "Origin: https://Shop.example\r\n"), 101);
    cr_assert_eq(with_origin(&f, "Origin: https://other.example:8443\r\n"), 101);
    cr_assert_eq(with_origin(&f, "Origin: https://front\r\nX-Forwarded-Host: front\r\n"), 101);
    cr_assert_eq(with_origin(&f, "Origin: http://here.evil\r\n"), 403);
    cr_assert_eq(with_origin(&f, "Origin: https://other.example\r\n"), 403);
    cr_assert_eq(with_origin(&f, "Origin: null\r\n"), 403);
    end(&f);
}

Test(ws, an_upgrade_may_be_answered_later_and_frames_may_come_early)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, HANDSHAKE("/later", ""));
    send_text(&f.w, 0x81, "early");
    LOOP_UNTIL(&f.loop, f.parked, 2000);
    wire_settle(&f.w, 5);
    cr_assert_not_null(ws_accept(f.parked, NULL, &talking, &f));
    cr_assert_eq(f.messages, 0, "never inside the call");
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 101);
    wire_answer_free(&a);
    assert_text(&f.w, "early");
    end(&f);
}

/* ---- frames ---- */

Test(ws, messages_of_every_length)
{
    static const size_t lengths[] = {0,    1,    125,   126,   127,        4095,
                                     4096, 4097, 65535, 65536, MESSAGE_MAX};
    struct fixture f;
    char *bytes = mem_alloc(MESSAGE_MAX);

    for (size_t i = 0; i < MESSAGE_MAX; i++)
        bytes[i] = (char)(i * 7);
    begin(&f);
    upgrade(&f.w);
    for (size_t i = 0; i < array_len(lengths); i++) {
        send_frame(&f.w, 0x82, slice_of(bytes, lengths[i]));
        assert_frame(&f.w, 0x82, slice_of(bytes, lengths[i]));
    }
    mem_free(bytes);
    end(&f);
}

Test(ws, fragments_with_a_ping_between)
{
    struct fixture f;

    begin(&f);
    upgrade(&f.w);
    send_text(&f.w, 0x01, "one ");
    send_text(&f.w, 0x89, "p");
    send_text(&f.w, 0x00, "");
    send_text(&f.w, 0x80, "two");
    assert_frame(&f.w, 0x8a, SLICE_LITERAL("p"));
    assert_text(&f.w, "one two");
    cr_assert_eq(f.messages, 1);
    end(&f);
}

Test(ws, bytes_in_any_pieces)
{
    struct fixture f;
    struct buf all;

    begin(&f);
    upgrade(&f.w);
    buf_init(&all, 10000);
    put_frame(&all, 0x01, SLICE_LITERAL("fran"));
    put_frame(&all, 0x89, SLICE_LITERAL(""));
    put_frame(&all, 0x80,
              SLICE_LITERAL("\xc3\xa7"
                            "ais"));
    put_frame(&all, 0x81, SLICE_LITERAL("x"));
    for (size_t piece = 1; piece < all.len; piece++) {
        for (size_t at = 0; at < all.len; at += piece) {
            wire_send(&f.w, all.at + at, all.len - at < piece ? all.len - at : piece);
            loop_turn(&f.loop, false);
        }
        assert_frame(&f.w, 0x8a, SLICE_LITERAL(""));
        assert_text(&f.w, "fran\xc3\xa7"
                          "ais");
        assert_text(&f.w, "x");
    }
    buf_free(&all);
    LOOP_UNTIL(&f.loop, f.values->http_buffers_borrowed == 0, 2000);
    end(&f);
}

static void assert_ends(const char *bytes, size_t len, uint16_t code)
{
    struct fixture f;

    begin(&f);
    upgrade(&f.w);
    wire_send(&f.w, bytes, len);
    assert_closed_with(&f.w, code);
    LOOP_UNTIL(&f.loop, f.closed == 1, 2000);
    cr_assert_eq(f.code, code);
    cr_assert_eq(f.messages, 0);
    end(&f);
}

#define ENDS(bytes, code) assert_ends(bytes, sizeof(bytes) - 1, code)
#define MASK              "\x01\x02\x03\x04"

Test(ws, broken_frames_end_it)
{
    ENDS("\x81\x01x", 1002);                     /* not masked */
    ENDS("\xc1\x80" MASK, 1002);                 /* a reserved bit */
    ENDS("\x83\x80" MASK, 1002);                 /* a reserved opcode */
    ENDS("\x8b\x80" MASK, 1002);                 /* a reserved control */
    ENDS("\x80\x80" MASK, 1002);                 /* goes on with nothing */
    ENDS("\x01\x80" MASK "\x81\x80" MASK, 1002); /* a message in a message */
    ENDS("\x09\x80" MASK, 1002);                 /* a ping in pieces */
    ENDS("\x89\xfe\x01\x00" MASK, 1002);         /* a ping of 256 bytes */
    ENDS("\x82\xfe\x00\x01" MASK "x", 1002);     /* not the shortest length */
    ENDS("\x88\x81" MASK "x", 1002);             /* half a close code */
    ENDS("\x88\x82" MASK "\x02\xef", 1002);      /* 1005 is never sent: 03ed ^ 0102 */
    ENDS("\x81\x81" MASK "\xfe", 1007);          /* 0xff is no UTF-8 */
    ENDS("\x81\x82" MASK "\xc3\x20", 1007);      /* half a character */
    ENDS("\x82\xff\x00\x00\x00\x00\x00\x01\x86\xa1" MASK "x", 1009); /* MESSAGE_MAX + 1 */
}

Test(ws, who_takes_no_messages_says_so)
{
    struct fixture f;

    begin(&f);
    f.ops = &deaf;
    upgrade(&f.w);
    send_text(&f.w, 0x81, "hello");
    assert_closed_with(&f.w, 1003);
    end(&f);
}

/* ---- closing ---- */

Test(ws, the_peer_closes)
{
    struct fixture f;

    begin(&f);
    upgrade(&f.w);
    send_frame(&f.w, 0x88,
               SLICE_LITERAL("\x0f\xa0"
                             "bye"));
    assert_closed_with(&f.w, 4000);
    LOOP_UNTIL(&f.loop, f.closed == 1, 2000);
    cr_assert_eq(f.code, 4000);
    end(&f);
    cr_assert_eq(f.closed, 1);
}

Test(ws, we_close)
{
    struct fixture f;

    begin(&f);
    upgrade(&f.w);
    ws_close(f.last, 1001, "away");
    ws_close(f.last, 1002, "once is enough");
    cr_assert_eq(f.closed, 0);
    assert_frame(&f.w, 0x88,
                 SLICE_LITERAL("\x03\xe9"
                               "away"));
    send_text(&f.w, 0x81, "too late");
    send_frame(&f.w, 0x88, SLICE_LITERAL("\x03\xe9"));
    wire_await_eof(&f.w);
    wire_half_close(&f.w);
    LOOP_UNTIL(&f.loop, f.closed == 1, 2000);
    cr_assert_eq(f.code, 1001);
    cr_assert_eq(f.messages, 0);
    end(&f);
}

Test(ws, the_peer_vanishes)
{
    struct fixture f;

    begin(&f);
    upgrade(&f.w);
    wire_close(&f.w);
    LOOP_UNTIL(&f.loop, f.closed == 1, 2000);
    cr_assert_eq(f.code, 1006);
    cr_assert_eq(f.values->ws_connections, 0);
    end(&f);
}

Test(ws, the_silent_are_pinged_and_cut)
{
    struct fixture f;

    begin_with(&f, 60);
    upgrade(&f.w);
    assert_frame(&f.w, 0x89, SLICE_LITERAL(""));
    send_frame(&f.w, 0x8a, SLICE_LITERAL(""));
    assert_frame(&f.w, 0x89, SLICE_LITERAL(""));
    wire_await_eof(&f.w);
    LOOP_UNTIL(&f.loop, f.closed == 1, 2000);
    cr_assert_eq(f.code, 1006);
    cr_assert_eq(f.values->http_timeouts_total, 1);
    end(&f);
}

/* ---- sending ---- */

Test(ws, a_frame_is_shared)
{
    struct fixture f;
    struct wire w;
    struct ws *first;
    struct ws_frame *frame = ws_frame_new(WS_TEXT, SLICE_LITERAL("to all"));

    begin(&f);
    upgrade(&f.w);
    first = f.last;
    wire_open(&w, &f.loop, http_server_port(f.server));
    upgrade(&w);
    ws_send(first, frame);
    ws_send(f.last, frame);
    cr_assert_eq(ws_backlog(first), ws_frame_size(frame));
    cr_assert(slice_is(ws_frame_payload(frame), "to all"));
    ws_frame_unref(frame);
    assert_text(&f.w, "to all");
    assert_text(&w, "to all");
    cr_assert_eq(ws_backlog(first), 0);
    wire_close(&w);
    end(&f);
}

/* A peer that does not read: the backlog shows, and falls when it reads again, and then `drained`
 * comes. */
Test(ws, backlog_of_a_slow_reader)
{
    struct fixture f;
    char *bytes = mem_alloc(20000);
    struct ws_frame *frame = ws_frame_new(WS_BINARY, slice_of(bytes, 20000));
    size_t sent = 0;

    begin(&f);
    upgrade(&f.w);
    while (ws_backlog(f.last) < 200000) {
        ws_send(f.last, frame);
        sent++;
        loop_turn(&f.loop, false);
        cr_assert_lt(sent, 1000, "the kernel swallows everything");
    }
    cr_assert_eq(f.drains, 0);
    wire_await_bytes(&f.w, sent * ws_frame_size(frame));
    LOOP_UNTIL(&f.loop, f.drains == 1, 2000);
    cr_assert_eq(ws_backlog(f.last), 0);
    ws_frame_unref(frame);
    mem_free(bytes);
    end(&f);
}

Test(ws, a_backlog_has_an_end)
{
    struct fixture f;
    char *bytes = mem_alloc(100000);
    struct ws_frame *frame = ws_frame_new(WS_BINARY, slice_of(bytes, 100000));

    begin(&f);
    upgrade(&f.w);
    for (int i = 0; i < 100 && f.last; i++) {
        ws_send(f.last, frame);
        cr_assert_leq(ws_backlog(f.last), 1024 * 1024 + 200);
        loop_turn(&f.loop, false);
    }
    ws_frame_unref(frame);
    LOOP_UNTIL(&f.loop, f.closed == 1, 5000);
    cr_assert_eq(f.code, 1013);
    mem_free(bytes);
    end(&f);
}

/* ---- drain ---- */

static void on_drained(void *ctx)
{
    ((struct fixture *)ctx)->drained++;
}

Test(ws, a_drain_spreads_the_closes)
{
    struct fixture f;
    struct wire w[8];
    struct buf reason;
    int told = 0, at_once = 0;

    begin(&f);
    wire_close(&f.w);
    for (size_t i = 0; i < array_len(w); i++) {
        wire_open(&w[i], &f.loop, http_server_port(f.server));
        upgrade(&w[i]);
    }
    http_server_drain(f.server, 800, on_drained, &f);
    wire_settle(&w[0], 30);
    buf_init(&reason, 200);
    for (size_t i = 0; i < array_len(w); i++) {
        wire_settle(&w[i], 0);
        at_once += w[i].got.len > 0;
    }
    cr_assert_lt(at_once, 8);
    for (size_t i = 0; i < array_len(w); i++) {
        cr_assert_eq(take_frame(&w[i], &reason), 0x88);
        cr_assert_eq(memcmp(reason.at, "\x03\xf4retry in ", 11), 0);
        cr_assert_eq(memcmp(reason.at + reason.len - 3, " ms", 3), 0);
        send_frame(&w[i], 0x88, SLICE_LITERAL("\x03\xf4"));
        told++;
    }
    LOOP_UNTIL(&f.loop, f.drained == 1 && f.closed == 8, 5000);
    cr_assert_eq(told, 8);
    cr_assert_eq(f.code, 1012);
    for (size_t i = 0; i < array_len(w); i++)
        wire_close(&w[i]);
    buf_free(&reason);
    end(&f);
}
