#include "engine/net/problem.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

static const enum problem all[] = {
#define X(name, code, http, title) PROBLEM_##name,
    PROBLEM_MAP(X)
#undef X
};

#define COUNT (sizeof(all) / sizeof(all[0]))

Test(problem, codes_are_unique_snake_case_errors)
{
    for (size_t i = 0; i < COUNT; i++) {
        const char *code = problem_code(all[i]);

        cr_assert(problem_http(all[i]) >= 400 && problem_http(all[i]) < 600);
        cr_assert(strlen(problem_title(all[i])) > 0);
        for (const char *c = code; *c; c++)
            cr_assert(islower((unsigned char)*c) || *c == '_', "%s", code);
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(code, problem_code(all[k]));
    }
}

/* The two tables must tell the client the same. */
Test(problem, of_a_failure_has_the_failures_http_status)
{
#define X(name, code, http, text)                                                                  \
    if (STATUS_##name != STATUS_OK)                                                                \
        cr_assert_eq(problem_http(problem_of_status(STATUS_##name)), http, "%s", code);
    STATUS_MAP(X)
#undef X
}
