#include "engine/base/uuid.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(uuid, .fini = assert_no_leaks);

Test(uuid, v7_holds_the_time_and_sorts_by_it)
{
    struct rng rng;
    struct uuid a, b;
    char text[UUID_TEXT_SIZE];

    rng_seed(&rng, 1);
    a = uuid_v7(0x017F22E279B0, &rng);
    b = uuid_v7(0x017F22E279B1, &rng);
    uuid_format(&a, text);
    cr_assert_eq(memcmp(text, "017f22e2-79b0-7", 15), 0, "%s", text);
    cr_assert_eq(a.bytes[8] & 0xC0, 0x80, "the variant of RFC 9562");
    cr_assert_lt(memcmp(&a, &b, sizeof(a)), 0);
}

Test(uuid, v7_of_the_same_instant_differ)
{
    struct rng rng;
    struct uuid a, b;

    rng_seed(&rng, 1);
    a = uuid_v7(5, &rng);
    b = uuid_v7(5, &rng);
    cr_assert_neq(memcmp(&a, &b, sizeof(a)), 0);
}

Test(uuid, v4_is_marked_and_random)
{
    struct uuid a = uuid_v4_secret(), b = uuid_v4_secret();

    cr_assert_eq(a.bytes[6] >> 4, 4);
    cr_assert_eq(a.bytes[8] & 0xC0, 0x80);
    cr_assert_neq(memcmp(&a, &b, sizeof(a)), 0);
}

Test(uuid, parses_what_it_formats)
{
    for (int i = 0; i < 100; i++) {
        struct uuid a = uuid_v4_secret(), b;
        char text[UUID_TEXT_SIZE];

        uuid_format(&a, text);
        cr_assert_eq(strlen(text), 36);
        cr_assert(uuid_parse(slice_str(text), &b));
        cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
    }
}

Test(uuid, parses_either_case_and_any_version)
{
    struct uuid u;
    char text[UUID_TEXT_SIZE];

    cr_assert(uuid_parse(slice_str("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"), &u));
    uuid_format(&u, text);
    cr_assert_str_eq(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    cr_assert(uuid_parse(slice_str("00000000-0000-0000-0000-000000000000"), &u));
    cr_assert(uuid_parse(slice_str("ffffffff-ffff-ffff-ffff-ffffffffffff"), &u));
}

Test(uuid, refuses_everything_else)
{
    static const char *const bad[] = {
        "",
        "f81d4fae7dec11d0a76500a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf60",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
        "f81d4fae-7dec-11d0-a765+00a0c91e6bf6",
        "f81d4fa-e7dec-11d0-a765-00a0c91e6bf6",
        "{81d4fae-7dec-11d0-a765-00a0c91e6bf}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guard g = guard_new(bad[i], strlen(bad[i]));
        struct uuid u = {.bytes = {42}};

        cr_assert(!uuid_parse(g.bytes, &u), "%s", bad[i]);
        cr_assert_eq(u.bytes[0], 42, "untouched");
        guard_free(&g);
    }
}
