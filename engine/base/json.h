/* JSON: a small writer into a buf for answers, and strict reading of requests on top of jansson. */
#ifndef HOLDFAST_BASE_JSON_H
#define HOLDFAST_BASE_JSON_H

#include "engine/base/buf.h"

#include <jansson.h>

/* ---- writing: commas are the writer's business, nesting at most 32. Plain json_object, json_array
 * and json_null are jansson's. ---- */

struct json_out {
    struct buf *b;  /* borrowed */
    uint32_t first; /* private: one bit a level, "nothing written yet" */
    uint8_t depth;
};

void json_begin(struct json_out *w, struct buf *b); /* does not clear b */
void json_object_begin(struct json_out *w);
void json_object_end(struct json_out *w);
void json_array_begin(struct json_out *w);
void json_array_end(struct json_out *w);
void json_key(struct json_out *w, const char *key);    /* plain ASCII, written as it is */
void json_str(struct json_out *w, struct slice value); /* escaped; invalid UTF-8 becomes U+FFFD */
void json_int(struct json_out *w, int64_t value);
void json_u64(struct json_out *w, uint64_t value);
void json_num(struct json_out *w,
              double value); /* shortest form that reads back; not finite: null */
void json_bool(struct json_out *w, bool value);
void json_nil(struct json_out *w);
void json_raw(struct json_out *w, struct slice json); /* already JSON */
void json_time(struct json_out *w, int64_t wall_ms);  /* RFC 3339 */

/* key and value in one call */
void json_put_str(struct json_out *w, const char *key, struct slice value);
void json_put_int(struct json_out *w, const char *key, int64_t value);
void json_put_id(struct json_out *w, const char *key,
                 uint64_t value); /* ids are strings on the wire */
void json_put_bool(struct json_out *w, const char *key, bool value);
void json_put_time(struct json_out *w, const char *key, int64_t wall_ms);
void json_put_null(struct json_out *w, const char *key);

/* ---- reading ---- */

/* Parses `text` as one JSON object: no duplicate keys, no NUL in strings, nothing after it, nesting
 * at most 32. NULL when malformed, `ret_why` then says where and what (static buffer size bytes).
 * json_decref by the caller. */
json_t *json_parse_object(struct slice text, char *ret_why, size_t why_size);

/* A field of an object that is read. */
enum json_kind {
    JSON_KIND_STR,    /* out: struct slice, borrowed from the json_t */
    JSON_KIND_INT,    /* out: int64_t, within min..max */
    JSON_KIND_BOOL,   /* out: bool */
    JSON_KIND_ID,     /* out: uint64_t, a decimal string (a JSON number is refused) */
    JSON_KIND_TIME,   /* out: int64_t wall ms, an RFC 3339 string */
    JSON_KIND_OBJECT, /* out: json_t *, borrowed */
    JSON_KIND_ARRAY,  /* out: json_t *, borrowed; min..max is its length */
};

struct json_field {
    const char *key;
    enum json_kind kind;
    void *out; /* untouched when the field is absent or null */
    bool required;
    int64_t min, max;  /* INT: value; STR: length in bytes; ARRAY: length. max 0: no bound */
    bool *ret_present; /* optional */
};

/* Reads exactly these fields: an unknown field, a wrong type, a missing or out-of-bounds one is
 * STATUS_INVALID with the field named in ret_why. `prefix` (may be NULL) is put before the names,
 * "customer.". */
enum status json_read(json_t *object, const struct json_field *fields, size_t count,
                      const char *prefix, char *ret_why, size_t why_size) MUST_CHECK;

#endif
