#include "engine/base/buf.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_FIRST_CAP 256

void buf_init(struct buf *b, size_t limit)
{
    assert(limit > 0);
    *b = (struct buf){.limit = limit};
}

void buf_free(struct buf *b)
{
    mem_free(b->at);
    *b = (struct buf){.limit = b->limit};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_swap(struct buf *a, struct buf *b)
{
    struct buf t = *a;

    *a = *b;
    *b = t;
}

/* One byte more than `cap` is allocated, for the NUL that vsnprintf writes. */
static void grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST_CAP;

    while (cap < need)
        cap = cap > b->limit / 2 ? b->limit : cap * 2;
    if (cap > b->limit)
        cap = b->limit;
    b->at = mem_resize(b->at, cap + 1);
    b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t len)
{
    if (b->failed)
        return NULL;
    if (len > b->limit - b->len) {
        b->failed = true;
        return NULL;
    }
    if (!b->at || b->len + len > b->cap)
        grow(b, b->len + len);
    return b->at + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    assert(len <= b->cap - b->len);
    b->len += len;
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    if (len > 0 && b->len > 0)
        memmove(b->at, b->at + len, b->len);
}

void buf_append(struct buf *b, const void *at, size_t len)
{
    char *to;

    if (len == 0)
        return;
    to = buf_reserve(b, len);
    if (!to)
        return;
    memcpy(to, at, len);
    b->len += len;
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.at, s.len);
}

void buf_append_str(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_char(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);

    if (!to)
        return;
    *to = c;
    b->len++;
}

/* Writes backwards from `end`; returns where the digits begin. UINT64_MAX has twenty. */
static char *write_digits(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

void buf_append_u64(struct buf *b, uint64_t value)
{
    char text[20], *end = text + sizeof(text);
    char *from = write_digits(end, value);

    buf_append(b, from, (size_t)(end - from));
}

void buf_append_i64(struct buf *b, int64_t value)
{
    char text[21], *end = text + sizeof(text);
    char *from = write_digits(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);

    if (value < 0)
        *--from = '-';
    buf_append(b, from, (size_t)(end - from));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    size_t room = b->at ? b->cap - b->len : 0;
    int len;

    if (b->failed)
        return;
    va_start(args, format);
    len = vsnprintf(b->at ? b->at + b->len : NULL, b->at ? room + 1 : 0, format, args);
    va_end(args);
    assert(len >= 0);
    if ((size_t)len > room) {
        char *to = buf_reserve(b, (size_t)len);

        if (!to)
            return;
        va_start(args, format);
        vsnprintf(to, (size_t)len + 1, format, args);
        va_end(args);
    }
    b->len += (size_t)len;
}

enum status buf_status(const struct buf *b)
{
    return b->failed ? STATUS_TOO_LARGE : STATUS_OK;
}
