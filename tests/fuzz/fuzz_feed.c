/* What Kafka brings a seatmap process: a line a message, 'C' a change, 'S' a snapshot. Bad ones are
 * refused; whatever comes in whatever order, no room ever goes back or shows a state that is none.
 */
#include "engine/base/mem.h"
#include "seatmap-ws/feed.h"
#include "tests/fuzz/fuzz.h"

enum { ROOMS = 3, SEATS_MAX = 4096 };

/* The hub of this target: rooms without sessions, of which each is looked at after each message. */
struct hub {
    struct room rooms[ROOMS];
};

static struct hub hub;
static struct feed feed;

static struct room *room_of(struct hub *h, uint64_t event_id)
{
    return &h->rooms[event_id % ROOMS];
}

static void check(const struct room *r, uint64_t was)
{
    must(r->rev >= was && r->rev <= ROOM_REV_MAX && r->base_rev <= r->rev);
    must(r->aside_len <= ROOM_ASIDE_MAX);
    for (uint32_t n = 0; n < r->seat_count && n < SEATS_MAX; n++)
        must(r->states[n] <= 3 && r->seat_revs[n] <= r->rev);
}

void hub_change(struct hub *h, uint64_t event_id, uint64_t rev, uint8_t state,
                const uint32_t *seats, size_t count)
{
    struct room *r = room_of(h, event_id);
    uint64_t was = r->rev;

    (void)!room_change(r, rev, state, seats, count);
    check(r, was);
}

void hub_snapshot(struct hub *h, uint64_t event_id, uint64_t rev, struct slice states)
{
    struct room *r = room_of(h, event_id);
    uint64_t was = r->rev;

    (void)!room_snapshot(r, rev, states);
    check(r, was);
}

void hub_bad_news(struct hub *h)
{
    (void)h;
}

void hub_caught_up(struct hub *h)
{
    (void)h;
}

static void tick(void)
{
    for (size_t i = 0; i < ROOMS; i++) {
        uint64_t was = hub.rooms[i].rev;

        (void)room_tick(&hub.rooms[i]);
        check(&hub.rooms[i], was);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice rest = slice_of(at, len);

    if (!feed.seats) {
        feed.hub = &hub;
        feed.seats = mem_alloc(ROOM_SEATS_MAX * sizeof(*feed.seats));
        buf_init(&feed.states, ROOM_SEATS_MAX + 8);
    }
    for (size_t i = 0; i < ROOMS; i++)
        room_init(&hub.rooms[i], i);
    while (rest.at) {
        struct slice line = slice_cut(&rest, '\n');

        if (line.len && line.at[0] == 'C')
            (void)!feed_read_change(&feed, slice_of(line.at + 1, line.len - 1));
        else if (line.len && line.at[0] == 'S')
            (void)!feed_read_snapshot(&feed, slice_of(line.at + 1, line.len - 1));
        else
            tick();
    }
    for (size_t i = 0; i < ROOMS; i++)
        room_free(&hub.rooms[i]);
    return 0;
}
