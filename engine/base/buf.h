/* A growing byte buffer with a limit. The first append that would pass the limit marks the buffer
 * failed, and all later appends do nothing, so a writer checks once, at the end. */
#ifndef HOLDFAST_BASE_BUF_H
#define HOLDFAST_BASE_BUF_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

struct buf {
    char *at; /* owned; NULL until the first append */
    size_t len, cap;
    size_t limit; /* bytes, at most this many are ever kept */
    bool failed;
};

/* No allocation. A limit is obligatory. */
void buf_init(struct buf *b, size_t limit);
void buf_free(
    struct buf *b); /* takes half-built and zeroed buffers; ready for use again afterwards */
void buf_clear(struct buf *b); /* keeps the memory, forgets the failure */
void buf_swap(struct buf *a, struct buf *b);

void buf_append(struct buf *b, const void *at, size_t len);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_str(struct buf *b, const char *text);
void buf_append_char(struct buf *b, char c);
void buf_append_u64(struct buf *b, uint64_t value); /* decimal */
void buf_append_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `len` writable bytes at the end, not counted in b->len until buf_commit; NULL (and failed) past
 * the limit. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
void buf_consume(struct buf *b, size_t len); /* drops the first `len` bytes */

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->at, b->len);
}

/* STATUS_TOO_LARGE when any append failed. */
enum status buf_status(const struct buf *b) MUST_CHECK;

#endif
