#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(map, .fini = assert_no_leaks);

/* The vectors are CPython 3.11's hash(bytes) with PYTHONHASHSEED=0, which is SipHash-1-3 with a key
 * of zeros. */
Test(map, hash_is_siphash_1_3)
{
    char bytes[63];

    for (int i = 0; i < 63; i++)
        bytes[i] = (char)(i + 1);
    map_seed(0);
    cr_assert_eq(map_hash(slice_str("a")), 0x407448d2b89b1813);
    cr_assert_eq(map_hash(slice_str("1234567")), 0xa33d651594fdae81);
    cr_assert_eq(map_hash(slice_str("12345678")), 0x3489982430560a87);
    cr_assert_eq(map_hash(slice_str("123456789")), 0x0fbc0f0007965fcf);
    cr_assert_eq(map_hash(slice_of(bytes, 63)), 0x6bafe9f92616651b);
}

Test(map, hash_reads_the_key_and_no_more)
{
    char bytes[40] = {0};

    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct guard g = guard_new(bytes, len);

        map_seed(1);
        cr_assert_eq(map_hash(g.bytes), map_hash(slice_of(bytes, len)));
        guard_free(&g);
    }
}

Test(map, seeds_give_different_hashes)
{
    uint64_t a;

    map_seed(1);
    a = map_hash(slice_str("x"));
    map_seed(2);
    cr_assert_neq(map_hash(slice_str("x")), a);
}

Test(map, an_empty_map_answers)
{
    struct map m;
    size_t cursor = 0;

    map_init(&m);
    cr_assert_null(map_get(&m, slice_str("a")));
    cr_assert_null(map_remove(&m, slice_str("a")));
    cr_assert_null(map_next(&m, &cursor));
    map_free(&m);
    map_free(&m);
}

Test(map, put_get_replace_remove)
{
    struct map m;
    int one, two;

    map_init(&m);
    cr_assert_null(map_put(&m, slice_str("k"), &one));
    cr_assert_eq(map_get(&m, slice_str("k")), &one);
    cr_assert_eq(map_put(&m, slice_str("k"), &two), &one, "the older value comes back");
    cr_assert_eq(m.len, 1);
    cr_assert_eq(map_remove(&m, slice_str("k")), &two);
    cr_assert_null(map_remove(&m, slice_str("k")));
    cr_assert_eq(m.len, 0);
    map_free(&m);
}

Test(map, the_empty_key_and_keys_with_nul_are_keys)
{
    struct map m;
    int a, b, c;

    map_init(&m);
    map_put(&m, SLICE_NONE, &a);
    map_put(&m, slice_of("\0", 1), &b);
    map_put(&m, slice_of("\0\0", 2), &c);
    cr_assert_eq(map_get(&m, slice_str("")), &a);
    cr_assert_eq(map_get(&m, slice_of("\0", 1)), &b);
    cr_assert_eq(map_get(&m, slice_of("\0\0", 2)), &c);
    map_free(&m);
}

/* The replaced entry must not keep pointing into the old value. */
Test(map, replacing_also_replaces_the_key)
{
    struct map m;
    char *first = mem_strdup("key"), *second = mem_strdup("key");

    map_init(&m);
    map_put(&m, slice_str(first), first);
    mem_free(map_put(&m, slice_str(second), second));
    cr_assert_eq(map_get(&m, slice_str("key")), second);
    mem_free(second);
    map_free(&m);
}

#define KEYS 2000

/* Random operations beside an array that knows the truth. */
Test(map, agrees_with_a_plain_array)
{
    static char keys[KEYS][8];
    static bool there[KEYS];
    struct map m;
    struct rng rng;
    size_t count = 0;

    rng_seed(&rng, 11);
    map_init(&m);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
    for (int step = 0; step < 100000; step++) {
        size_t i = rng_below(&rng, KEYS);
        void *expected = there[i] ? keys[i] : NULL;

        if (rng_below(&rng, 2)) {
            cr_assert_eq(map_put(&m, slice_str(keys[i]), keys[i]), expected);
            count += !there[i];
            there[i] = true;
        } else {
            cr_assert_eq(map_remove(&m, slice_str(keys[i])), expected);
            count -= there[i];
            there[i] = false;
        }
        cr_assert_eq(m.len, count);
    }
    for (int i = 0; i < KEYS; i++)
        cr_assert_eq(map_get(&m, slice_str(keys[i])), there[i] ? keys[i] : NULL);
    map_free(&m);
}

Test(map, removed_places_are_used_again)
{
    struct map m;
    int value;

    map_init(&m);
    for (int i = 0; i < 100000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%d", i);
        map_put(&m, slice_str(key), &value);
        cr_assert_eq(map_remove(&m, slice_str(key)), &value);
    }
    cr_assert_leq(m.cap, 32, "a map of at most one entry stays small");
    map_free(&m);
}

Test(map, next_visits_each_value_once_and_allows_removing)
{
    static char keys[100][8];
    struct map m;
    size_t cursor = 0, visited = 0;
    char *value;

    map_init(&m);
    for (int i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%d", i);
        map_put(&m, slice_str(keys[i]), keys[i]);
    }
    while ((value = map_next(&m, &cursor)) != NULL) {
        cr_assert_eq(map_remove(&m, slice_str(value)), value, "%s was visited before", value);
        visited++;
    }
    cr_assert_eq(visited, 100);
    cr_assert_eq(m.len, 0);
    map_free(&m);
}
