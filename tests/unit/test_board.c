#include "tests/lib/leaks.h"
#include "waitroom/board.h"

#include <criterion/criterion.h>

TestSuite(board, .fini = assert_no_leaks);

#define NOW_MS 1795258958130

static struct line line_now(void)
{
    return (struct line){.settings = {.opens_ms = NOW_MS - 1000},
                         .seen_ms = NOW_MS,
                         .epoch = 3,
                         .first = 100,
                         .next = 150,
                         .serving = 120,
                         .seq = 9,
                         .rate_milli = 599500};
}

Test(board, says_what_is_promised)
{
    struct line line = line_now();
    struct board board;

    board_init(&board);
    board_render(&board, 7, &line, 1, NOW_MS);
    buf_append_char(&board.body, '\0');
    cr_assert_str_eq(
        board.body.at,
        "{\"eventId\":\"7\",\"phase\":\"open\",\"epoch\":3,\"serving\":120,\"issued\":50,"
        "\"waiting\":30,"
        "\"ratePerMinute\":600,\"opensAt\":\"2026-11-21T11:02:37.130Z\",\"seatsLeft\":null,"
        "\"priceFrom\":null,\"priceTo\":null,\"currency\":null,\"draw\":null,\"nextPollMs\":2000,"
        "\"serverNow\":\"2026-11-21T11:02:38.130Z\"}");
    board_free(&board);
}

Test(board, etag_changes_with_the_line_and_not_with_the_clock)
{
    struct line line = line_now();
    struct board board;
    char first[ETAG_SIZE];

    board_init(&board);
    board_render(&board, 7, &line, 1, NOW_MS);
    memcpy(first, board.etag, sizeof(first));
    board_render(&board, 7, &line, 2, NOW_MS + 60000);
    cr_assert_eq(board.rendered_ms, NOW_MS + 60000);
    cr_assert_str_eq(board.etag, first);
    line.serving++;
    board_render(&board, 7, &line, 3, NOW_MS + 60000);
    cr_assert_str_neq(board.etag, first);
    board_free(&board);
}

Test(board, is_rendered_once_a_view)
{
    struct line line = line_now();
    struct board board;

    board_init(&board);
    board_render(&board, 7, &line, 1, NOW_MS);
    board_render(&board, 7, &line, 1, NOW_MS + 400);
    cr_assert_eq(board.rendered_ms, NOW_MS);
    board_render(&board, 7, &line, 1, NOW_MS + 600);
    cr_assert_eq(board.rendered_ms, NOW_MS + 600, "serverNow is at most half a second old");
    board_free(&board);
}

Test(board, phase_turns_with_the_clock_alone)
{
    struct line line = line_now();
    struct board board;

    line.settings.closes_ms = NOW_MS + 1000;
    board_init(&board);
    board_render(&board, 7, &line, 1, NOW_MS);
    buf_append_char(&board.body, '\0');
    cr_assert(strstr(board.body.at, "\"phase\":\"open\""));
    board_render(&board, 7, &line, 1, NOW_MS + 1000);
    buf_append_char(&board.body, '\0');
    cr_assert(strstr(board.body.at, "\"phase\":\"closed\""));
    board_free(&board);
}

Test(board, frame_is_small_and_has_a_rev_that_grows)
{
    struct line line = line_now();
    struct buf b;

    buf_init(&b, 512);
    line_parse_seats(&line, SLICE_LITERAL("44,1,2,EUR"));
    board_frame(&b, &line, NOW_MS, true);
    buf_append_char(&b, '\0');
    cr_assert_str_eq(
        b.at,
        "{\"serving\":120,\"phase\":\"open\",\"ratePerMinute\":600,\"waiting\":30,\"seatsLeft\":44,"
        "\"rev\":3298534883337}"); /* 3 << 40 | 9 */
    buf_free(&b);
}

Test(board, if_none_match)
{
    cr_assert(etag_matches(SLICE_LITERAL("\"a\""), "\"a\""));
    cr_assert(etag_matches(SLICE_LITERAL("W/\"a\""), "\"a\""));
    cr_assert(etag_matches(SLICE_LITERAL("\"b\" , \"a\""), "\"a\""));
    cr_assert(etag_matches(SLICE_LITERAL("*"), "\"a\""));
    cr_assert(!etag_matches(SLICE_LITERAL("\"b\""), "\"a\""));
    cr_assert(!etag_matches(SLICE_LITERAL("a"), "\"a\""));
    cr_assert(!etag_matches(SLICE_LITERAL(""), "\"a\""));
    cr_assert(!etag_matches(SLICE_NONE, "\"a\""));
}
