/* Reads HTTP/1.1 requests (RFC 9112): where a head ends, what it says, and chunked bodies.
 * Allocates nothing, points by offset, and is stricter than the RFC asks wherever two readers could
 * disagree on where a request ends. */
#ifndef HOLDFAST_NET_HTTP_PARSE_H
#define HOLDFAST_NET_HTTP_PARSE_H

#include "engine/net/http.h"

enum http_parse { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_BAD };

/* ---- step 1: the end of the head, and that its lines are lines ---- */

/* Zeroed for a new request. Remembers how far it looked, so a head that trickles in is read once.
 */
struct http_scan {
    uint32_t line; /* where the line being read starts */
    bool request_line_seen;
};

/* `bytes` is all of the request that is here, the same bytes as last time with more behind. DONE:
 * *ret_len is the head with its empty line. BAD: *ret_problem. */
enum http_parse http_scan_head(struct http_scan *s, struct slice bytes, size_t *ret_len,
                               enum problem *ret_problem);

/* ---- step 2: the head's meaning ---- */

/* Bytes of the head by position, so that the head may be moved. */
struct http_span {
    uint16_t at, len;
};

struct http_field {
    struct http_span name, value; /* the value without spaces around it */
};

struct http_head {
    enum http_method method;
    struct http_span path, query; /* query.len 0: none */
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t field_count;
    uint64_t content_length;
    bool chunked, keep_alive, expect_continue;
    bool upgrade; /* Connection: upgrade and an Upgrade field */
    bool http10;
};

/* `head` is complete, at most HTTP_HEAD_MAX bytes, from http_scan_head. */
enum http_parse http_parse_head(struct slice head, struct http_head *ret_head,
                                enum problem *ret_problem);

static inline struct slice http_span_in(struct slice head, struct http_span span)
{
    return slice_of(head.at + span.at, span.len);
}

/* ---- step 3: the body, when it is chunked ---- */

struct http_chunks {
    _Alignas(16) char parser[112]; /* private: llhttp's state */
    size_t framing;                /* bytes that were not body */
    size_t decoded;
    struct buf *body; /* borrowed */
    char last;        /* framing byte before, 0 after body */
    bool broken;
    const char *seen; /* during a feed: where unchecked framing starts */
};

/* Decoded bytes are appended to `body`; its limit is the body's. */
void http_chunks_init(struct http_chunks *c, struct buf *body);
/* DONE: *ret_used bytes belonged to this body; otherwise all were used. BAD: malformed, more
 * framing than data justifies, or (body_too_large) the limit of `body` was passed. */
enum http_parse http_chunks_feed(struct http_chunks *c, struct slice bytes, size_t *ret_used,
                                 enum problem *ret_problem);

/* ---- values of fields ---- */

/* A traceparent of W3C Trace Context, section 3.2, any version but ff, ids not all zero. */
bool http_traceparent_ok(struct slice value);
/* Decodes percent escapes and '+' of a query part into ret_text (room for s.len bytes); -1 when
 * malformed or when it would hold a NUL. */
long http_query_decode(struct slice s, char *ret_text);

#endif
