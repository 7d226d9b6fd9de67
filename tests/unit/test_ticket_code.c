#include "engine/booking/ticket_code.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(ticket_code, .timeout = 10, .fini = assert_no_leaks);

static const struct token_keys keys = {.keys = {{.id = 1, .secret = {1, 2, 3}}}, .count = 1};
static const struct token_keys others = {.keys = {{.id = 1, .secret = {3, 2, 1}}}, .count = 1};
static const struct ticket_code code = {
    .event_id = 9, .booking_id = {{1, 2, 3}}, .seat = 70000, .version = 5};

Test(ticket_code, a_code_tells_event_booking_seat_and_version_to_who_has_the_keys)
{
    char text[TICKET_CODE_SIZE], again[TICKET_CODE_SIZE];
    struct ticket_code read;

    ticket_code_seal(&keys, &code, text);
    ticket_code_seal(&keys, &code, again);
    cr_assert_str_eq(text, again, "a replayed answer is the first one");
    cr_assert_eq(ticket_code_open(&keys, slice_str(text), &read), STATUS_OK);
    cr_assert(read.event_id == 9 && read.seat == 70000 && read.version == 5 &&
              memcmp(&read.booking_id, &code.booking_id, 16) == 0);
    cr_assert_eq(ticket_code_open(&others, slice_str(text), &read), STATUS_UNAUTHORIZED);
    text[20] = text[20] == 'A' ? 'B' : 'A';
    cr_assert_eq(ticket_code_open(&keys, slice_str(text), &read), STATUS_UNAUTHORIZED);
}

Test(ticket_code, an_access_token_is_no_ticket)
{
    char access[TICKET_CODE_SIZE], ticket[TICKET_CODE_SIZE];
    struct ticket_code read;
    struct uuid booking;
    uint64_t event;

    booking_token_seal(&keys, 9, &code.booking_id, access);
    ticket_code_seal(&keys, &code, ticket);
    cr_assert_eq(booking_token_open(&keys, slice_str(access), &event, &booking), STATUS_OK);
    cr_assert(event == 9 && memcmp(&booking, &code.booking_id, 16) == 0);
    cr_assert_eq(booking_token_open(&keys, slice_str(ticket), &event, &booking),
                 STATUS_UNAUTHORIZED);
    cr_assert_eq(ticket_code_open(&keys, slice_str(access), &read), STATUS_UNAUTHORIZED);
}

Test(ticket_code, the_picture_is_a_square_with_a_quiet_zone)
{
    struct buf b;

    buf_init(&b, 65536);
    cr_assert_eq(ticket_code_svg(SLICE_LITERAL("HOLDFAST"), &b), STATUS_OK);
    buf_append_char(&b, '\0');
    cr_assert_not_null(
        strstr(b.at, "viewBox=\"0 0 29 29\"")); /* version 1: 21 modules and 4 on each side */
    cr_assert_not_null(
        strstr(b.at, "M4 4h7v1h-7z")); /* the upper edge of the first finder pattern */
    buf_free(&b);
    buf_init(&b, 100);
    cr_assert_eq(ticket_code_svg(SLICE_LITERAL("HOLDFAST"), &b), STATUS_TOO_LARGE);
    buf_free(&b);
}
