#include "engine/base/mem.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>

TestSuite(mem, .fini = assert_no_leaks);

struct seat {
    int row;
    int number;
};

Test(mem, container_of_finds_the_owner)
{
    struct seat s;

    cr_assert_eq(container_of(&s.number, struct seat, number), &s);
}

Test(mem, alloc_is_zeroed_and_takes_zero)
{
    char *at = mem_alloc(1000);

    for (int i = 0; i < 1000; i++)
        cr_assert_eq(at[i], 0);
    mem_free(at);
    at = mem_alloc(0);
    cr_assert_not_null(at);
    mem_free(at);
    mem_free(NULL);
}

Test(mem, resize_keeps_the_content)
{
    char *at = mem_resize(NULL, 4);

    memcpy(at, "abc", 4);
    at = mem_resize(at, 100000);
    cr_assert_str_eq(at, "abc");
    at = mem_resize(at, 0);
    mem_free(at);
}

Test(mem, copies_of_text_end_with_nul)
{
    char *a = mem_strdup("seat"), *b = mem_strndup("seatmap", 4), *c = mem_strndup(NULL, 0);

    cr_assert_str_eq(a, "seat");
    cr_assert_str_eq(b, "seat");
    cr_assert_str_eq(c, "");
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

/* The sanitizer's allocator dies on such a request with a report of its own, in the same way. */
Test(mem, no_memory_aborts, .signal = SIGABRT)
{
    volatile size_t too_much = SIZE_MAX / 2;

    mem_alloc(too_much);
}

Test(mem, no_memory_aborts_a_resize_too, .signal = SIGABRT)
{
    volatile size_t too_much = SIZE_MAX / 2;

    mem_resize(NULL, too_much);
}
