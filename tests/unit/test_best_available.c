#include "engine/base/mem.h"
#include "engine/booking/best_available.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(best_available, .fini = assert_no_leaks);

/* A hall drawn as text: one string a row, front row first, all in section A. '.' free, 'x' taken;
 * in `kinds` at the same place: ' ' ordinary, 'w' wheelchair, 'c' companion, 'r' restricted view,
 * '|' an aisle follows, 's' silver. */
struct hall {
    struct layout layout;
    struct layout_row rows[8];
    struct layout_seat seats[256];
    struct layout_section sections[2];
    struct view view;
    char states[256];
    uint8_t guess[256], picked[256];
    struct rng rng;
};

static void draw(struct hall *h, size_t rows, const char *const *taken, const char *const *kinds)
{
    uint32_t n = 0;

    memset(h, 0, sizeof(*h));
    for (size_t r = 0; r < rows; r++) {
        h->rows[r] = (struct layout_row){
            .rank = (uint32_t)r, .first = n, .count = (uint32_t)strlen(taken[r])};
        for (size_t i = 0; taken[r][i]; i++, n++) {
            char kind = kinds ? kinds[r][i] : ' ';

            h->states[n] = taken[r][i] == '.' ? '0' : '2';
            h->seats[n] = (struct layout_seat){
                .x = (float)i, .y = (float)r, .row = (uint32_t)r, .level = kind == 's'};
            h->seats[n].flags = kind == 'w'   ? SEAT_ACCESSIBLE
                                : kind == 'c' ? SEAT_COMPANION
                                : kind == 'r' ? SEAT_RESTRICTED
                                : kind == '|' ? SEAT_AISLE
                                              : 0;
        }
    }
    h->layout = (struct layout){.seat_count = n,
                                .seated_count = n,
                                .section_count = 1,
                                .row_count = rows,
                                .sections = h->sections,
                                .rows = h->rows,
                                .seats = h->seats};
    h->view =
        (struct view){.seat_count = n, .seats = h->states, .guess = h->guess, .picked = h->picked};
    rng_seed(&h->rng, 1);
}

static int first_of(struct hall *h, struct best_request request)
{
    uint32_t seats[HOLD_SEATS_MAX];

    if (!best_available(&h->layout, &h->view, &request, &h->rng, seats))
        return -1;
    for (uint32_t i = 1; i < request.quantity; i++)
        cr_assert_eq(seats[i], seats[0] + i, "side by side");
    return (int)seats[0];
}

static struct best_request want(uint32_t quantity)
{
    return (struct best_request){.quantity = quantity, .level = -1, .section = -1};
}

Test(best_available, takes_the_front_row)
{
    struct hall h;

    draw(&h, 2, (const char *const[]){"....", "...."}, NULL);
    cr_assert_lt(first_of(&h, want(2)), 4);
    draw(&h, 2, (const char *const[]){"x.x.", "...."}, NULL);
    cr_assert_eq(first_of(&h, want(2)) / 4, 1, "the front has no two side by side");
}

Test(best_available, leaves_no_seat_alone_if_another_block_serves)
{
    struct hall h;

    /* Taking two of the front row's three would leave one. */
    draw(&h, 2, (const char *const[]){"...", "...."}, NULL);
    for (int i = 0; i < 50; i++) {
        int first = first_of(&h, want(2));

        cr_assert(first == 3 || first == 5, "%d leaves an orphan", first);
    }
    draw(&h, 1, (const char *const[]){"..."}, NULL);
    cr_assert_geq(first_of(&h, want(2)), 0, "but an orphan is better than nothing");
}

Test(best_available, an_aisle_parts_and_makes_no_orphan_of_the_other_side)
{
    struct hall h;

    draw(&h, 1, (const char *const[]){"..."}, (const char *const[]){"|  "});
    cr_assert_eq(first_of(&h, want(2)), 1);
    cr_assert_eq(first_of(&h, want(3)), -1);
}

Test(best_available, the_accessible_pool_is_not_raided)
{
    struct hall h;
    struct best_request accessible = want(2);

    accessible.accessible = true;
    draw(&h, 2, (const char *const[]){"..xx", ".x.x"}, (const char *const[]){"wc  ", "    "});
    cr_assert_eq(first_of(&h, want(2)), -1, "not even when nothing else is left");
    cr_assert_eq(first_of(&h, want(1)) / 4, 1);
    cr_assert_eq(first_of(&h, accessible), 0);
    draw(&h, 1, (const char *const[]){"...."}, NULL);
    cr_assert_eq(first_of(&h, accessible), -1,
                 "who asks for a wheelchair place gets one or nothing");
}

Test(best_available, takes_no_more_wheelchair_places_than_needed)
{
    struct hall h;
    struct best_request accessible = want(2);

    accessible.accessible = true;
    draw(&h, 2, (const char *const[]){"..xx", "..xx"}, (const char *const[]){"ww  ", "wc  "});
    cr_assert_eq(first_of(&h, accessible), 4);
}

Test(best_available, price_level_before_row_and_view_before_row)
{
    struct hall h;
    struct best_request silver = want(2);

    silver.level = 1;
    draw(&h, 2, (const char *const[]){"....", "...."}, (const char *const[]){"ssss", "    "});
    cr_assert_eq(first_of(&h, want(2)) / 4, 1, "the first level of the event is its best");
    cr_assert_eq(first_of(&h, silver) / 4, 0);
    draw(&h, 2, (const char *const[]){"....", "...."}, (const char *const[]){"rrrr", "    "});
    cr_assert_eq(first_of(&h, want(2)) / 4, 1);
    draw(&h, 1, (const char *const[]){"...."}, (const char *const[]){"  ss"});
    cr_assert_eq(first_of(&h, want(3)), -1, "a block has one price");
}

Test(best_available, the_middle_of_the_row)
{
    struct hall h;
    int first;

    draw(&h, 1, (const char *const[]){"........................................"}, NULL);
    for (int i = 0; i < 50; i++) {
        first = first_of(&h, want(2));
        cr_assert(first >= 14 && first <= 24, "%d is far from the middle", first);
    }
}

Test(best_available, rivals_are_spread_over_equally_good_blocks)
{
    struct hall h;
    int seen[64] = {0}, different = 0;

    draw(&h, 1, (const char *const[]){"................"}, NULL);
    for (int i = 0; i < 200; i++) {
        struct best_request again = want(2);

        again.attempt = 3;
        seen[first_of(&h, again)]++;
    }
    for (int i = 0; i < 64; i++)
        different += seen[i] > 0;
    cr_assert_gt(different, 5);
}

Test(best_available, knows_what_is_on_its_way_and_what_conflicts_taught)
{
    struct hall h;
    const uint32_t mine[] = {0, 1};

    draw(&h, 1, (const char *const[]){"...."}, NULL);
    view_pick(&h.view, mine, 2);
    cr_assert_eq(first_of(&h, want(2)), 2);
    view_learn(&h.view, 2, SEAT_HELD);
    cr_assert_eq(first_of(&h, want(2)), -1);
    view_unpick(&h.view, mine, 2);
    cr_assert_eq(first_of(&h, want(2)), 0);
    view_learn(&h.view, 9999, SEAT_HELD);
}

Test(best_available, a_substitute_is_near_and_of_the_same_price)
{
    struct hall h;
    const uint32_t wanted[] = {2, 3}, beyond[] = {400};
    uint32_t seats[HOLD_SEATS_MAX];

    draw(&h, 3, (const char *const[]){"xxxx....", "........", "........"},
         (const char *const[]){"        ", "ssssssss", "        "});
    cr_assert(best_alternative(&h.layout, &h.view, wanted, 2, &h.rng, seats));
    cr_assert(seats[0] == 4 || seats[0] / 8 == 2, "%u", seats[0]);
    cr_assert_not(best_alternative(&h.layout, &h.view, beyond, 1, &h.rng, seats));
}
