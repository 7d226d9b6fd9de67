#include "engine/net/http_parse.h"

#include <assert.h>
#include <llhttp.h>

/* A body in pieces of one byte has five bytes of framing for each; more than that is somebody
 * playing. */
#define FRAMING_FREE     4096
#define FRAMING_PER_BYTE 8

static enum http_parse bad(enum problem problem, enum problem *ret_problem)
{
    *ret_problem = problem;
    return HTTP_PARSE_BAD;
}

/* ---- the end of the head ---- */

/* The line [line, end) without its CRLF. Refused: bare CR, NUL, and a line that continues the one
 * before (obs-fold). */
static bool line_ok(const struct http_scan *s, const char *line, size_t len)
{
    if (memchr(line, '\r', len) || memchr(line, '\0', len))
        return false;
    return !s->request_line_seen || (line[0] != ' ' && line[0] != '\t');
}

static enum http_parse too_long(const struct http_scan *s, size_t len, enum problem *ret_problem)
{
    if (!s->request_line_seen && len - s->line > HTTP_LINE_MAX)
        return bad(PROBLEM_URI_TOO_LONG, ret_problem);
    if (len > HTTP_HEAD_MAX || len - s->line > HTTP_LINE_MAX)
        return bad(PROBLEM_HEAD_TOO_LARGE, ret_problem);
    return HTTP_PARSE_MORE;
}

/* Says early that this is no HTTP, a TLS hello for one: a method starts with a capital letter. */
static bool may_start(const struct http_scan *s, struct slice bytes)
{
    char first;

    if (s->request_line_seen || s->line >= bytes.len)
        return true;
    first = bytes.at[s->line];
    return (first >= 'A' && first <= 'Z') || first == '\r' || first == '\n';
}

enum http_parse http_scan_head(struct http_scan *s, struct slice bytes, size_t *ret_len,
                               enum problem *ret_problem)
{
    while (s->line < bytes.len) {
        const char *line = bytes.at + s->line;
        const char *lf = memchr(line, '\n', bytes.len - s->line);
        size_t len;

        if (!may_start(s, bytes))
            return bad(PROBLEM_BAD_REQUEST, ret_problem);
        if (!lf)
            break;
        len = (size_t)(lf - line);
        if (too_long(s, s->line + len + 1, ret_problem) == HTTP_PARSE_BAD)
            return HTTP_PARSE_BAD;
        if (len == 0 || line[len - 1] != '\r')
            return bad(PROBLEM_BAD_REQUEST, ret_problem);
        s->line += (uint32_t)len + 1;
        if (len == 1) {
            if (!s->request_line_seen)
                continue; /* RFC 9112 2.2: empty lines before a request are skipped */
            *ret_len = s->line;
            return HTTP_PARSE_DONE;
        }
        if (!line_ok(s, line, len - 1))
            return bad(PROBLEM_BAD_REQUEST, ret_problem);
        s->request_line_seen = true;
    }
    return too_long(s, bytes.len, ret_problem);
}

/* ---- the head ---- */

struct head_reader {
    llhttp_t parser; /* first: the callbacks get it */
    struct http_head *head;
    const char *start;
    struct http_span target;
    bool too_many_fields;
};

static struct http_span span(const struct head_reader *r, const char *at, size_t len)
{
    return (struct http_span){(uint16_t)(at - r->start), (uint16_t)len};
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct head_reader *r = (struct head_reader *)parser;

    r->target = span(r, at, len);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct head_reader *r = (struct head_reader *)parser;

    if (r->head->field_count == HTTP_FIELDS_MAX) {
        r->too_many_fields = true;
        return -1;
    }
    r->head->fields[r->head->field_count++] = (struct http_field){.name = span(r, at, len)};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct head_reader *r = (struct head_reader *)parser;

    while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    r->head->fields[r->head->field_count - 1].value = span(r, at, len);
    return 0;
}

/* Asked here: once the message is over, llhttp has forgotten. */
static int on_head_end(llhttp_t *parser)
{
    struct head_reader *r = (struct head_reader *)parser;

    r->head->keep_alive = llhttp_should_keep_alive(parser) != 0;
    r->head->upgrade = llhttp_get_upgrade(parser) != 0;
    return 0;
}

static const llhttp_settings_t *head_settings(void)
{
    static llhttp_settings_t settings;

    if (!settings.on_url) {
        llhttp_settings_init(&settings);
        settings.on_header_field = on_field;
        settings.on_header_value = on_value;
        settings.on_headers_complete = on_head_end;
        settings.on_url = on_url;
    }
    return &settings;
}

static enum http_method method_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET: return HTTP_GET_;
    case HTTP_HEAD: return HTTP_HEAD_;
    case HTTP_POST: return HTTP_POST_;
    case HTTP_PUT: return HTTP_PUT_;
    case HTTP_PATCH: return HTTP_PATCH_;
    case HTTP_DELETE: return HTTP_DELETE_;
    case HTTP_OPTIONS: return HTTP_OPTIONS_;
    default: return HTTP_OTHER_;
    }
}

/* Path and query of origin-form "/a?b" and absolute-form "http://host/a?b" (RFC 9112 3.2). */
static bool read_target(struct http_head *h, struct slice head, struct http_span target)
{
    struct slice t = http_span_in(head, target);
    size_t path = 0;
    const char *mark;

    if (slice_starts_with(t, SLICE_LITERAL("http://")) ||
        slice_starts_with(t, SLICE_LITERAL("https://"))) {
        const char *host = (const char *)memchr(t.at, '/', t.len) + 2;
        const char *slash = memchr(host, '/', (size_t)(t.at + t.len - host));

        if (!slash)
            return false;
        path = (size_t)(slash - t.at);
    }
    if (t.len == 0 || memchr(t.at, '#', t.len))
        return false;
    mark = memchr(t.at + path, '?', t.len - path);
    h->path.at = (uint16_t)(target.at + path);
    h->path.len = (uint16_t)((mark ? (size_t)(mark - t.at) : t.len) - path);
    if (mark) {
        h->query.at = (uint16_t)(h->path.at + h->path.len + 1);
        h->query.len = (uint16_t)(t.len - (size_t)(mark - t.at) - 1);
    }
    return true;
}

/* One space before the target, one after it, then the version and the line's end (RFC 9112 3);
 * llhttp takes more spaces. */
static bool line_spaced(struct slice head, struct http_span target)
{
    const char *at = head.at + target.at;

    return target.at >= 2 && at[-1] == ' ' && at[-2] != ' ' && at[target.len] == ' ' &&
           at[target.len + 1] == 'H' && at[target.len + 9] == '\r';
}

/* How often each field that must not be repeated was seen. */
struct singles {
    unsigned host, content_length, authorization, transfer_encoding;
};

/* False when the field alone makes the request unacceptable. */
static bool read_field(struct http_head *h, struct slice name, struct slice value,
                       struct singles *seen)
{
    switch (name.len) {
    case 4:
        if (slice_eq_nocase(name, SLICE_LITERAL("host")))
            return seen->host++ == 0;
        break;
    case 6:
        if (slice_eq_nocase(name, SLICE_LITERAL("expect")))
            h->expect_continue = slice_eq_nocase(value, SLICE_LITERAL("100-continue"));
        break;
    case 13:
        if (slice_eq_nocase(name, SLICE_LITERAL("authorization")))
            return seen->authorization++ == 0;
        break;
    case 14:
        if (slice_eq_nocase(name, SLICE_LITERAL("content-length")))
            return seen->content_length++ == 0 && slice_to_u64(value, &h->content_length);
        break;
    case 17:
        if (slice_eq_nocase(name, SLICE_LITERAL("transfer-encoding"))) {
            h->chunked = true;
            return seen->transfer_encoding++ == 0 &&
                   slice_eq_nocase(value, SLICE_LITERAL("chunked"));
        }
        break;
    default: break;
    }
    return true;
}

/* "Name : value" is read differently by different servers; llhttp lets the space be part of the
 * name. */
static bool name_ok(struct slice head, struct http_span name)
{
    const char *at = head.at + name.at;

    return name.len > 0 && at[name.len] == ':' && at[name.len - 1] > ' ' &&
           !memchr(at, ' ', name.len);
}

static bool read_fields(struct http_head *h, struct slice head)
{
    struct singles seen = {0};

    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];

        if (!name_ok(head, f->name) ||
            !read_field(h, http_span_in(head, f->name), http_span_in(head, f->value), &seen))
            return false;
    }
    if (h->chunked && (seen.content_length || h->http10))
        return false;
    return seen.host == 1 || h->http10;
}

/* A request line that llhttp refuses, by what a server is to say to it: another protocol version, a
 * method nobody knows, or plain nonsense. */
static enum problem problem_of_line(struct slice head)
{
    struct slice line = head, method, version;
    size_t i = 0;

    while (line.len && (line.at[0] == '\r' || line.at[0] == '\n'))
        line = slice_of(line.at + 1, line.len - 1);
    line = slice_cut(&line, '\r');
    version = slice_of(line.at + line.len, 0);
    while (version.at > line.at && version.at[-1] != ' ')
        version = slice_of(version.at - 1, version.len + 1);
    if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 || version.at[6] != '.')
        return PROBLEM_BAD_REQUEST;
    if (version.at[5] != '1' || version.at[7] < '0' || version.at[7] > '1')
        return PROBLEM_VERSION_NOT_SUPPORTED;
    method = slice_cut(&line, ' ');
    while (i < method.len && ((method.at[i] >= 'A' && method.at[i] <= 'Z') || method.at[i] == '-'))
        i++;
    return i == method.len && i > 0 && i <= 24 ? PROBLEM_NOT_IMPLEMENTED : PROBLEM_BAD_REQUEST;
}

static enum problem problem_of(struct slice head, const struct head_reader *r, llhttp_errno_t error)
{
    if (r->too_many_fields)
        return PROBLEM_HEAD_TOO_LARGE;
    switch (error) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT:
    case HPE_PAUSED_H2_UPGRADE: return problem_of_line(head);
    default: return PROBLEM_BAD_REQUEST;
    }
}

enum http_parse http_parse_head(struct slice head, struct http_head *ret_head,
                                enum problem *ret_problem)
{
    struct head_reader r = {.head = ret_head, .start = head.at};
    llhttp_errno_t error;
    int major, minor;

    assert(head.len <= HTTP_HEAD_MAX);
    ret_head->path = ret_head->query = (struct http_span){0, 0};
    ret_head->field_count = 0;
    ret_head->content_length = 0;
    ret_head->chunked = ret_head->expect_continue = false;
    llhttp_init(&r.parser, HTTP_REQUEST, head_settings());
    error = llhttp_execute(&r.parser, head.at, head.len);
    if (error != HPE_OK && error != HPE_PAUSED_UPGRADE)
        return bad(problem_of(head, &r, error), ret_problem);
    major = llhttp_get_http_major(&r.parser);
    minor = llhttp_get_http_minor(&r.parser);
    if (major != 1 || minor > 1)
        return bad(PROBLEM_VERSION_NOT_SUPPORTED, ret_problem);
    ret_head->http10 = minor == 0;
    ret_head->method = method_of(llhttp_get_method(&r.parser));
    if (!line_spaced(head, r.target) || !read_target(ret_head, head, r.target) ||
        !read_fields(ret_head, head))
        return bad(PROBLEM_BAD_REQUEST, ret_problem);
    return HTTP_PARSE_DONE;
}

/* ---- chunks ---- */

/* Every LF of the framing has its CR and every CR its LF; llhttp lets some others pass. */
static void check_framing(struct http_chunks *c, const char *to)
{
    for (const char *at = c->seen; at < to; at++) {
        if ((c->last == '\r') != (*at == '\n'))
            c->broken = true;
        c->last = *at;
    }
    c->framing += (size_t)(to - c->seen);
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http_chunks *c = parser->data;

    check_framing(c, at);
    c->last = 0;
    c->seen = at + len;
    c->decoded += len;
    buf_append(c->body, at, len);
    return c->body->failed || c->broken ? -1 : 0;
}

static int on_body_end(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t *chunk_settings(void)
{
    static llhttp_settings_t settings;

    if (!settings.on_body) {
        llhttp_settings_init(&settings);
        settings.on_message_complete = on_body_end;
        settings.on_body = on_body;
    }
    return &settings;
}

void http_chunks_init(struct http_chunks *c, struct buf *body)
{
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    llhttp_t *parser = (llhttp_t *)(void *)c->parser;
    llhttp_errno_t error;

    _Static_assert(sizeof(llhttp_t) <= sizeof(c->parser), "room for llhttp's state");
    memset(c, 0, sizeof(*c));
    c->body = body;
    llhttp_init(parser, HTTP_REQUEST, chunk_settings());
    parser->data = c;
    error = llhttp_execute(parser, head, sizeof(head) - 1);
    assert(error == HPE_OK);
    (void)error;
}

enum http_parse http_chunks_feed(struct http_chunks *c, struct slice bytes, size_t *ret_used,
                                 enum problem *ret_problem)
{
    llhttp_t *parser = (llhttp_t *)(void *)c->parser;
    llhttp_errno_t error;

    *ret_used = bytes.len;
    if (bytes.len == 0)
        return HTTP_PARSE_MORE;
    c->seen = bytes.at;
    error = llhttp_execute(parser, bytes.at, bytes.len);
    if (c->body->failed)
        return bad(PROBLEM_BODY_TOO_LARGE, ret_problem);
    if (error == HPE_PAUSED)
        *ret_used = (size_t)(llhttp_get_error_pos(parser) - bytes.at);
    else if (error != HPE_OK)
        return bad(PROBLEM_BAD_REQUEST, ret_problem);
    check_framing(c, bytes.at + *ret_used);
    if (c->broken || c->framing > FRAMING_FREE + FRAMING_PER_BYTE * c->decoded)
        return bad(PROBLEM_BAD_REQUEST, ret_problem);
    return error == HPE_PAUSED ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
}

/* ---- values ---- */

static bool lower_hex(struct slice s, bool *ret_zero)
{
    *ret_zero = true;
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.at[i];

        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f')))
            return false;
        if (ch != '0')
            *ret_zero = false;
    }
    return true;
}

bool http_traceparent_ok(struct slice v)
{
    bool zero, flags_zero, version_zero;

    if (v.len < 55 || v.at[2] != '-' || v.at[35] != '-' || v.at[52] != '-')
        return false;
    if (!lower_hex(slice_of(v.at, 2), &version_zero) || slice_is(slice_of(v.at, 2), "ff"))
        return false;
    if (v.len > 55 && (version_zero || v.at[55] != '-'))
        return false;
    if (!lower_hex(slice_of(v.at + 3, 32), &zero) || zero)
        return false;
    if (!lower_hex(slice_of(v.at + 36, 16), &zero) || zero)
        return false;
    return lower_hex(slice_of(v.at + 53, 2), &flags_zero);
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch = (char)(ch | 0x20);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

long http_query_decode(struct slice s, char *ret_text)
{
    long n = 0;

    for (size_t i = 0; i < s.len; i++) {
        char ch = s.at[i];

        if (ch == '%') {
            int high = i + 2 < s.len ? hex_digit(s.at[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(s.at[i + 2]) : -1;

            if (low < 0)
                return -1;
            ch = (char)(high << 4 | low);
            i += 2;
        } else if (ch == '+') {
            ch = ' ';
        }
        if (ch == '\0')
            return -1;
        ret_text[n++] = ch;
    }
    return n;
}
