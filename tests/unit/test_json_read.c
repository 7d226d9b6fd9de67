#include "engine/base/json.h"
#include "engine/base/mem.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(json_read, .fini = assert_no_leaks);

static char why[160];

static json_t *parse_bytes(const char *text, size_t len)
{
    struct guard g = guard_new(text, len);
    json_t *json;

    why[0] = '\0';
    json = json_parse_object(g.bytes, why, sizeof(why));
    guard_free(&g);
    return json;
}

static json_t *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

/* ---- parsing ---- */

Test(json_read, parses_an_object)
{
    json_t *json = parse(" {\"a\": [1, {\"b\": null}], \"c\": \"\\u00fc\"} \n");

    cr_assert_not_null(json, "%s", why);
    cr_assert_eq(json_object_size(json), 2);
    json_decref(json);
}

Test(json_read, refuses_what_is_not_one_object)
{
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "\"a\"",
        "null",
        "{",
        "{}x",
        "{}{}",
        "{} ,",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "{\"a\":9223372036854775808}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\xFF\"}",
        "{\"a\":\"\xC0\x80\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"open}",
        "{\"a\":tru}",
        "// {}",
        "{\"a\":1 /* */}",
        "\xEF\xBB\xBF{}",
    };

    for (size_t i = 0; i < array_len(bad); i++) {
        cr_assert_null(parse(bad[i]), "%s", bad[i]);
        cr_assert_neq(why[0], '\0', "%s: no reason given", bad[i]);
    }
    cr_assert_null(parse_bytes("{\"a\":1}\0", 8), "a NUL behind it");
    cr_assert_null(parse_bytes("{\"a\0b\":1}", 9), "a NUL in a key");
}

Test(json_read, every_truncation_is_refused)
{
    const char *whole = "{\"a\":[1,2.5,true],\"b\":{\"c\":\"x\\n\\u00fc\"},\"d\":null}";

    for (size_t len = 0; len < strlen(whole); len++)
        cr_assert_null(parse_bytes(whole, len), "%zu", len);
}

/* `levels` nested arrays in an object. */
static json_t *parse_nested(int levels)
{
    char text[200];
    int at = snprintf(text, sizeof(text), "{\"[[[{{{\":");

    for (int i = 0; i < levels - 1; i++)
        text[at++] = '[';
    for (int i = 0; i < levels - 1; i++)
        text[at++] = ']';
    text[at++] = '}';
    return parse_bytes(text, (size_t)at);
}

Test(json_read, nesting_has_a_limit)
{
    json_t *json = parse_nested(32);

    cr_assert_not_null(json, "%s", why);
    json_decref(json);
    cr_assert_null(parse_nested(33));
    cr_assert_str_eq(why, "nested deeper than 32");
}

Test(json_read, brackets_in_strings_do_not_nest)
{
    char text[300] = "{\"a\":\"\\\"";
    json_t *json;

    memset(text + strlen(text), '[', 200);
    strcat(text, "\"}");
    json = parse(text);
    cr_assert_not_null(json, "%s", why);
    json_decref(json);
}

Test(json_read, the_reason_says_where_and_fits)
{
    char small[10];

    cr_assert_null(parse("{\n  \"a\": x}"));
    cr_assert_eq(strncmp(why, "line 2, column ", 15), 0, "%s", why);
    cr_assert_null(json_parse_object(SLICE_LITERAL("{x"), small, sizeof(small)));
    cr_assert_lt(strlen(small), sizeof(small));
}

/* ---- fields ---- */

struct request {
    struct slice name;
    int64_t quantity, starts_ms;
    bool accessible, has_name;
    uint64_t event;
    json_t *customer, *seats;
};

static struct request request;

static const struct json_field fields[] = {
    {.key = "name",
     .kind = JSON_KIND_STR,
     .out = &request.name,
     .min = 1,
     .max = 5,
     .ret_present = &request.has_name},
    {.key = "quantity", .kind = JSON_KIND_INT, .out = &request.quantity, .min = 1, .max = 8},
    {.key = "accessible", .kind = JSON_KIND_BOOL, .out = &request.accessible},
    {.key = "event", .kind = JSON_KIND_ID, .out = &request.event},
    {.key = "startsAt", .kind = JSON_KIND_TIME, .out = &request.starts_ms},
    {.key = "customer", .kind = JSON_KIND_OBJECT, .out = &request.customer},
    {.key = "seats", .kind = JSON_KIND_ARRAY, .out = &request.seats, .min = 1, .max = 2},
};

static json_t *document;

static enum status read_text(const char *text, const char *prefix)
{
    json_decref(document);
    document = parse(text);
    cr_assert_not_null(document, "%s", why);
    return json_read(document, fields, array_len(fields), prefix, why, sizeof(why));
}

static void drop_document(void)
{
    json_decref(document);
    assert_no_leaks();
}

TestSuite(json_fields, .fini = drop_document);

Test(json_fields, reads_every_kind)
{
    enum status status =
        read_text("{\"name\":\"M\xC3\xBC\",\"quantity\":8,\"accessible\":true,\"event\":"
                  "\"18446744073709551615\","
                  "\"startsAt\":\"1970-01-01T00:00:01Z\",\"customer\":{},\"seats\":[1]}",
                  NULL);

    cr_assert_eq(status, STATUS_OK, "%s", why);
    cr_assert(slice_is(request.name, "M\xC3\xBC"));
    cr_assert(request.has_name);
    cr_assert_eq(request.quantity, 8);
    cr_assert(request.accessible);
    cr_assert_eq(request.event, UINT64_MAX);
    cr_assert_eq(request.starts_ms, 1000);
    cr_assert(json_is_object(request.customer));
    cr_assert_eq(json_array_size(request.seats), 1);
}

Test(json_fields, what_is_absent_or_null_stays_untouched)
{
    request.quantity = 7;
    request.has_name = true;
    cr_assert_eq(read_text("{\"quantity\":null}", NULL), STATUS_OK);
    cr_assert_eq(request.quantity, 7);
    cr_assert(!request.has_name);
}

Test(json_fields, each_refusal_names_the_field)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"nam\":1}", "nam is not a known field"},
        {"{\"name\":1}", "name must be a string"},
        {"{\"name\":\"\"}", "name must be 1 to 5 bytes long"},
        {"{\"name\":\"123456\"}", "name must be 1 to 5 bytes long"},
        {"{\"quantity\":\"1\"}", "quantity must be an integer"},
        {"{\"quantity\":1.0}", "quantity must be an integer"},
        {"{\"quantity\":0}", "quantity must be 1 to 8"},
        {"{\"quantity\":9}", "quantity must be 1 to 8"},
        {"{\"accessible\":1}", "accessible must be true or false"},
        {"{\"event\":5}", "event must be an id, a string of decimal digits"},
        {"{\"event\":\"\"}", "event must be an id, a string of decimal digits"},
        {"{\"event\":\"05\"}", "event must be an id, a string of decimal digits"},
        {"{\"event\":\"-5\"}", "event must be an id, a string of decimal digits"},
        {"{\"event\":\"18446744073709551616\"}", "event must be an id, a string of decimal digits"},
        {"{\"startsAt\":5}", "startsAt must be a time like 2026-11-21T10:00:00Z"},
        {"{\"startsAt\":\"today\"}", "startsAt must be a time like 2026-11-21T10:00:00Z"},
        {"{\"customer\":[]}", "customer must be an object"},
        {"{\"seats\":{}}", "seats must be an array"},
        {"{\"seats\":[]}", "seats must be 1 to 2 long"},
        {"{\"seats\":[1,2,3]}", "seats must be 1 to 2 long"},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        cr_assert_eq(read_text(cases[i].text, NULL), STATUS_INVALID, "%s", cases[i].text);
        cr_assert_str_eq(why, cases[i].why);
    }
}

Test(json_fields, the_prefix_is_put_before)
{
    cr_assert_eq(read_text("{\"name\":1}", "customer."), STATUS_INVALID);
    cr_assert_str_eq(why, "customer.name must be a string");
    cr_assert_eq(read_text("{\"x\":1}", "customer."), STATUS_INVALID);
    cr_assert_str_eq(why, "customer.x is not a known field");
}

Test(json_fields, required_means_there_and_not_null)
{
    struct slice name = SLICE_NONE;
    const struct json_field required[] = {
        {.key = "name", .kind = JSON_KIND_STR, .out = &name, .required = true}};
    const char *texts[] = {"{}", "{\"name\":null}"};

    for (size_t i = 0; i < 2; i++) {
        document = parse(texts[i]);
        cr_assert_eq(json_read(document, required, 1, NULL, why, sizeof(why)), STATUS_INVALID);
        cr_assert_str_eq(why, "name is required");
        json_decref(document);
    }
    document = parse("{\"name\":\"\"}");
    cr_assert_eq(json_read(document, required, 1, NULL, why, sizeof(why)), STATUS_OK,
                 "no bound was given");
}

Test(json_fields, a_lower_bound_alone)
{
    int64_t n = 0;
    const struct json_field least[] = {{.key = "n", .kind = JSON_KIND_INT, .out = &n, .min = 3}};

    document = parse("{\"n\":2}");
    cr_assert_eq(json_read(document, least, 1, NULL, why, sizeof(why)), STATUS_INVALID);
    cr_assert_str_eq(why, "n must be at least 3");
    json_decref(document);
    document = parse("{\"n\":9223372036854775807}");
    cr_assert_eq(json_read(document, least, 1, NULL, why, sizeof(why)), STATUS_OK);
    cr_assert_eq(n, INT64_MAX);
}

Test(json_fields, a_strangers_name_is_cut)
{
    char text[600], small[16];

    snprintf(text, sizeof(text), "{\"%0500d\":1}", 7);
    cr_assert_eq(read_text(text, NULL), STATUS_INVALID);
    cr_assert_eq(strlen(why), 64 + strlen(" is not a known field"));
    cr_assert_eq(json_read(document, fields, array_len(fields), NULL, small, sizeof(small)),
                 STATUS_INVALID);
    cr_assert_eq(strlen(small), 15, "cut to the caller's room");
}
