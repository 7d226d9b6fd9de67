#include "seatmap-ws/room.h"

/* A change that waits for what came before it. */
struct aside {
    struct list link;
    uint64_t rev;
    uint8_t state;
    size_t count;
    uint32_t seats[];
};

void room_init(struct room *r, uint64_t event_id)
{
    *r = (struct room){.event_id = event_id};
    list_init(&r->aside);
}

static void aside_drop(struct room *r, struct aside *a)
{
    list_remove(&a->link);
    r->aside_len--;
    mem_free(a);
}

void room_free(struct room *r)
{
    list_for_each_safe (it, &r->aside)
        aside_drop(r, list_entry(it, struct aside, link));
    mem_free(r->states);
    mem_free(r->seat_revs);
    mem_free(r->spare);
    r->states = NULL;
    r->spare = NULL;
    r->seat_revs = NULL;
}

/* Keeps a change in rev order. When full the newest go: the next snapshot is newer than they are.
 */
static void aside_put(struct room *r, uint64_t rev, uint8_t state, const uint32_t *seats,
                      size_t count)
{
    struct list *after = r->aside.prev;

    while (after != &r->aside && list_entry(after, struct aside, link)->rev > rev)
        after = after->prev;
    if (after != &r->aside && list_entry(after, struct aside, link)->rev == rev)
        return;
    if (r->aside_len >= ROOM_ASIDE_MAX)
        return;
    struct aside *a = mem_alloc(sizeof(*a) + count * sizeof(*seats));
    a->rev = rev;
    a->state = state;
    a->count = count;
    memcpy(a->seats, seats, count * sizeof(*seats));
    list_insert_(&a->link, after, after->next);
    r->aside_len++;
}

static void apply(struct room *r, uint64_t rev, uint8_t state, const uint32_t *seats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        r->states[seats[i]] = state;
        r->seat_revs[seats[i]] = rev;
    }
    r->rev = rev;
}

static bool seats_exist(const struct room *r, const uint32_t *seats, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seats[i] >= r->seat_count)
            return false;
    return true;
}

/* Applies what was waiting, up to the next gap. */
static void aside_apply(struct room *r)
{
    list_for_each_safe (it, &r->aside) {
        struct aside *a = list_entry(it, struct aside, link);
        if (a->rev > r->rev + 1)
            return;
        if (a->rev == r->rev + 1 && seats_exist(r, a->seats, a->count))
            apply(r, a->rev, a->state, a->seats, a->count);
        aside_drop(r, a);
    }
}

enum room_verdict room_change(struct room *r, uint64_t rev, uint8_t state, const uint32_t *seats,
                              size_t count)
{
    if (state > 3 || rev == 0 || rev > ROOM_REV_MAX || count > ROOM_SEATS_MAX)
        return ROOM_BAD;
    if (r->rev && rev <= r->rev)
        return ROOM_OLD;
    if (r->rev == 0 || rev != r->rev + 1) {
        if (r->rev && list_empty(&r->aside))
            r->gaps++;
        aside_put(r, rev, state, seats, count);
        return ROOM_ASIDE;
    }
    if (!seats_exist(r, seats, count))
        return ROOM_BAD;
    apply(r, rev, state, seats, count);
    aside_apply(r);
    return ROOM_APPLIED;
}

static bool states_are_sound(struct slice states)
{
    for (size_t i = 0; i < states.len; i++)
        if (states.at[i] < '0' || states.at[i] > '3')
            return false;
    return states.len > 0 && states.len <= ROOM_SEATS_MAX;
}

/* A snapshot is the truth of its moment, but how each seat came there is not known: who is behind
 * it needs the whole. */
static void load(struct room *r, uint64_t rev, struct slice states)
{
    for (uint32_t n = 0; n < r->seat_count; n++) {
        r->states[n] = (uint8_t)(states.at[n] - '0');
        r->seat_revs[n] = rev;
    }
    r->rev = r->base_rev = rev;
}

static bool gap_open(const struct room *r)
{
    return !list_empty(&r->aside);
}

static bool same_epoch(uint64_t a, uint64_t b)
{
    return a >> 40 == b >> 40;
}

static void spare_keep(struct room *r, uint64_t rev, struct slice states)
{
    if (r->spare_rev <= r->rev)
        r->spare_age = 0;
    memcpy(r->spare, states.at, states.len);
    r->spare_rev = rev;
}

enum room_verdict room_snapshot(struct room *r, uint64_t rev, struct slice states)
{
    if (!states_are_sound(states) || rev == 0 || rev > ROOM_REV_MAX ||
        (r->seat_count && states.len != r->seat_count))
        return ROOM_BAD;
    if (rev <= r->rev)
        return ROOM_OLD;
    if (!r->states) {
        r->seat_count = (uint32_t)states.len;
        r->states = mem_alloc(r->seat_count);
        r->seat_revs = mem_alloc(r->seat_count * sizeof(*r->seat_revs));
        r->spare = mem_alloc(r->seat_count);
    }
    if (r->rev && same_epoch(rev, r->rev) && !gap_open(r)) {
        spare_keep(r, rev, states);
        return ROOM_ASIDE;
    }
    load(r, rev, states);
    aside_apply(r);
    return ROOM_APPLIED;
}

bool room_tick(struct room *r)
{
    if (r->spare_rev <= r->rev || ++r->spare_age < ROOM_SPARE_TICKS)
        return false;
    r->gaps++;
    load(r, r->spare_rev, slice_of(r->spare, r->seat_count));
    aside_apply(r);
    return true;
}

size_t room_changes_since(const struct room *r, uint64_t since, struct frame_change *ret_changes,
                          size_t max)
{
    size_t count = 0;

    for (uint32_t n = 0; n < r->seat_count; n++) {
        if (r->seat_revs[n] <= since)
            continue;
        if (count < max)
            ret_changes[count] = (struct frame_change){n, r->states[n]};
        count++;
    }
    return count;
}
