/* JSON: reading never fails in another way than by saying so, and any bytes written as a string
 * read back. */
#include "engine/base/json.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

static void check_reading(struct slice text)
{
    char why[80];
    json_t *json = json_parse_object(text, why, sizeof(why)), *object = NULL, *array = NULL;
    struct slice name = SLICE_NONE;
    int64_t n = 0, ms = 0;
    uint64_t id = 0;
    bool flag = false;
    const struct json_field fields[] = {
        {.key = "s", .kind = JSON_KIND_STR, .out = &name, .min = 1, .max = 20},
        {.key = "n", .kind = JSON_KIND_INT, .out = &n, .min = -5, .max = 5},
        {.key = "b", .kind = JSON_KIND_BOOL, .out = &flag},
        {.key = "id", .kind = JSON_KIND_ID, .out = &id},
        {.key = "t", .kind = JSON_KIND_TIME, .out = &ms},
        {.key = "o", .kind = JSON_KIND_OBJECT, .out = &object},
        {.key = "a", .kind = JSON_KIND_ARRAY, .out = &array, .max = 3},
    };

    if (!json) {
        must(memchr(why, '\0', sizeof(why)) != NULL);
        return;
    }
    if (json_read(json, fields, array_len(fields), "x.", why, sizeof(why)) == STATUS_OK) {
        must(name.len <= 20 && n >= -5 && n <= 5);
        must(!array || json_array_size(array) <= 3);
    } else {
        must(strncmp(why, "x.", 2) == 0);
    }
    json_decref(json);
}

/* Valid UTF-8 must come back as it was. */
static void check_writing(struct slice text)
{
    struct json_out w;
    struct buf b;
    json_t *json;
    bool valid = true;

    for (struct slice rest = text; rest.len > 0 && valid;) {
        size_t step = slice_utf8(rest);

        valid = step > 0;
        rest.at += step;
        rest.len -= step;
    }
    buf_init(&b, 6 * text.len + 16);
    json_begin(&w, &b);
    json_array_begin(&w);
    json_str(&w, text);
    json_array_end(&w);
    must(buf_status(&b) == STATUS_OK);
    json = json_loadb(b.at, b.len, JSON_ALLOW_NUL, NULL);
    must(json != NULL);
    if (valid) {
        json_t *back = json_array_get(json, 0);

        must(slice_eq(slice_of(json_string_value(back), json_string_length(back)), text));
    }
    json_decref(json);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    check_reading(slice_of(at, len));
    check_writing(slice_of(at, len));
    return 0;
}
