#include "engine/base/slice.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq(slice_of(s.at, prefix.len), prefix);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

struct slice slice_cut(struct slice *s, char delimiter)
{
    struct slice part = *s;
    const char *found = s->len > 0 ? memchr(s->at, delimiter, s->len) : NULL;

    if (!found) {
        *s = SLICE_NONE;
        return part;
    }
    part.len = (size_t)(found - s->at);
    s->at = found + 1;
    s->len -= part.len + 1;
    return part;
}

bool slice_to_u64(struct slice s, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.at[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool slice_to_i64(struct slice s, int64_t *ret_value)
{
    bool negative = s.len > 0 && s.at[0] == '-';
    uint64_t magnitude;

    if (negative) {
        s.at++;
        s.len--;
    }
    if (!slice_to_u64(s, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

bool slice_to_str(struct slice s, char *ret_text, size_t size)
{
    if (size > 0)
        ret_text[0] = '\0';
    if (s.len >= size || (s.len > 0 && memchr(s.at, '\0', s.len)))
        return false;
    if (s.len > 0)
        memcpy(ret_text, s.at, s.len);
    ret_text[s.len] = '\0';
    return true;
}

/* The smallest code point that needs a sequence of this length: below it the form is overlong. */
static const uint32_t utf8_smallest[] = {0, 0, 0x80, 0x800, 0x10000};

size_t slice_utf8(struct slice s)
{
    const uint8_t *at = (const uint8_t *)s.at;
    size_t len;
    uint32_t point;

    if (s.len == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xC2 || at[0] > 0xF4)
        return 0;
    len = at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (s.len < len)
        return 0;
    point = at[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3Fu);
    }
    if (point < utf8_smallest[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    return len;
}
