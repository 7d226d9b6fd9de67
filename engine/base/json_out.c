#include "engine/base/json.h"

#include "engine/base/clock.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define JSON_OUT_DEPTH_MAX 32

void json_begin(struct json_out *w, struct buf *b)
{
    *w = (struct json_out){.b = b};
}

static uint32_t level_bit(const struct json_out *w)
{
    return 1u << (w->depth - 1);
}

/* The comma before a value or a key. json_key sets the bit again, so its value gets none. */
static void separate(struct json_out *w)
{
    if (w->depth == 0)
        return;
    if (!(w->first & level_bit(w)))
        buf_append_char(w->b, ',');
    w->first &= ~level_bit(w);
}

static void open_level(struct json_out *w, char bracket)
{
    assert(w->depth < JSON_OUT_DEPTH_MAX);
    separate(w);
    buf_append_char(w->b, bracket);
    w->depth++;
    w->first |= level_bit(w);
}

static void close_level(struct json_out *w, char bracket)
{
    assert(w->depth > 0);
    w->depth--;
    buf_append_char(w->b, bracket);
}

void json_object_begin(struct json_out *w)
{
    open_level(w, '{');
}

void json_object_end(struct json_out *w)
{
    close_level(w, '}');
}

void json_array_begin(struct json_out *w)
{
    open_level(w, '[');
}

void json_array_end(struct json_out *w)
{
    close_level(w, ']');
}

void json_key(struct json_out *w, const char *key)
{
    assert(w->depth > 0);
    separate(w);
    buf_append_char(w->b, '"');
    buf_append_str(w->b, key);
    buf_append(w->b, "\":", 2);
    w->first |= level_bit(w);
}

static bool plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* How many bytes from the start can be written as they are: plain ASCII and valid UTF-8. */
static size_t plain_run(struct slice s)
{
    size_t i = 0;

    while (i < s.len) {
        if (plain((uint8_t)s.at[i])) {
            i++;
        } else if ((uint8_t)s.at[i] >= 0x80) {
            size_t sequence = slice_utf8(slice_of(s.at + i, s.len - i));

            if (sequence == 0)
                break;
            i += sequence;
        } else {
            break;
        }
    }
    return i;
}

static void append_escaped(struct buf *b, uint8_t c)
{
    static const char letters[] = "btn\0fr"; /* of 8..13; 11 has none */

    if (c >= 0x80) {
        buf_append_str(b, "\xEF\xBF\xBD");
    } else if (c == '"' || c == '\\') {
        buf_append_char(b, '\\');
        buf_append_char(b, (char)c);
    } else if (c >= 8 && c <= 13 && letters[c - 8]) {
        buf_append_char(b, '\\');
        buf_append_char(b, letters[c - 8]);
    } else {
        buf_printf(b, "\\u%04x", c);
    }
}

void json_str(struct json_out *w, struct slice value)
{
    separate(w);
    buf_append_char(w->b, '"');
    while (value.len > 0) {
        size_t run = plain_run(value);

        buf_append(w->b, value.at, run);
        if (run < value.len)
            append_escaped(w->b, (uint8_t)value.at[run++]);
        value.at += run;
        value.len -= run;
    }
    buf_append_char(w->b, '"');
}

void json_int(struct json_out *w, int64_t value)
{
    separate(w);
    buf_append_i64(w->b, value);
}

void json_u64(struct json_out *w, uint64_t value)
{
    separate(w);
    buf_append_u64(w->b, value);
}

void json_num(struct json_out *w, double value)
{
    char text[32];

    if (!isfinite(value)) {
        json_nil(w);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    separate(w);
    buf_append_str(w->b, text);
}

void json_bool(struct json_out *w, bool value)
{
    separate(w);
    buf_append_str(w->b, value ? "true" : "false");
}

void json_nil(struct json_out *w)
{
    separate(w);
    buf_append_str(w->b, "null");
}

void json_raw(struct json_out *w, struct slice json)
{
    separate(w);
    buf_append_slice(w->b, json);
}

void json_time(struct json_out *w, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];

    clock_format(wall_ms, text);
    json_str(w, slice_of(text, CLOCK_TEXT_SIZE - 1));
}

void json_put_str(struct json_out *w, const char *key, struct slice value)
{
    json_key(w, key);
    json_str(w, value);
}

void json_put_int(struct json_out *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

void json_put_id(struct json_out *w, const char *key, uint64_t value)
{
    json_key(w, key);
    separate(w);
    buf_append_char(w->b, '"');
    buf_append_u64(w->b, value);
    buf_append_char(w->b, '"');
}

void json_put_bool(struct json_out *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}

void json_put_time(struct json_out *w, const char *key, int64_t wall_ms)
{
    json_key(w, key);
    json_time(w, wall_ms);
}

void json_put_null(struct json_out *w, const char *key)
{
    json_key(w, key);
    json_nil(w);
}
