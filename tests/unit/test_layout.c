#include "engine/booking/event_form.h"
#include "engine/booking/layout.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(layout, .fini = assert_no_leaks);

static const struct layout_levels levels = {.ids = {"gold", "silver", "bronze"}, .count = 3};

static enum status from_text(const char *text, struct layout **ret_layout, char why[200])
{
    char error[200];
    json_t *root = json_parse_object(slice_str(text), error, sizeof(error));
    enum status status;

    cr_assert_not_null(root, "%s", error);
    status = layout_from_request(root, &levels, ret_layout, why, 200);
    json_decref(root);
    return status;
}

#define HALL                                                                                       \
    "{\"sections\":[{\"id\":\"A\",\"name\":\"Block A\",\"rows\":[{\"name\":\"1\",\"seats\":["      \
    "{\"label\":\"A-1-1\",\"x\":1.5,\"y\":-2,\"priceLevel\":\"gold\",\"flags\":[\"accessible\","   \
    "\"aisle\"]},"                                                                                 \
    "{\"label\":\"A-1-2\",\"x\":2.504,\"y\":-2,\"priceLevel\":\"silver\"}]}]}],"                   \
    "\"areas\":[{\"id\":\"floor\",\"name\":\"Standing\",\"capacity\":3,\"priceLevel\":\"bronze\"," \
    "\"x\":0,\"y\":0,\"w\":3,\"h\":3}]}"

Test(layout, numbers_rows_first_then_areas)
{
    struct layout *l;
    struct buf label;
    char why[200];

    cr_assert_eq(from_text(HALL, &l, why), STATUS_OK, "%s", why);
    cr_assert_eq(l->seat_count, 5);
    cr_assert_eq(l->seated_count, 2);
    cr_assert_eq(l->seats[0].flags, SEAT_ACCESSIBLE | SEAT_AISLE);
    cr_assert_eq(layout_level(l, 1), 1);
    cr_assert_eq(layout_level(l, 4), 2);
    cr_assert_null(layout_area_of(l, 1));
    cr_assert_eq(layout_area_find(l, slice_str("floor"))->first, 2);
    cr_assert_eq(layout_section_find(l, slice_str("A")), 0);
    cr_assert_eq(layout_section_find(l, slice_str("B")), -1);
    buf_init(&label, 100);
    layout_label(l, 3, &label);
    cr_assert(slice_is(buf_slice(&label), "Standing 2"));
    buf_free(&label);
    layout_free(l);
}

static void write(const struct layout *l, struct buf *b, char hash[LAYOUT_HASH_SIZE])
{
    buf_init(b, 64 << 20);
    layout_write(l, &levels, 7, b, hash);
    cr_assert_eq(buf_status(b), STATUS_OK);
}

Test(layout, the_document_reads_back_as_itself)
{
    struct layout *l, *again;
    struct buf first, second;
    char why[200], hash[LAYOUT_HASH_SIZE], hash_again[LAYOUT_HASH_SIZE];

    cr_assert_eq(from_text(HALL, &l, why), STATUS_OK);
    write(l, &first, hash);
    cr_assert_eq(layout_from_document(buf_slice(&first), &levels, &again), STATUS_OK);
    write(again, &second, hash_again);
    cr_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    cr_assert_str_eq(hash, hash_again);
    buf_append_char(&first, '\0'); /* for strstr */
    cr_assert_not_null(strstr(first.at, "\"x\":2.5,"), "hundredths of a seat's width: %.*s",
                       (int)first.len, first.at);
    buf_free(&first);
    buf_free(&second);
    layout_free(l);
    layout_free(again);
}

Test(layout, an_arena_has_exactly_the_seats_that_were_asked_for)
{
    static const uint32_t sizes[] = {1, 2, 5, 19, 40, 249, 251, 2000, 4999, 50000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct layout *l, *again;
        struct buf document;
        char why[200], hash[LAYOUT_HASH_SIZE];

        cr_assert_eq(layout_arena(sizes[i], &levels, &l, why, sizeof(why)), STATUS_OK, "%s", why);
        cr_assert_eq(l->seat_count, sizes[i]);
        write(l, &document, hash);
        cr_assert_eq(layout_from_document(buf_slice(&document), &levels, &again), STATUS_OK);
        cr_assert_eq(again->seat_count, sizes[i]);
        buf_free(&document);
        layout_free(l);
        layout_free(again);
    }
}

Test(layout, seats_of_an_arena_do_not_touch)
{
    struct layout *l;
    char why[200];

    cr_assert_eq(layout_arena(3000, &levels, &l, why, sizeof(why)), STATUS_OK);
    for (uint32_t a = 0; a < l->seat_count; a++) {
        for (uint32_t b = a + 1; b < l->seat_count; b++) {
            float dx = l->seats[a].x - l->seats[b].x, dy = l->seats[a].y - l->seats[b].y;

            cr_assert_gt(dx * dx + dy * dy, 0.8f, "%s and %s", l->seats[a].label,
                         l->seats[b].label);
        }
    }
    layout_free(l);
}

/* Every refusal says what is wrong. */
Test(layout, refuses_what_is_not_a_layout)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"{}", "needs seats"},
        {"{\"sections\":1}", "sections must be"},
        {"{\"sections\":[],\"more\":1}", "more"},
        {"{\"sections\":[{\"id\":\"A B\",\"name\":\"x\",\"rows\":[]}]}", "id must be"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[]},{\"id\":\"A\",\"name\":\"x\","
         "\"rows\":[]}]}",
         "twice"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[{\"name\":\"1\",\"seats\":[]}]}]}",
         "at least one"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[{\"name\":\"1\",\"seats\":[{"
         "\"label\":\"a\",\"x\":\"1\",\"y\":1,\"priceLevel\":\"gold\"}]}]}]}",
         "x and y"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[{\"name\":\"1\",\"seats\":[{"
         "\"label\":\"a\",\"x\":1e300,\"y\":1,\"priceLevel\":\"gold\"}]}]}]}",
         "within"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[{\"name\":\"1\",\"seats\":[{"
         "\"label\":\"a\",\"x\":1,\"y\":1,\"priceLevel\":\"tin\"}]}]}]}",
         "tin"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[{\"name\":\"1\",\"seats\":[{"
         "\"label\":\"a\",\"x\":1,\"y\":1,\"priceLevel\":\"gold\",\"flags\":[\"best\"]}]}]}]}",
         "flags"},
        {"{\"sections\":[{\"id\":\"A\",\"name\":\"x\",\"rows\":[{\"name\":\"1\",\"seats\":[{"
         "\"label\":\"a\",\"x\":1,\"y\":1,\"priceLevel\":\"gold\"},"
         "{\"label\":\"a\",\"x\":2,\"y\":1,\"priceLevel\":\"gold\"}]}]}]}",
         "twice"},
        {"{\"areas\":[{\"id\":\"f\",\"name\":\"F\",\"capacity\":0,\"priceLevel\":\"gold\",\"x\":0,"
         "\"y\":0,\"w\":1,\"h\":1}]}",
         "capacity"},
        {"{\"areas\":[{\"id\":\"f\",\"name\":\"F\",\"capacity\":500001,\"priceLevel\":\"gold\","
         "\"x\":0,\"y\":0,\"w\":1,\"h\":1}]}",
         "capacity"},
        {"{\"areas\":[{\"id\":\"f\",\"name\":\"F\",\"capacity\":4294967297,\"priceLevel\":\"gold\","
         "\"x\":0,\"y\":0,\"w\":1,\"h\":1}]}",
         "capacity"},
        {"{\"areas\":[{\"id\":\"f\",\"name\":\"F\",\"capacity\":2,\"first\":7,\"priceLevel\":"
         "\"gold\",\"x\":0,\"y\":0,\"w\":1,\"h\":1}]}",
         "first"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct layout *l;
        char why[200] = "";

        cr_assert_eq(from_text(bad[i].text, &l, why), STATUS_INVALID, "%s", bad[i].text);
        cr_assert_not_null(strstr(why, bad[i].why), "%s: %s", bad[i].text, why);
    }
}

Test(layout, refuses_documents_that_contradict_themselves)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"sections\":[{\"id\":\"A\",\"name\":\"A\"}],\"rows\":[{\"section\":\"A\",\"name\":\"1\","
        "\"count\":2}],\"seats\":[],\"areas\":[]}",
        "{\"sections\":[],\"rows\":[],\"seats\":[{\"label\":\"a\",\"x\":1,\"y\":1,\"priceLevel\":"
        "\"gold\"}],\"areas\":[]}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct layout *l;

        cr_assert_eq(layout_from_document(slice_str(bad[i]), &levels, &l), STATUS_MALFORMED, "%s",
                     bad[i]);
    }
}

/* ---- the box office's form ---- */

#define FORM                                                                                       \
    "\"name\":\"N\",\"venue\":{\"name\":\"V\",\"city\":\"C\",\"latitude\":48.1},\"startsAt\":"     \
    "\"2027-01-01T20:00:00Z\",\"currency\":\"EUR\",\"queue\":true,"                                \
    "\"priceLevels\":[{\"id\":\"gold\",\"name\":\"Gold\",\"amount\":1},{\"id\":\"silver\","        \
    "\"name\":\"S\",\"amount\":2},{\"id\":\"bronze\",\"name\":\"B\",\"amount\":3}]"

static enum status read_form(const char *text, struct event_form *f, char why[300])
{
    char error[200];
    json_t *root = json_parse_object(slice_str(text), error, sizeof(error));
    enum status status;

    cr_assert_not_null(root, "%s in %s", error, text);
    status = event_form_read(root, f, why, 300);
    if (status == STATUS_OK)
        event_form_free(f);
    json_decref(root);
    return status;
}

Test(layout, a_form_has_its_defaults)
{
    struct event_form f;
    char why[300];

    cr_assert_eq(read_form("{" FORM ",\"arena\":{\"seats\":10}}", &f, why), STATUS_OK, "%s", why);
    cr_assert(f.charge);
    cr_assert_eq(f.max_seats, 8);
    cr_assert_eq(f.max_holds, 4);
    cr_assert_eq(f.hold_seconds, 120);
    cr_assert_eq(f.cap_seconds, 600);
    cr_assert_eq(f.payment_seconds, 60);
}

Test(layout, refuses_forms_that_are_not_acceptable)
{
    static const char *const bad[] = {
        "{}",
        "{" FORM "}",
        "{" FORM ",\"arena\":{\"seats\":10},\"layout\":{}}",
        "{" FORM ",\"arena\":{\"seats\":0}}",
        "{" FORM ",\"arena\":{\"seats\":500001}}",
        "{" FORM ",\"arena\":{\"seats\":10},\"surprise\":1}",
        "{" FORM ",\"arena\":{\"seats\":10},\"maxSeats\":0}",
        "{" FORM ",\"arena\":{\"seats\":10},\"holdSeconds\":700,\"holdCapSeconds\":600}",
        "{" FORM ",\"arena\":{\"seats\":10},\"performers\":[1]}",
        "{\"name\":\"N\",\"venue\":{\"name\":\"V\",\"city\":\"C\",\"latitude\":91},\"startsAt\":"
        "\"2027-01-01T20:00:00Z\",\"currency\":\"EUR\",\"queue\":true,"
        "\"priceLevels\":[{\"id\":\"gold\",\"name\":\"G\",\"amount\":1}],\"layout\":{}}",
        "{\"name\":\"N\",\"venue\":{\"name\":\"V\",\"city\":\"C\"},\"startsAt\":\"2027-01-01T20:00:"
        "00Z\",\"currency\":\"eur\",\"queue\":true,"
        "\"priceLevels\":[{\"id\":\"gold\",\"name\":\"G\",\"amount\":1}],\"layout\":{}}",
        "{\"name\":\"N\",\"venue\":{\"name\":\"V\",\"city\":\"C\"},\"startsAt\":\"2027-01-01T20:00:"
        "00Z\",\"currency\":\"EUR\",\"queue\":true,"
        "\"priceLevels\":[{\"id\":\"tin\",\"name\":\"G\",\"amount\":1}],\"arena\":{\"seats\":10}}",
        "{\"name\":\"N\",\"venue\":{\"name\":\"V\",\"city\":\"C\"},\"startsAt\":\"2027-01-01T20:00:"
        "00Z\",\"currency\":\"EUR\",\"queue\":true,"
        "\"priceLevels\":[{\"id\":\"gold\",\"name\":\"G\",\"amount\":-1}],\"arena\":{\"seats\":10}"
        "}",
        "{\"name\":\"N\",\"venue\":{\"name\":\"V\",\"city\":\"C\"},\"startsAt\":\"2027-01-01T20:00:"
        "00Z\",\"currency\":\"EUR\",\"queue\":true,"
        "\"priceLevels\":[{\"id\":\"gold\",\"name\":\"G\",\"amount\":1},{\"id\":\"gold\",\"name\":"
        "\"G\",\"amount\":1}],\"arena\":{\"seats\":10}}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct event_form f;
        char why[300] = "";

        cr_assert_eq(read_form(bad[i], &f, why), STATUS_INVALID, "%s", bad[i]);
        cr_assert_neq(why[0], '\0', "%s", bad[i]);
    }
}
