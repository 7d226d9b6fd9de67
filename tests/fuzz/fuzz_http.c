/* HTTP requests: a stream of them means the same in whatever pieces it comes, and no accepted head
 * holds what another reader could understand otherwise. The first byte of the input chooses the
 * pieces, the rest is the stream. */
#include "engine/net/http_parse.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX   1000
#define STREAM_MAX 70000

enum phase { HEAD, LENGTH, CHUNKS, OVER };

/* The part of a connection that reads, without the rest of it. */
struct reader {
    enum phase phase;
    struct buf in, body, transcript;
    struct http_scan scan;
    struct http_head head;
    struct http_chunks chunks;
    uint64_t left;
};

static void check_lines(struct slice head)
{
    bool seen = false;

    for (size_t i = 0; i < head.len; i++) {
        must(head.at[i] != '\0');
        if (head.at[i] == '\n')
            must(i > 0 && head.at[i - 1] == '\r');
        if (head.at[i] == '\r')
            must(i + 1 < head.len && head.at[i + 1] == '\n');
        if (i > 0 && head.at[i - 1] == '\n' && seen)
            must(head.at[i] != ' ' && head.at[i] != '\t');
        seen = seen || head.at[i] > ' ';
    }
    must(head.len >= 4 && memcmp(head.at + head.len - 4, "\r\n\r\n", 4) == 0);
}

static unsigned count_fields(const struct http_head *h, struct slice head, struct slice name)
{
    unsigned n = 0;

    for (size_t i = 0; i < h->field_count; i++)
        n += slice_eq_nocase(http_span_in(head, h->fields[i].name), name);
    return n;
}

static void check_head(const struct http_head *h, struct slice head)
{
    unsigned lengths = count_fields(h, head, SLICE_LITERAL("content-length"));
    unsigned codings = count_fields(h, head, SLICE_LITERAL("transfer-encoding"));

    check_lines(head);
    must(h->field_count <= HTTP_FIELDS_MAX && h->path.len > 0);
    must(count_fields(h, head, SLICE_LITERAL("host")) == 1 || h->http10);
    must(count_fields(h, head, SLICE_LITERAL("authorization")) <= 1);
    must(lengths + codings <= 1 && h->chunked == (codings == 1) &&
         (lengths || h->content_length == 0));
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];

        must(f->name.len > 0 && head.at[f->name.at + f->name.len] == ':');
        must(f->value.at + f->value.len <= head.len);
    }
}

static void note_head(struct reader *r, struct slice head)
{
    const struct http_head *h = &r->head;

    buf_printf(&r->transcript, "%d %.*s ? %.*s %d%d%d%d", (int)h->method,
               SLICE_ARG(http_span_in(head, h->path)), SLICE_ARG(http_span_in(head, h->query)),
               h->chunked, h->keep_alive, h->upgrade, h->expect_continue);
    for (size_t i = 0; i < h->field_count; i++)
        buf_printf(&r->transcript, "|%.*s:%.*s", SLICE_ARG(http_span_in(head, h->fields[i].name)),
                   SLICE_ARG(http_span_in(head, h->fields[i].value)));
}

static void request_over(struct reader *r)
{
    buf_printf(&r->transcript, "|%.*s\n", SLICE_ARG(buf_slice(&r->body)));
    buf_clear(&r->body);
    buf_clear(&r->in);
    r->scan = (struct http_scan){0};
    r->phase = HEAD;
}

static void refused(struct reader *r, enum problem problem)
{
    buf_printf(&r->transcript, "refused %s\n", problem_code(problem));
    r->phase = OVER;
}

static size_t read_head(struct reader *r, struct slice piece)
{
    size_t before = r->in.len, len = 0;
    enum problem problem;
    enum http_parse result;

    buf_append_slice(&r->in, piece);
    result = http_scan_head(&r->scan, buf_slice(&r->in), &len, &problem);
    if (result == HTTP_PARSE_MORE)
        return piece.len;
    if (result == HTTP_PARSE_DONE)
        result = http_parse_head(slice_of(r->in.at, len), &r->head, &problem);
    if (result == HTTP_PARSE_BAD) {
        refused(r, problem);
        return piece.len;
    }
    check_head(&r->head, slice_of(r->in.at, len));
    note_head(r, slice_of(r->in.at, len));
    r->left = r->head.content_length;
    r->phase = r->head.chunked ? CHUNKS : LENGTH;
    http_chunks_init(&r->chunks, &r->body);
    if (r->left > BODY_MAX)
        refused(r, PROBLEM_BODY_TOO_LARGE);
    else if (!r->head.chunked && r->left == 0)
        request_over(r);
    return len - before;
}

static size_t read_length(struct reader *r, struct slice piece)
{
    size_t n = piece.len < r->left ? piece.len : (size_t)r->left;

    buf_append(&r->body, piece.at, n);
    r->left -= n;
    if (r->left == 0)
        request_over(r);
    return n;
}

static size_t read_chunks(struct reader *r, struct slice piece)
{
    enum problem problem;
    size_t used;
    enum http_parse result = http_chunks_feed(&r->chunks, piece, &used, &problem);

    must(r->body.len <= BODY_MAX && used <= piece.len);
    if (result == HTTP_PARSE_BAD)
        refused(r, problem);
    else if (result == HTTP_PARSE_DONE)
        request_over(r);
    return used;
}

static void feed(struct reader *r, struct slice piece)
{
    while (piece.len > 0 && r->phase != OVER) {
        size_t used = r->phase == HEAD     ? read_head(r, piece)
                      : r->phase == LENGTH ? read_length(r, piece)
                                           : read_chunks(r, piece);

        piece = slice_of(piece.at + used, piece.len - used);
    }
}

/* Reads the stream in pieces of `piece` bytes, a copy of each so that nobody looks back or ahead.
 */
static struct buf transcribe(struct slice stream, size_t piece)
{
    struct reader r = {.phase = HEAD};

    buf_init(&r.in, STREAM_MAX + 1);
    buf_init(&r.body, BODY_MAX);
    buf_init(&r.transcript, 64 * STREAM_MAX);
    while (stream.len > 0) {
        size_t n = stream.len < piece ? stream.len : piece;
        char *copy = malloc(n);

        must(copy != NULL);
        memcpy(copy, stream.at, n);
        feed(&r, slice_of(copy, n));
        free(copy);
        stream = slice_of(stream.at + n, stream.len - n);
    }
    buf_free(&r.in);
    buf_free(&r.body);
    return r.transcript;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice stream;
    struct buf whole, pieces;

    if (len < 2 || len > STREAM_MAX)
        return 0;
    stream = slice_of(at + 1, len - 1);
    whole = transcribe(stream, stream.len);
    pieces = transcribe(stream, (size_t)at[0] % 40 + 1);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
