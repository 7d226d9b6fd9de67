#include "engine/base/pool.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

TestSuite(pool, .fini = assert_no_leaks);

Test(pool, gives_all_then_refuses)
{
    struct pool p;
    void *objects[3];

    pool_init(&p, 100, 3);
    for (int i = 0; i < 3; i++) {
        objects[i] = pool_take(&p);
        cr_assert_not_null(objects[i]);
        cr_assert_eq((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], i, 100);
    }
    cr_assert_null(pool_take(&p));
    cr_assert_null(pool_take(&p));
    cr_assert_eq(p.refused, 2);
    cr_assert_eq(p.in_use, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(((char *)objects[i])[99], i, "objects do not overlap");
    for (int i = 0; i < 3; i++)
        pool_give(&p, objects[i]);
    cr_assert_eq(p.in_use, 0);
    pool_free(&p);
}

Test(pool, a_given_object_is_taken_again)
{
    struct pool p;
    void *a;

    pool_init(&p, 1, 1);
    a = pool_take(&p);
    pool_give(&p, a);
    cr_assert_eq(pool_take(&p), a);
    cr_assert_null(pool_take(&p));
    pool_give(&p, a);
    pool_free(&p);
}

Test(pool, takes_in_any_order)
{
    struct pool p;
    int *objects[64];

    pool_init(&p, sizeof(int), 64);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 64; i++) {
            objects[i] = pool_take(&p);
            *objects[i] = i;
        }
        for (int i = 0; i < 64; i++)
            cr_assert_eq(*objects[i], i);
        for (int i = 0; i < 64; i++)
            pool_give(&p, objects[(i * 7 + round) % 64]);
    }
    pool_free(&p);
}

Test(pool, freeing_one_that_is_in_use_is_a_bug, .signal = SIGABRT)
{
    struct pool p;

    pool_init(&p, 16, 1);
    cr_assert_not_null(pool_take(&p));
    pool_free(&p);
}

Test(pool, giving_what_is_not_of_the_pool_is_a_bug, .signal = SIGABRT)
{
    struct pool p;
    char *object;

    pool_init(&p, 32, 2);
    object = pool_take(&p);
    pool_give(&p, object + 16);
}

Test(pool, more_than_memory_aborts, .signal = SIGABRT)
{
    struct pool p;

    pool_init(&p, SIZE_MAX / 4, 8);
}
