#include "engine/base/json.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>

static struct buf b;
static struct json_out w;

static void set_up(void)
{
    buf_init(&b, 100000);
    json_begin(&w, &b);
}

static void tear_down(void)
{
    buf_free(&b);
    assert_no_leaks();
}

TestSuite(json_out, .init = set_up, .fini = tear_down);

static void expect(const char *json)
{
    cr_assert(slice_is(buf_slice(&b), json), "%.*s", SLICE_ARG(buf_slice(&b)));
}

Test(json_out, commas_are_where_they_belong)
{
    json_object_begin(&w);
    json_put_int(&w, "a", -1);
    json_key(&w, "b");
    json_array_begin(&w);
    json_int(&w, 1);
    json_object_begin(&w);
    json_object_end(&w);
    json_array_begin(&w);
    json_array_end(&w);
    json_nil(&w);
    json_array_end(&w);
    json_put_bool(&w, "c", true);
    json_key(&w, "d");
    json_object_begin(&w);
    json_put_null(&w, "e");
    json_object_end(&w);
    json_key(&w, "f");
    json_raw(&w, SLICE_LITERAL("[1,2]"));
    json_key(&w, "g");
    json_bool(&w, false);
    json_object_end(&w);
    expect("{\"a\":-1,\"b\":[1,{},[],null],\"c\":true,\"d\":{\"e\":null},\"f\":[1,2],\"g\":false}");
}

Test(json_out, begin_appends_to_what_is_there)
{
    buf_append_str(&b, "data: ");
    json_begin(&w, &b);
    json_array_begin(&w);
    json_array_end(&w);
    expect("data: []");
}

Test(json_out, values_of_every_kind)
{
    json_array_begin(&w);
    json_u64(&w, UINT64_MAX);
    json_int(&w, INT64_MIN);
    json_time(&w, 0);
    json_array_end(&w);
    expect("[18446744073709551615,-9223372036854775808,\"1970-01-01T00:00:00.000Z\"]");
}

Test(json_out, pairs_of_every_kind)
{
    json_object_begin(&w);
    json_put_str(&w, "s", SLICE_LITERAL("x"));
    json_put_id(&w, "id", UINT64_MAX);
    json_put_time(&w, "t", 1);
    json_object_end(&w);
    expect("{\"s\":\"x\",\"id\":\"18446744073709551615\",\"t\":\"1970-01-01T00:00:00.001Z\"}");
}

Test(json_out, strings_are_escaped)
{
    json_str(&w, SLICE_LITERAL("a\"b\\c/\b\f\n\r\t\v\x01\x1f\x7f"));
    expect("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u000b\\u0001\\u001f\x7f\"");
}

Test(json_out, nul_and_the_empty_string)
{
    json_array_begin(&w);
    json_str(&w, slice_of("a\0b", 3));
    json_str(&w, SLICE_NONE);
    json_array_end(&w);
    expect("[\"a\\u0000b\",\"\"]");
}

Test(json_out, utf8_passes_and_the_rest_is_replaced)
{
    json_str(&w, SLICE_LITERAL("Z\xC3\xBCrich \xF0\x9F\x8E\xAB"));
    expect("\"Z\xC3\xBCrich \xF0\x9F\x8E\xAB\"");
    buf_clear(&b);
    json_begin(&w, &b);
    json_str(&w, SLICE_LITERAL("a\xFFz\xC3"));
    expect("\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
    buf_clear(&b);
    json_begin(&w, &b);
    json_str(&w, SLICE_LITERAL("\xED\xA0\x80"));
    expect("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

/* Whatever the bytes are, jansson must read the result. */
Test(json_out, any_bytes_make_valid_json)
{
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char bytes[3] = {(char)first, (char)second, 'x'};
            json_t *json;

            buf_clear(&b);
            json_begin(&w, &b);
            json_array_begin(&w);
            json_str(&w, slice_of(bytes, 3));
            json_array_end(&w);
            json = json_loadb(b.at, b.len, JSON_ALLOW_NUL, NULL);
            cr_assert_not_null(json, "%02x %02x", first, second);
            json_decref(json);
        }
    }
}

Test(json_out, numbers_are_the_shortest_that_read_back)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},          {0.1, "0.1"},       {1.5, "1.5"},
                 {1e300, "1e+300"}, {-2, "-2"},         {1.0 / 3, "0.3333333333333333"},
                 {NAN, "null"},     {INFINITY, "null"}, {-INFINITY, "null"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&b);
        json_begin(&w, &b);
        json_num(&w, cases[i].value);
        buf_append_char(&b, '\0');
        if (isfinite(cases[i].value))
            cr_assert_eq(strtod(b.at, NULL), cases[i].value, "%s", b.at);
        cr_assert_str_eq(b.at, cases[i].text);
    }
}

Test(json_out, thirty_two_levels_fit)
{
    for (int i = 0; i < 32; i++)
        json_array_begin(&w);
    json_int(&w, 1);
    json_int(&w, 2);
    for (int i = 0; i < 32; i++)
        json_array_end(&w);
    cr_assert_eq(b.len, 32 + 3 + 32);
}

Test(json_out, one_level_more_is_a_bug, .signal = SIGABRT)
{
    for (int i = 0; i < 33; i++)
        json_array_begin(&w);
}

Test(json_out, a_full_buffer_is_noticed_at_the_end)
{
    buf_free(&b);
    buf_init(&b, 10);
    json_object_begin(&w);
    json_put_str(&w, "key", SLICE_LITERAL("too long for it"));
    json_object_end(&w);
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
}
