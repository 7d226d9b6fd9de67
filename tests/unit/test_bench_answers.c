/* How the harness reads answers and counts them, without a tree or a line of text per answer. */
#include "bench/meter.h"
#include "bench/scan.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(bench_answers, .timeout = 10, .fini = assert_no_leaks);

#define IS(slice, text) cr_assert(slice_is((slice), (text)), "%.*s", SLICE_ARG(slice))

Test(bench_answers, members_are_found_by_their_whole_name)
{
    const struct slice body = SLICE_LITERAL(
        "{\"bookingId\":\"b-1\",\"id\":\"x\",\"total\":-5000,\"note\":\"total\",\"tickets\":"
        "[{\"label\":\"A-1\",\"code\":\"c1\"},{\"label\":\"A-2\",\"code\":\"c2\"}]}");

    IS(scan_str(body, "id"), "x");
    IS(scan_str(body, "bookingId"), "b-1");
    IS(scan_str(body, "code"), "c1");
    cr_assert_eq(scan_i64(body, "total", 7), -5000);
    cr_assert_eq(scan_count(body, "label"), 2);
    cr_assert_eq(scan_count(body, "price"), 0);
    cr_assert_null(scan_str(body, "kingId").at);
    cr_assert_null(scan_str(body, "total").at);
    cr_assert_eq(scan_i64(body, "id", 7), 7);
    cr_assert_eq(scan_i64(body, "missing", 7), 7);
}

/* Every beginning of an answer, its end at the end of a page. */
Test(bench_answers, an_answer_that_is_cut_anywhere_is_read_no_further)
{
    static const char whole[] = "{\"code\":\"seat_unavailable\",\"total\":12}";

    for (size_t len = 0; len < sizeof(whole); len++) {
        struct guard g = guard_new(whole, len);
        struct slice body = g.bytes;
        struct slice code = scan_str(body, "code");
        cr_assert(!code.at || slice_is(code, "seat_unavailable"));
        cr_assert(scan_i64(body, "total", 0) >= 0);
        cr_assert(scan_count(body, "total") <= 1);
        guard_free(&g);
    }
}

static uint64_t count_of(const struct meter_step *s, const char *name)
{
    for (size_t i = 0; i < s->outcome_count; i++)
        if (strcmp(s->outcomes[i].code, name) == 0)
            return s->outcomes[i].count;
    return 0;
}

Test(bench_answers, outcomes_are_counted_by_status_and_code)
{
    static const char *const steps[] = {"hold", NULL};
    static const struct {
        int status;
        const char *code;
    } answers[] = {{201, ""},
                   {409, "hold_limit"},
                   {409, ""},
                   {409, "seat_unavailable"},
                   {0, ""},
                   {201, ""},
                   {0, ""},
                   {409, "hold_limit"},
                   {503, "a_code_of_more_than_thirty_one_characters"},
                   {503, "a_code_of_more_than_thirty_one_characters"}};
    struct meter m;

    meter_init(&m, steps, 0);
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        meter_answer(&m, 0, 0, 1000, answers[i].status, slice_str(answers[i].code));
    const struct meter_step *s = &m.steps[0];
    cr_assert_eq(s->outcome_count, 6);
    cr_assert_eq(count_of(s, "201"), 2);
    cr_assert_eq(count_of(s, "409"), 1);
    cr_assert_eq(count_of(s, "409 hold_limit"), 2);
    cr_assert_eq(count_of(s, "409 seat_unavailable"), 1);
    cr_assert_eq(count_of(s, "no answer"), 2);
    cr_assert_eq(s->failed, 4);
    meter_free(&m);
}
