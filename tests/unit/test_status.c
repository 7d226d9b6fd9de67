#include "engine/base/status.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(status, .fini = assert_no_leaks);

Test(status, every_failure_has_code_text_and_http_status)
{
    cr_assert_str_eq(status_code(STATUS_OK), "ok");
    cr_assert_str_eq(status_code(STATUS_TOO_LARGE), "too_large");
    cr_assert_str_eq(status_text(STATUS_TIMEOUT), "a dependency did not answer in time");
    cr_assert_eq(status_http(STATUS_OK), 200);
    cr_assert_eq(status_http(STATUS_MALFORMED), 400);
    cr_assert_eq(status_http(STATUS_UNAUTHORIZED), 401);
    cr_assert_eq(status_http(STATUS_EXPIRED), 410);
    cr_assert_eq(status_http(STATUS_OVERLOADED), 503);
}

Test(status, an_unknown_value_is_named_so)
{
    enum status past_the_end = (enum status)(STATUS_INTERNAL + 1);

    cr_assert_str_eq(status_code(past_the_end), "unknown");
    cr_assert_str_eq(status_text(past_the_end), "unknown");
    cr_assert_eq(status_http(past_the_end), 500);
}
