#include "bench/scan.h"

/* What follows `"name":` in the body, from there to its end; at == NULL without one. */
static struct slice scan_value(struct slice body, const char *name)
{
    size_t len = strlen(name);

    for (struct slice rest = body; rest.len > len + 3;) {
        const char *quote = memchr(rest.at, '"', rest.len - len - 2);
        if (!quote)
            break;
        rest = slice_of(quote + 1, (size_t)(rest.at + rest.len - quote) - 1);
        if (memcmp(rest.at, name, len) == 0 && rest.at[len] == '"' && rest.at[len + 1] == ':')
            return slice_of(rest.at + len + 2, rest.len - len - 2);
    }
    return SLICE_NONE;
}

struct slice scan_str(struct slice body, const char *name)
{
    struct slice value = scan_value(body, name);

    if (value.len == 0 || *value.at != '"')
        return SLICE_NONE;
    value = slice_of(value.at + 1, value.len - 1);
    const char *end = memchr(value.at, '"', value.len);
    return end ? slice_of(value.at, (size_t)(end - value.at)) : SLICE_NONE;
}

int64_t scan_i64(struct slice body, const char *name, int64_t fallback)
{
    struct slice value = scan_value(body, name);
    size_t len = 0;
    int64_t number;

    while (len < value.len &&
           (value.at[len] == '-' || (value.at[len] >= '0' && value.at[len] <= '9')))
        len++;
    return slice_to_i64(slice_of(value.at, len), &number) ? number : fallback;
}

size_t scan_count(struct slice body, const char *name)
{
    size_t count = 0;

    for (struct slice rest = scan_value(body, name); rest.at; rest = scan_value(rest, name))
        count++;
    return count;
}
