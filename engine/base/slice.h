/* A slice: bytes that somebody else owns. Not NUL-terminated. */
#ifndef HOLDFAST_BASE_SLICE_H
#define HOLDFAST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *at;
    size_t len;
};

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})
#define SLICE_NONE          ((struct slice){NULL, 0})
/* For printf("%.*s"). */
#define SLICE_ARG(s) (int)(s).len, (s).at

static inline struct slice slice_of(const void *at, size_t len)
{
    return (struct slice){(const char *)at, len};
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}

bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII only */
bool slice_starts_with(struct slice s, struct slice prefix);
struct slice slice_trim(struct slice s); /* spaces and tabs of both ends */

/* Cuts `s` at the first `delimiter`: returns the part before it and leaves the part after it in *s.
 * Without a delimiter returns all and leaves *s with at == NULL, so `while (s.at) part =
 * slice_cut(&s, ',')` visits every part. */
struct slice slice_cut(struct slice *s, char delimiter);

/* Decimal, digits only, no sign, no spaces, no overflow; false otherwise and *ret_value is
 * untouched. */
bool slice_to_u64(struct slice s, uint64_t *ret_value);
bool slice_to_i64(struct slice s, int64_t *ret_value); /* an optional leading '-' */

/* Copies into `ret_text` (size bytes, always NUL-terminated); false when it does not fit or holds a
 * NUL. */
bool slice_to_str(struct slice s, char *ret_text, size_t size);

/* The length of the UTF-8 sequence (RFC 3629) at the start of `s`; 0 when there is none or it is
 * not valid. */
size_t slice_utf8(struct slice s);

#endif
