#include "engine/booking/hold_request.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(hold_request, .fini = assert_no_leaks);

static json_t *parse(const char *text)
{
    char why[200];
    json_t *root = json_parse_object(slice_str(text), why, sizeof(why));

    cr_assert_not_null(root, "%s", why);
    return root;
}

static enum status wish(const char *text, struct hold_wish *w)
{
    char why[200] = "";
    json_t *root = parse(text);
    enum status status = hold_wish_read(root, w, why, sizeof(why));

    cr_assert_eq(status == STATUS_OK, why[0] == '\0', "%s: %s", text, why);
    json_decref(root);
    return status;
}

static enum status change(const char *text, struct hold_change_wish *w)
{
    char why[200] = "";
    json_t *root = parse(text);
    enum status status = hold_change_read(root, w, why, sizeof(why));

    cr_assert_eq(status == STATUS_OK, why[0] == '\0', "%s: %s", text, why);
    json_decref(root);
    return status;
}

Test(hold_request, seats_are_sorted)
{
    struct hold_wish w;

    cr_assert_eq(wish("{\"ticketIds\":[\"30\",\"4\",\"0\"]}", &w), STATUS_OK);
    cr_assert_eq(w.kind, HOLD_BY_SEATS);
    cr_assert_eq(w.seat_count, 3);
    cr_assert_eq(w.seats[0], 0);
    cr_assert_eq(w.seats[2], 30);
}

Test(hold_request, best_available_and_area)
{
    struct hold_wish w;

    cr_assert_eq(wish("{\"bestAvailable\":{\"quantity\":3,\"priceLevel\":\"gold\",\"section\":"
                      "\"A\",\"accessible\":true}}",
                      &w),
                 STATUS_OK);
    cr_assert_eq(w.kind, HOLD_BEST_AVAILABLE);
    cr_assert_eq(w.quantity, 3);
    cr_assert_str_eq(w.level, "gold");
    cr_assert_str_eq(w.section, "A");
    cr_assert(w.accessible);
    cr_assert_eq(wish("{\"area\":{\"id\":\"floor\",\"quantity\":100}}", &w), STATUS_OK);
    cr_assert_eq(w.kind, HOLD_AREA);
    cr_assert_str_eq(w.area, "floor");
}

Test(hold_request, refuses_what_asks_for_nothing_or_too_much)
{
    static const char *const bad[] = {
        "{}",
        "{\"ticketIds\":[]}",
        "{\"ticketIds\":[1]}",
        "{\"ticketIds\":[\"01\"]}",
        "{\"ticketIds\":[\"\"]}",
        "{\"ticketIds\":[\"-1\"]}",
        "{\"ticketIds\":[\"1 \"]}",
        "{\"ticketIds\":[\"500000\"]}",
        "{\"ticketIds\":[\"99999999999999999999\"]}",
        "{\"ticketIds\":[\"1\",\"2\",\"1\"]}",
        "{\"ticketIds\":{\"0\":\"1\"}}",
        "{\"ticketIds\":[\"1\"],\"area\":{\"id\":\"f\",\"quantity\":1}}",
        "{\"ticketIds\":[\"1\"],\"price\":1}",
        "{\"bestAvailable\":{}}",
        "{\"bestAvailable\":{\"quantity\":0}}",
        "{\"bestAvailable\":{\"quantity\":101}}",
        "{\"bestAvailable\":{\"quantity\":1.5}}",
        "{\"bestAvailable\":{\"quantity\":2,\"accessible\":\"yes\"}}",
        "{\"bestAvailable\":{\"quantity\":2,\"price\":1}}",
        "{\"area\":{\"quantity\":2}}",
        "{\"area\":{\"id\":\"\",\"quantity\":2}}",
    };
    struct hold_wish w;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_assert_eq(wish(bad[i], &w), STATUS_INVALID, "%s", bad[i]);
}

Test(hold_request, a_hundred_seats_and_not_one_more)
{
    struct hold_wish w;
    char text[1000] = "{\"ticketIds\":[\"0\"";
    size_t len = strlen(text);

    for (int i = 1; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"%d\"", i);
    snprintf(text + len, sizeof(text) - len, "]}");
    cr_assert_eq(wish(text, &w), STATUS_OK);
    snprintf(text + len, sizeof(text) - len, ",\"100\"]}");
    cr_assert_eq(wish(text, &w), STATUS_INVALID);
}

Test(hold_request, a_change_is_an_extension_or_a_swap)
{
    static const char *const bad[] = {
        "{}",
        "{\"extendSeconds\":0}",
        "{\"extendSeconds\":3601}",
        "{\"extendSeconds\":10,\"add\":[\"1\"]}",
        "{\"add\":[],\"remove\":[]}",
        "{\"add\":[\"1\",\"2\"],\"remove\":[\"2\"]}",
        "{\"add\":[\"1\",\"1\"]}",
        "{\"seats\":[\"1\"]}",
    };
    struct hold_change_wish w;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_assert_eq(change(bad[i], &w), STATUS_INVALID, "%s", bad[i]);
    cr_assert_eq(change("{\"extendSeconds\":60}", &w), STATUS_OK);
    cr_assert_eq(w.extend_seconds, 60);
    cr_assert_eq(change("{\"add\":[\"9\",\"3\"],\"remove\":[\"4\"]}", &w), STATUS_OK);
    cr_assert_eq(w.add[0], 3);
    cr_assert_eq(w.remove[0], 4);
}

/* The fingerprint is of the meaning: order and spaces are not in it, everything else is. */
Test(hold_request, fingerprints_are_of_the_meaning)
{
    static const char *const different[] = {
        "{\"ticketIds\":[\"1\",\"2\"]}",
        "{\"ticketIds\":[\"12\"]}",
        "{\"ticketIds\":[\"1\"]}",
        "{\"bestAvailable\":{\"quantity\":1}}",
        "{\"bestAvailable\":{\"quantity\":1,\"accessible\":true}}",
        "{\"bestAvailable\":{\"quantity\":1,\"section\":\"A\"}}",
        "{\"bestAvailable\":{\"quantity\":1,\"priceLevel\":\"A\"}}",
        "{\"area\":{\"id\":\"A\",\"quantity\":1}}",
    };
    char prints[9][65];
    struct hold_wish w;
    size_t count = sizeof(different) / sizeof(*different);

    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(wish(different[i], &w), STATUS_OK);
        hold_wish_fingerprint(&w, "hold 1", prints[i]);
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(prints[i], prints[k], "%s and %s", different[i], different[k]);
    }
    hold_wish_fingerprint(&w, "hold 2", prints[count]);
    cr_assert_str_neq(prints[count], prints[count - 1], "another event");
    cr_assert_eq(wish("{ \"ticketIds\" : [\"2\", \"1\"] }", &w), STATUS_OK);
    hold_wish_fingerprint(&w, "hold 1", prints[count]);
    cr_assert_str_eq(prints[count], prints[0]);
}
