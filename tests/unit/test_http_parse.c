#include "engine/net/http_parse.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(http_parse, .fini = assert_no_leaks);

/* Scans and parses a text that ends where a page ends. */
static enum http_parse read_guarded(const void *at, size_t len, struct http_head *ret_head,
                                    size_t *ret_len, enum problem *ret_problem)
{
    struct guard g = guard_new(at, len);
    struct http_scan scan = {0};
    enum http_parse result = http_scan_head(&scan, g.bytes, ret_len, ret_problem);

    if (result == HTTP_PARSE_DONE)
        result = http_parse_head(slice_of(g.bytes.at, *ret_len), ret_head, ret_problem);
    guard_free(&g);
    return result;
}

static enum http_parse read_text(const char *text, struct http_head *ret_head)
{
    enum problem problem;
    size_t len;

    return read_guarded(text, strlen(text), ret_head, &len, &problem);
}

static void assert_refused(const char *text, enum problem wanted)
{
    static struct http_head head;
    enum problem problem = PROBLEM_INTERNAL;
    size_t len;

    cr_assert_eq(read_guarded(text, strlen(text), &head, &len, &problem), HTTP_PARSE_BAD, "%s",
                 text);
    cr_assert_eq(problem, wanted, "%s: %s", text, problem_code(problem));
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"

static struct slice in(const char *text, struct http_span span)
{
    return http_span_in(slice_str(text), span);
}

Test(http_parse, reads_a_request)
{
    static const char text[] =
        "POST /a/b?c=d&e HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Spaced: \t v w \t\r\n"
        "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\n";
    struct http_head h;

    cr_assert_eq(read_text(text, &h), HTTP_PARSE_DONE);
    cr_assert_eq(h.method, HTTP_POST_);
    cr_assert(slice_is(in(text, h.path), "/a/b"));
    cr_assert(slice_is(in(text, h.query), "c=d&e"));
    cr_assert_eq(h.field_count, 5);
    cr_assert(slice_is(in(text, h.fields[1].name), "X-Empty"));
    cr_assert_eq(h.fields[1].value.len, 0);
    cr_assert(slice_is(in(text, h.fields[2].value), "v w"));
    cr_assert_eq(h.content_length, 12);
    cr_assert(h.expect_continue);
    cr_assert(h.keep_alive);
    cr_assert_not(h.chunked);
    cr_assert_not(h.upgrade);
}

Test(http_parse, knows_when_to_keep_the_connection)
{
    struct http_head h;

    cr_assert_eq(read_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &h),
                 HTTP_PARSE_DONE);
    cr_assert_not(h.keep_alive);
    cr_assert_eq(read_text("GET / HTTP/1.0\r\n\r\n", &h), HTTP_PARSE_DONE);
    cr_assert_not(h.keep_alive);
    cr_assert(h.http10);
    cr_assert_eq(read_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &h),
                 HTTP_PARSE_DONE);
    cr_assert(h.keep_alive);
}

Test(http_parse, takes_the_absolute_form)
{
    static const char text[] = "GET http://h:1/p?q HTTP/1.1\r\nHost: h\r\n\r\n";
    struct http_head h;

    cr_assert_eq(read_text(text, &h), HTTP_PARSE_DONE);
    cr_assert(slice_is(in(text, h.path), "/p"));
    cr_assert(slice_is(in(text, h.query), "q"));
    assert_refused("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", PROBLEM_BAD_REQUEST);
}

Test(http_parse, empty_lines_before_a_request_are_skipped)
{
    struct http_head h;

    cr_assert_eq(read_text("\r\n\r\n" GET "\r\n", &h), HTTP_PARSE_DONE);
    assert_refused("\n" GET "\r\n", PROBLEM_BAD_REQUEST);
}

/* Whatever two readers of one byte stream could understand differently: where the head ends, where
 * the body ends, whose request it is. */
Test(http_parse, refuses_what_could_smuggle_a_request)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        GET "\n",
        GET "A: b\r\n\n",
        GET "A: b\rC: d\r\n\r\n",
        GET "A: b\r\r\n\r\n",
        GET "A: b\r\n folded\r\n\r\n",
        GET "A: b\r\n\tfolded\r\n\r\n",
        GET " A: b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
        GET "A : b\r\n\r\n",
        GET "A\t: b\r\n\r\n",
        GET ": b\r\n\r\n",
        GET "A\r\n\r\n",
        GET "A b: c\r\n\r\n",
        GET "A: b\x01\r\n\r\n",
        GET "A: b\x7f\r\n\r\n",
        GET "Host: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        GET "Content-Length: 1, 1\r\n\r\n",
        GET "Content-Length: +1\r\n\r\n",
        GET "Content-Length: -1\r\n\r\n",
        GET "Content-Length: 0x1\r\n\r\n",
        GET "Content-Length: 1 1\r\n\r\n",
        GET "Content-Length:\r\n\r\n",
        GET "Content-Length: 99999999999999999999\r\n\r\n",
        GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET "Transfer-Encoding: gzip, chunked\r\n\r\n",
        GET "Transfer-Encoding: chunked, identity\r\n\r\n",
        GET "Transfer-Encoding: xchunked\r\n\r\n",
        GET "Transfer-Encoding:\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET "Authorization: a\r\nAuthorization: b\r\n\r\n",
        GET "authorization: a\r\nAUTHORIZATION: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        "get / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01",
    };

    for (size_t i = 0; i < array_len(bad); i++)
        assert_refused(bad[i], PROBLEM_BAD_REQUEST);
}

Test(http_parse, refuses_a_nul_anywhere)
{
    static const char text[] = GET "A: b\r\n\r\n";
    struct http_head head;
    enum problem problem;
    char copy[sizeof(text)];
    size_t len;

    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        memcpy(copy, text, sizeof(text));
        copy[i] = '\0';
        cr_assert_neq(read_guarded(copy, sizeof(text) - 1, &head, &len, &problem), HTTP_PARSE_DONE,
                      "%zu", i);
    }
}

Test(http_parse, tells_apart_why_a_request_line_is_refused)
{
    assert_refused("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_NOT_IMPLEMENTED);
    assert_refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
    assert_refused("GET / HTTP/0.9\r\nHost: x\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
    assert_refused("GET /\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
    assert_refused("PRI * HTTP/2.0\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
    assert_refused("GET / HTTP/1.7\r\nHost: x\r\n\r\n", PROBLEM_VERSION_NOT_SUPPORTED);
    assert_refused("GET / ICE/1.0\r\nHost: x\r\n\r\n", PROBLEM_BAD_REQUEST);
}

/* `count` times `c` between head and tail; the caller frees. */
static char *long_text(const char *head, char c, size_t count, const char *tail)
{
    char *text = mem_alloc(strlen(head) + count + strlen(tail) + 1);
    char *at = stpcpy(text, head);

    memset(at, c, count);
    stpcpy(at + count, tail);
    return text;
}

static void assert_long_refused(const char *head, size_t count, const char *tail,
                                enum problem wanted)
{
    char *text = long_text(head, 'a', count, tail);

    assert_refused(text, wanted);
    mem_free(text);
}

Test(http_parse, has_limits)
{
    struct http_head h;
    char *text = long_text("GET /", 'a', HTTP_LINE_MAX - 16, " HTTP/1.1\r\nHost: x\r\n\r\n");

    cr_assert_eq(read_text(text, &h), HTTP_PARSE_DONE);
    mem_free(text);
    assert_long_refused("GET /", HTTP_LINE_MAX - 15, " HTTP/1.1\r\nHost: x\r\n\r\n",
                        PROBLEM_URI_TOO_LONG);
    assert_long_refused("GET /", HTTP_LINE_MAX, "", PROBLEM_URI_TOO_LONG); /* no end in sight */
    assert_long_refused(GET "A: ", HTTP_LINE_MAX, "\r\n\r\n", PROBLEM_HEAD_TOO_LARGE);
    assert_long_refused(GET "A: ", HTTP_LINE_MAX, "", PROBLEM_HEAD_TOO_LARGE);
}

static char *many_fields(size_t count, const char *field)
{
    char *text = mem_alloc(sizeof(GET) + count * strlen(field) + 3);
    char *at = stpcpy(text, GET);

    while (count-- > 0)
        at = stpcpy(at, field);
    stpcpy(at, "\r\n");
    return text;
}

Test(http_parse, counts_fields_and_bytes_of_the_head)
{
    char *text = many_fields(HTTP_FIELDS_MAX - 1, "a: b\r\n");
    struct http_head h;

    cr_assert_eq(read_text(text, &h), HTTP_PARSE_DONE);
    cr_assert_eq(h.field_count, HTTP_FIELDS_MAX);
    mem_free(text);
    text = many_fields(HTTP_FIELDS_MAX, "a: b\r\n");
    assert_refused(text, PROBLEM_HEAD_TOO_LARGE);
    mem_free(text);
    text = many_fields(17, "a: 0123456789012345678901234567890123456789\r\n");
    cr_assert_eq(read_text(text, &h), HTTP_PARSE_DONE);
    mem_free(text);
    text = many_fields(400, "a: 0123456789012345678901234567890123456789\r\n");
    assert_refused(text, PROBLEM_HEAD_TOO_LARGE);
    mem_free(text);
}

/* A head that comes in any two or three pieces means what it means in one. */
Test(http_parse, a_split_changes_nothing)
{
    static const char text[] =
        "\r\nPUT /x?y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nrest";
    size_t whole = sizeof(text) - 1, len = 0;
    enum problem problem;

    for (size_t first = 0; first <= whole; first++) {
        for (size_t second = first; second <= whole; second++) {
            struct http_scan scan = {0};
            enum http_parse a = http_scan_head(&scan, slice_of(text, first), &len, &problem);
            enum http_parse b = a == HTTP_PARSE_MORE
                                    ? http_scan_head(&scan, slice_of(text, second), &len, &problem)
                                    : a;
            enum http_parse c = b == HTTP_PARSE_MORE
                                    ? http_scan_head(&scan, slice_of(text, whole), &len, &problem)
                                    : b;

            cr_assert_eq(a, first >= whole - 4 ? HTTP_PARSE_DONE : HTTP_PARSE_MORE);
            cr_assert_eq(c, HTTP_PARSE_DONE);
            cr_assert_eq(len, whole - 4);
        }
    }
}

/* ---- chunks ---- */

static enum http_parse feed_in_pieces(const char *text, size_t piece, struct buf *body,
                                      size_t *ret_used, enum problem *ret_problem)
{
    enum http_parse result = HTTP_PARSE_MORE;
    struct http_chunks c;
    size_t len = strlen(text), used = 0;

    http_chunks_init(&c, body);
    *ret_used = 0;
    while (result == HTTP_PARSE_MORE && *ret_used < len) {
        size_t n = len - *ret_used < piece ? len - *ret_used : piece;
        struct guard g = guard_new(text + *ret_used, n);

        result = http_chunks_feed(&c, g.bytes, &used, ret_problem);
        *ret_used += used;
        guard_free(&g);
    }
    return result;
}

Test(http_parse, reads_chunks_in_any_pieces)
{
    static const char text[] =
        "5\r\nhello\r\n1;ext=\"v\"\r\n,\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    enum problem problem;
    struct buf body;
    size_t used;

    buf_init(&body, 100);
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        buf_clear(&body);
        cr_assert_eq(feed_in_pieces(text, piece, &body, &used, &problem), HTTP_PARSE_DONE, "%zu",
                     piece);
        cr_assert(slice_is(buf_slice(&body), "hello, world"));
        cr_assert_str_eq(text + used, "NEXT");
    }
    buf_free(&body);
}

Test(http_parse, refuses_chunks_that_could_smuggle)
{
    static const char *const bad[] = {
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\rhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "5\r\nhelloX\r\n",
        "g\r\n",
        "fffffffffffffffff\r\n",
        "5;a\nb\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "\r\n5\r\nhello\r\n",
        "5\r\nhello\r\n0\r\nA\n: b\r\n\r\n",
    };
    enum problem problem;
    struct buf body;
    size_t used;

    buf_init(&body, 100);
    for (size_t i = 0; i < array_len(bad); i++) {
        for (size_t piece = 1; piece < 30; piece += 28) {
            buf_clear(&body);
            cr_assert_eq(feed_in_pieces(bad[i], piece, &body, &used, &problem), HTTP_PARSE_BAD,
                         "%s", bad[i]);
            cr_assert_eq(problem, PROBLEM_BAD_REQUEST);
        }
    }
    buf_free(&body);
}

Test(http_parse, chunks_have_limits)
{
    char *text = long_text("1;", 'x', 70000, "\r\na\r\n0\r\n\r\n");
    enum problem problem;
    struct buf body;
    size_t used;

    buf_init(&body, 4);
    cr_assert_eq(feed_in_pieces(text, 1000, &body, &used, &problem), HTTP_PARSE_BAD);
    cr_assert_eq(problem, PROBLEM_BAD_REQUEST, "an extension without end");
    mem_free(text);
    buf_clear(&body);
    cr_assert_eq(feed_in_pieces("5\r\nhello\r\n0\r\n\r\n", 100, &body, &used, &problem),
                 HTTP_PARSE_BAD);
    cr_assert_eq(problem, PROBLEM_BODY_TOO_LARGE);
    buf_free(&body);
}

Test(http_parse, many_small_chunks_are_fine)
{
    enum problem problem;
    struct buf body, text;
    size_t used;

    buf_init(&body, 10000);
    buf_init(&text, 100000);
    for (int i = 0; i < 10000; i++)
        buf_append_str(&text, "1\r\na\r\n");
    buf_append(&text, "0\r\n\r\n", 6);
    cr_assert_eq(feed_in_pieces(text.at, 4096, &body, &used, &problem), HTTP_PARSE_DONE);
    cr_assert_eq(body.len, 10000);
    buf_free(&text);
    buf_free(&body);
}

/* ---- values ---- */

Test(http_parse, traceparent)
{
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const char *const bad[] = {
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
    };

    for (size_t i = 0; i < array_len(bad); i++) {
        struct guard g = guard_new(bad[i], strlen(bad[i]));

        cr_assert_not(http_traceparent_ok(g.bytes), "%s", bad[i]);
        guard_free(&g);
    }
    cr_assert(http_traceparent_ok(slice_str(good)));
    cr_assert(http_traceparent_ok(
        slice_str("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")));
}

static void assert_decodes(const char *raw, const char *wanted)
{
    struct guard g = guard_new(raw, strlen(raw));
    char text[100];
    long len = http_query_decode(g.bytes, text);

    if (wanted) {
        cr_assert_eq(len, (long)strlen(wanted), "%s", raw);
        cr_assert_eq(memcmp(text, wanted, strlen(wanted)), 0, "%s", raw);
    } else {
        cr_assert_eq(len, -1, "%s", raw);
    }
    guard_free(&g);
}

Test(http_parse, query_decoding)
{
    assert_decodes("", "");
    assert_decodes("plain", "plain");
    assert_decodes("a+b%20c%2B%c3%A9", "a b c+\xc3\xa9");
    assert_decodes("%", NULL);
    assert_decodes("%4", NULL);
    assert_decodes("%4x", NULL);
    assert_decodes("%x4", NULL);
    assert_decodes("a%00b", NULL);
}
