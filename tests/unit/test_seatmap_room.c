#include "engine/base/encode.h"
#include "engine/base/rng.h"
#include "seatmap-ws/room.h"

#include <criterion/criterion.h>

#define REV(epoch, counter) ((uint64_t)(epoch) << 40 | (counter))

static uint32_t seat(uint32_t n)
{
    return n;
}

#define CHANGE(r, rev, state, n) room_change(r, rev, state, (uint32_t[]){seat(n)}, 1)

static void open_room(struct room *r, const char *states)
{
    room_init(r, 1);
    cr_assert_eq(room_snapshot(r, REV(1, 10), slice_str(states)), ROOM_APPLIED);
}

Test(room, the_first_snapshot_is_the_state)
{
    struct room r;

    open_room(&r, "0123");
    cr_expect_eq(r.seat_count, 4);
    cr_expect_eq(r.rev, REV(1, 10));
    cr_expect_arr_eq(r.states, ((uint8_t[]){0, 1, 2, 3}), 4);
    room_free(&r);
}

Test(room, the_next_change_applies_and_a_replay_does_nothing)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(CHANGE(&r, REV(1, 11), 2, 3), ROOM_APPLIED);
    cr_expect_eq(r.states[3], 2);
    cr_expect_eq(CHANGE(&r, REV(1, 11), 0, 3), ROOM_OLD);
    cr_expect_eq(CHANGE(&r, REV(1, 5), 0, 3), ROOM_OLD);
    cr_expect_eq(r.states[3], 2);
    room_free(&r);
}

Test(room, changes_after_a_gap_wait_until_the_missing_one_comes)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(CHANGE(&r, REV(1, 13), 2, 2), ROOM_ASIDE);
    cr_expect_eq(CHANGE(&r, REV(1, 12), 1, 1), ROOM_ASIDE);
    cr_expect_eq(r.states[2], 0, "nothing after the gap is shown");
    cr_expect_eq(r.gaps, 1);
    cr_expect_eq(CHANGE(&r, REV(1, 11), 1, 0), ROOM_APPLIED);
    cr_expect_eq(r.rev, REV(1, 13));
    cr_expect_arr_eq(r.states, ((uint8_t[]){1, 1, 2, 0}), 4);
    room_free(&r);
}

Test(room, a_snapshot_heals_a_gap_and_what_waited_goes_on_top)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(CHANGE(&r, REV(1, 12), 2, 2), ROOM_ASIDE);
    cr_expect_eq(CHANGE(&r, REV(1, 14), 3, 3), ROOM_ASIDE);
    cr_expect_eq(room_snapshot(&r, REV(1, 13), slice_str("1120")), ROOM_APPLIED);
    cr_expect_eq(r.rev, REV(1, 14));
    cr_expect_arr_eq(r.states, ((uint8_t[]){1, 1, 2, 3}), 4);
    room_free(&r);
}

Test(room, a_snapshot_ahead_waits_for_its_changes_and_is_applied_when_they_do_not_come)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(room_snapshot(&r, REV(1, 12), slice_str("0110")), ROOM_ASIDE);
    cr_expect_eq(r.rev, REV(1, 10));
    for (unsigned i = 1; i < ROOM_SPARE_TICKS; i++)
        cr_expect_not(room_tick(&r));
    cr_expect(room_tick(&r));
    cr_expect_eq(r.rev, REV(1, 12));
    cr_expect_arr_eq(r.states, ((uint8_t[]){0, 1, 1, 0}), 4);
    room_free(&r);
}

Test(room, a_snapshot_whose_changes_came_is_not_applied_again)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(room_snapshot(&r, REV(1, 11), slice_str("0100")), ROOM_ASIDE);
    cr_expect_eq(CHANGE(&r, REV(1, 11), 1, 1), ROOM_APPLIED);
    for (unsigned i = 0; i < 2 * ROOM_SPARE_TICKS; i++)
        cr_expect_not(room_tick(&r));
    cr_expect(room_can_delta(&r, REV(1, 10)), "the past is still known");
    room_free(&r);
}

Test(room, an_older_snapshot_never_takes_anything_back)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(CHANGE(&r, REV(1, 11), 2, 0), ROOM_APPLIED);
    cr_expect_eq(room_snapshot(&r, REV(1, 10), slice_str("0000")), ROOM_OLD);
    cr_expect_eq(r.states[0], 2);
    room_free(&r);
}

Test(room, a_new_epoch_starts_from_its_snapshot_and_the_past_needs_the_whole)
{
    struct room r;

    open_room(&r, "0120");
    cr_expect_eq(CHANGE(&r, REV(2, 1), 1, 0), ROOM_ASIDE);
    cr_expect_eq(room_snapshot(&r, REV(2, 0), slice_str("0020")), ROOM_APPLIED);
    cr_expect_eq(r.rev, REV(2, 1));
    cr_expect_arr_eq(r.states, ((uint8_t[]){1, 0, 2, 0}), 4);
    cr_expect_not(room_can_delta(&r, REV(1, 10)));
    cr_expect(room_can_delta(&r, REV(2, 0)));
    room_free(&r);
}

Test(room, nonsense_is_refused)
{
    struct room r;

    open_room(&r, "0000");
    cr_expect_eq(CHANGE(&r, REV(1, 11), 4, 0), ROOM_BAD, "no such state");
    cr_expect_eq(CHANGE(&r, REV(1, 11), 1, 4), ROOM_BAD, "no such seat");
    cr_expect_eq(CHANGE(&r, 0, 1, 0), ROOM_BAD);
    cr_expect_eq(CHANGE(&r, ROOM_REV_MAX + 1, 1, 0), ROOM_BAD);
    cr_expect_eq(room_snapshot(&r, REV(1, 12), slice_str("00000")), ROOM_BAD, "another size");
    cr_expect_eq(room_snapshot(&r, REV(1, 12), slice_str("00x0")), ROOM_BAD);
    cr_expect_eq(room_snapshot(&r, REV(1, 12), slice_str("")), ROOM_BAD);
    cr_expect_eq(r.rev, REV(1, 10));
    room_free(&r);
}

Test(room, what_waits_is_bounded)
{
    struct room r;

    open_room(&r, "0000");
    for (uint32_t i = 0; i < 2 * ROOM_ASIDE_MAX; i++)
        cr_assert_eq(CHANGE(&r, REV(1, 12 + i), 1, 0), ROOM_ASIDE);
    cr_expect_eq(r.aside_len, ROOM_ASIDE_MAX);
    room_free(&r);
}

/* I8: whatever order, loss and repetition the news comes in, a seat never goes back to an older
 * rev, and after the last snapshot the room equals the truth. */
Test(room, any_order_of_news_ends_at_the_truth_and_never_goes_back)
{
    enum { SEATS = 50, CHANGES = 300 };
    struct {
        uint32_t seat;
        uint8_t state;
    } changes[CHANGES];

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct room r;
        struct rng rng;
        char truth[SEATS + 1], start[SEATS + 1];

        rng_seed(&rng, seed);
        memset(start, '0', SEATS);
        memcpy(truth, start, SEATS);
        room_init(&r, 1);
        cr_assert_eq(room_snapshot(&r, REV(1, 0) + 1, slice_of(start, SEATS)), ROOM_APPLIED);
        for (uint32_t i = 0; i < CHANGES; i++) {
            changes[i].seat = (uint32_t)rng_below(&rng, SEATS);
            changes[i].state = (uint8_t)rng_below(&rng, 4);
            truth[changes[i].seat] = (char)('0' + changes[i].state);
        }
        uint64_t shown = r.rev;
        for (uint32_t sent = 0; sent < CHANGES; sent++) {
            uint32_t i = rng_below(&rng, 4)
                             ? sent
                             : (uint32_t)rng_below(&rng, CHANGES); /* lost, repeated or early */
            enum room_verdict v = CHANGE(&r, REV(1, 0) + 2 + i, changes[i].state, changes[i].seat);
            cr_assert_neq(v, ROOM_BAD);
            if (rng_below(&rng, 20) == 0)
                room_tick(&r);
            cr_assert_geq(r.rev, shown);
            shown = r.rev;
        }
        enum room_verdict v = room_snapshot(&r, REV(1, 0) + 1 + CHANGES, slice_of(truth, SEATS));
        cr_assert_neq(v, ROOM_BAD);
        for (unsigned i = 0; i < ROOM_SPARE_TICKS; i++)
            room_tick(&r);
        cr_assert_eq(r.rev, REV(1, 0) + 1 + CHANGES);
        for (uint32_t n = 0; n < SEATS; n++)
            cr_assert_eq(r.states[n], truth[n] - '0', "seed %lu seat %u", (unsigned long)seed, n);
        room_free(&r);
    }
}

/* ---- frames ---- */

Test(frame, a_snapshot_packs_two_bits_a_seat)
{
    struct buf b;

    buf_init(&b, 1024);
    frame_put_snapshot(&b, FRAME_BINARY, (uint8_t[]){0, 1, 2, 3, 2}, 5, REV(1, 7));
    cr_assert_eq(b.len, frame_snapshot_size(5));
    const uint8_t *at = (const uint8_t *)b.at;
    cr_expect_eq(at[0], 0x01);
    cr_expect_eq(at[1], 0);
    cr_expect_eq(get_le32(at + 4), 5);
    cr_expect_eq(get_le64(at + 8), REV(1, 7));
    cr_expect_eq(at[16], 0xE4);
    cr_expect_eq(at[17], 0x02);
    buf_free(&b);
}

Test(frame, a_delta_is_gaps_with_states)
{
    struct frame_change changes[] = {{0, 1}, {1, 2}, {300, 3}};
    struct buf b;

    buf_init(&b, 1024);
    frame_put_delta(&b, FRAME_BINARY, changes, 3, 5, 9);
    const uint8_t *at = (const uint8_t *)b.at;
    cr_expect_eq(at[0], 0x02);
    cr_expect_eq(get_le32(at + 4), 3);
    cr_expect_eq(get_le64(at + 8), 5);
    cr_expect_eq(get_le64(at + 16), 9);
    cr_expect_eq(at[24], 0 << 2 | 1);
    cr_expect_eq(at[25], 1 << 2 | 2);
    cr_expect_eq(at[26] | 0, ((299 << 2 | 3) & 0x7f) | 0x80);
    cr_expect_eq(at[27], (299 << 2 | 3) >> 7);
    cr_expect_eq(b.len, 28);
    buf_free(&b);
}

Test(frame, the_text_form_says_the_same)
{
    struct frame_change changes[] = {{2, 1}, {4, 0}};
    struct buf b;

    buf_init(&b, 1024);
    frame_put_delta(&b, FRAME_JSON, changes, 2, 5, 9);
    cr_expect(slice_is(buf_slice(&b),
                       "{\"type\":\"delta\",\"fromRev\":5,\"toRev\":9,\"changes\":[[2,1],[4,0]]}"));
    buf_clear(&b);
    frame_put_snapshot(&b, FRAME_JSON, (uint8_t[]){0, 3}, 2, 4);
    cr_expect(slice_is(buf_slice(&b),
                       "{\"type\":\"snapshot\",\"seatCount\":2,\"rev\":4,\"states\":\"03\"}"));
    buf_free(&b);
}
