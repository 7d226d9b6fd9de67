#include "engine/base/json.h"

#include "engine/base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define JSON_READ_DEPTH_MAX 32
#define JSON_NAME_SHOWN     64 /* bytes of a stranger's field name that a message repeats */

/* ---- parsing ---- */

/* jansson's own limit is 2048 levels and recursive; ours is counted before it starts. */
static bool too_deep(struct slice text)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_READ_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

json_t *json_parse_object(struct slice text, char *ret_why, size_t why_size)
{
    json_error_t error;
    json_t *json;

    if (text.len == 0) {
        snprintf(ret_why, why_size, "empty, a JSON object is expected");
        return NULL;
    }
    if (too_deep(text)) {
        snprintf(ret_why, why_size, "nested deeper than %d", JSON_READ_DEPTH_MAX);
        return NULL;
    }
    json = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!json) {
        snprintf(ret_why, why_size, "line %d, column %d: %s", error.line, error.column, error.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        snprintf(ret_why, why_size, "a JSON object is expected");
        json_decref(json);
        return NULL;
    }
    return json;
}

/* ---- reading fields ---- */

/* Where the message about one field goes. */
struct reader {
    const char *prefix;
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 3, 4))) static enum status
refuse(const struct reader *r, const char *key, const char *format, ...)
{
    va_list args;
    int len = snprintf(r->why, r->why_size, "%s%.*s ", r->prefix, JSON_NAME_SHOWN, key);

    if (len >= 0 && (size_t)len < r->why_size) {
        va_start(args, format);
        vsnprintf(r->why + len, r->why_size - (size_t)len, format, args);
        va_end(args);
    }
    return STATUS_INVALID;
}

static enum status check_bounds(const struct reader *r, const struct json_field *f, int64_t value,
                                const char *unit)
{
    if ((f->min == 0 && f->max == 0) || (value >= f->min && (f->max == 0 || value <= f->max)))
        return STATUS_OK;
    if (f->max == 0)
        return refuse(r, f->key, "must be at least %" PRId64 "%s", f->min, unit);
    return refuse(r, f->key, "must be %" PRId64 " to %" PRId64 "%s", f->min, f->max, unit);
}

static struct slice string_of(json_t *value)
{
    return slice_of(json_string_value(value), json_string_length(value));
}

static enum status read_str(const struct reader *r, const struct json_field *f, json_t *value)
{
    enum status status;

    if (!json_is_string(value))
        return refuse(r, f->key, "must be a string");
    status = check_bounds(r, f, (int64_t)json_string_length(value), " bytes long");
    if (status == STATUS_OK)
        *(struct slice *)f->out = string_of(value);
    return status;
}

static enum status read_int(const struct reader *r, const struct json_field *f, json_t *value)
{
    enum status status;

    if (!json_is_integer(value))
        return refuse(r, f->key, "must be an integer");
    status = check_bounds(r, f, json_integer_value(value), "");
    if (status == STATUS_OK)
        *(int64_t *)f->out = json_integer_value(value);
    return status;
}

static enum status read_bool(const struct reader *r, const struct json_field *f, json_t *value)
{
    if (!json_is_boolean(value))
        return refuse(r, f->key, "must be true or false");
    *(bool *)f->out = json_is_true(value);
    return STATUS_OK;
}

/* One spelling for one id: no leading zeros. */
static enum status read_id(const struct reader *r, const struct json_field *f, json_t *value)
{
    struct slice text = SLICE_NONE;

    if (json_is_string(value))
        text = string_of(value);
    if ((text.len > 1 && text.at[0] == '0') || !slice_to_u64(text, f->out))
        return refuse(r, f->key, "must be an id, a string of decimal digits");
    return STATUS_OK;
}

static enum status read_time(const struct reader *r, const struct json_field *f, json_t *value)
{
    if (!json_is_string(value) || !clock_parse(string_of(value), f->out))
        return refuse(r, f->key, "must be a time like 2026-11-21T10:00:00Z");
    return STATUS_OK;
}

static enum status read_object(const struct reader *r, const struct json_field *f, json_t *value)
{
    if (!json_is_object(value))
        return refuse(r, f->key, "must be an object");
    *(json_t **)f->out = value;
    return STATUS_OK;
}

static enum status read_array(const struct reader *r, const struct json_field *f, json_t *value)
{
    enum status status;

    if (!json_is_array(value))
        return refuse(r, f->key, "must be an array");
    status = check_bounds(r, f, (int64_t)json_array_size(value), " long");
    if (status == STATUS_OK)
        *(json_t **)f->out = value;
    return status;
}

static enum status (*const readers[])(const struct reader *r, const struct json_field *f,
                                      json_t *value) = {
    [JSON_KIND_STR] = read_str,     [JSON_KIND_INT] = read_int,   [JSON_KIND_BOOL] = read_bool,
    [JSON_KIND_ID] = read_id,       [JSON_KIND_TIME] = read_time, [JSON_KIND_OBJECT] = read_object,
    [JSON_KIND_ARRAY] = read_array,
};

static bool known(const struct json_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return true;
    }
    return false;
}

static enum status read_field(const struct reader *r, const struct json_field *f, json_t *object)
{
    json_t *value = json_object_get(object, f->key);
    bool present = value && !json_is_null(value);

    if (f->ret_present)
        *f->ret_present = present;
    if (!present)
        return f->required ? refuse(r, f->key, "is required") : STATUS_OK;
    return readers[f->kind](r, f, value);
}

enum status json_read(json_t *object, const struct json_field *fields, size_t count,
                      const char *prefix, char *ret_why, size_t why_size)
{
    struct reader r = {.prefix = prefix ? prefix : "", .why = ret_why, .why_size = why_size};
    const char *key;
    json_t *value;

    /* The unknown first: a misspelt field is better news than a missing one. */
    json_object_foreach(object, key, value)
    {
        if (!known(fields, count, key))
            return refuse(&r, key, "is not a known field");
    }
    for (size_t i = 0; i < count; i++) {
        enum status status = read_field(&r, &fields[i], object);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
