#include "engine/base/list.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(list, .fini = assert_no_leaks);

struct item {
    int number;
    struct list link;
};

/* The numbers of the items, read as digits; the links are checked in both directions. */
static int digits(const struct list *head)
{
    int sum = 0;

    list_for_each (it, head) {
        cr_assert_eq(it->next->prev, it);
        cr_assert_eq(it->prev->next, it);
        sum = sum * 10 + list_entry(it, struct item, link)->number;
    }
    return sum;
}

static struct item items[4];
static struct list head;

static void set_up(void)
{
    list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].number = i + 1;
        list_init(&items[i].link);
    }
}

Test(list, pushes_at_both_ends, .init = set_up)
{
    cr_assert(list_empty(&head));
    list_push_back(&head, &items[0].link);
    list_push_back(&head, &items[1].link);
    list_push_front(&head, &items[2].link);
    cr_assert_eq(digits(&head), 312);
    cr_assert(!list_empty(&head));
}

Test(list, removing_twice_is_harmless, .init = set_up)
{
    list_push_back(&head, &items[0].link);
    list_push_back(&head, &items[1].link);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
    cr_assert_eq(digits(&head), 2);
    cr_assert(list_empty(&items[0].link));
}

Test(list, pops_from_the_front, .init = set_up)
{
    list_push_back(&head, &items[0].link);
    list_push_back(&head, &items[1].link);
    cr_assert_eq(list_pop_front(&head), &items[0].link);
    cr_assert(list_empty(&items[0].link), "a popped link is alone");
    cr_assert_eq(list_pop_front(&head), &items[1].link);
    cr_assert_null(list_pop_front(&head));
}

Test(list, splice_moves_all_to_the_back, .init = set_up)
{
    struct list other;

    list_init(&other);
    list_push_back(&head, &items[0].link);
    list_push_back(&other, &items[1].link);
    list_push_back(&other, &items[2].link);
    list_splice(&head, &other);
    cr_assert_eq(digits(&head), 123);
    cr_assert(list_empty(&other));
    list_splice(&head, &other);
    cr_assert_eq(digits(&head), 123, "an empty list adds nothing");
    list_splice(&other, &head);
    cr_assert_eq(digits(&other), 123);
}

Test(list, the_safe_walk_may_remove, .init = set_up)
{
    for (int i = 0; i < 4; i++)
        list_push_back(&head, &items[i].link);
    list_for_each_safe (it, &head) {
        if (list_entry(it, struct item, link)->number % 2 == 0)
            list_remove(it);
    }
    cr_assert_eq(digits(&head), 13);
}
