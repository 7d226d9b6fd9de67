#include "engine/store/resp.h"

#include "engine/base/mem.h"

/* "*" or "$", a number, CRLF; and the CRLF behind a bulk string. */
#define FRAME_MAX 24

static char *put_number(char *at, char type, size_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    *at++ = type;
    while (n > 0)
        *at++ = digits[--n];
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static char *put_bulk(char *at, struct slice s)
{
    at = put_number(at, '$', s.len);
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    at += s.len;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static size_t bound_of(const struct slice *parts, size_t count)
{
    size_t bound = 0;

    for (size_t i = 0; i < count; i++)
        bound += parts[i].len + FRAME_MAX;
    return bound;
}

/* One reservation for the whole command, so that it is in the buffer entirely or not at all. */
static enum status append(struct buf *b, const struct slice *head, size_t head_count,
                          const struct slice *keys, size_t key_count, const struct slice *args,
                          size_t arg_count)
{
    size_t bound = FRAME_MAX + bound_of(head, head_count) + bound_of(keys, key_count) +
                   bound_of(args, arg_count);
    char *start, *at;

    if (b->failed || bound > b->limit - b->len)
        return STATUS_TOO_LARGE;
    at = start = buf_reserve(b, bound);
    if (!start)
        return STATUS_TOO_LARGE;
    at = put_number(at, '*', head_count + key_count + arg_count);
    for (size_t i = 0; i < head_count; i++)
        at = put_bulk(at, head[i]);
    for (size_t i = 0; i < key_count; i++)
        at = put_bulk(at, keys[i]);
    for (size_t i = 0; i < arg_count; i++)
        at = put_bulk(at, args[i]);
    buf_commit(b, (size_t)(at - start));
    return STATUS_OK;
}

enum status resp_command(struct buf *b, const struct slice *args, size_t count)
{
    return append(b, args, count, NULL, 0, NULL, 0);
}

static struct slice decimal(size_t value, char text[20])
{
    size_t n = 20;

    do {
        text[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return slice_of(text + n, 20 - n);
}

enum status resp_evalsha(struct buf *b, const char *sha, const struct slice *keys, size_t key_count,
                         const struct slice *args, size_t arg_count)
{
    char text[20];
    struct slice head[] = {SLICE_LITERAL("EVALSHA"), slice_of(sha, 40), decimal(key_count, text)};

    return append(b, head, array_len(head), keys, key_count, args, arg_count);
}
