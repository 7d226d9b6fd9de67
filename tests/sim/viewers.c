#include "tests/sim/viewers.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/base/mem.h"
#include "engine/booking/news.h"
#include "seatmap-ws/room.h"
#include "tests/sim/invariants.h"
#include "tests/sim/stores.h"
#include "tests/sim/trouble.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MAPS = 2, VIEWERS = 4, EVENTS = 2, SEATS_MAX = 64, TICK_MS = 200 };

struct viewers_plants viewers_plants;

/* What Redis showed, in rising rev. */
struct memory {
    struct known {
        uint64_t rev, hash;
    } * known; /* owned */
    size_t count, cap;
};

struct seatmap {
    struct sim_event tick;
    struct room rooms[EVENTS];
    size_t changes, snapshots; /* how far in the news of each topic */
};

struct viewer {
    unsigned map, event; /* event: from 0 */
    uint64_t rev;
    char picture[SEATS_MAX];
    size_t len;
};

static struct seatmap maps[MAPS];
static struct viewer viewers[VIEWERS];
static struct memory memories[EVENTS];

/* ---- what was true ---- */

static uint64_t hash_of(const char *state, size_t len)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)state[i]) * 1099511628211u;
    return h;
}

void viewers_learn(uint64_t event_id, uint64_t rev, const char *state, size_t len)
{
    struct memory *m = &memories[event_id - 1];

    if (m->count && m->known[m->count - 1].rev >= rev)
        return;
    if (m->count == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 256;
        m->known = mem_resize(m->known, m->cap * sizeof(*m->known));
    }
    m->known[m->count++] = (struct known){rev, hash_of(state, len)};
}

static const struct known *find(const struct memory *m, uint64_t rev)
{
    size_t from = 0, to = m->count;

    while (from < to) {
        size_t middle = (from + to) / 2;

        if (m->known[middle].rev < rev)
            from = middle + 1;
        else
            to = middle;
    }
    return from < m->count && m->known[from].rev == rev ? &m->known[from] : NULL;
}

static void check_picture(const char *who, unsigned event, uint64_t rev, const char *picture,
                          size_t len)
{
    const struct known *k = find(&memories[event], rev);

    if (!k)
        broken("I8: %s shows rev %" PRIu64 " of event %u, which never was", who, rev, event + 1);
    if (k->hash != hash_of(picture, len))
        broken("I8: %s shows %.*s at rev %" PRIu64 " of event %u: it was otherwise", who, (int)len,
               picture, rev, event + 1);
}

/* ---- a seatmap process reads ---- */

static void check_room(unsigned event, const struct room *r)
{
    char picture[SEATS_MAX];

    for (uint32_t n = 0; n < r->seat_count; n++)
        picture[n] = (char)('0' + r->states[n]);
    check_picture("a seatmap process", event, r->rev, picture, r->seat_count);
}

static void read_change(struct room *r, const struct news *n)
{
    static const char *const names[] = {"free", "held", "sold", "blocked"};
    char why[100];
    json_t *o = json_parse_object(slice_of(n->payload, n->payload_len), why, sizeof(why)), *seat,
           *list = json_object_get(o, "seats");
    const char *state = json_string_value(json_object_get(o, "state"));
    uint32_t seats[SEATS_MAX];
    uint8_t to = 0;
    size_t i;

    json_array_foreach(list, i, seat) seats[i] = (uint32_t)json_integer_value(seat);
    while (strcmp(names[to], state) != 0)
        to++;
    if (room_change(r, (uint64_t)json_integer_value(json_object_get(o, "rev")), to, seats,
                    json_array_size(list)) == ROOM_BAD)
        broken("I8: a change that no seatmap process accepts: %s", n->payload);
    json_decref(o);
}

static void read_snapshot(struct room *r, const struct news *n, size_t seat_count)
{
    char why[100], state[SEATS_MAX + 4];
    json_t *o = json_parse_object(slice_of(n->payload, n->payload_len), why, sizeof(why));
    long len = base64_decode(slice_str(json_string_value(json_object_get(o, "state"))), state,
                             sizeof(state));

    if (len != (long)seat_count)
        broken("I4: a snapshot tells %ld of %zu seats", len, seat_count);
    if (room_snapshot(r, (uint64_t)json_integer_value(json_object_get(o, "rev")),
                      slice_of(state, (size_t)len)) == ROOM_BAD)
        broken("I8: a snapshot that no seatmap process accepts: %s", n->payload);
    json_decref(o);
}

/* Up to `most` of one topic. */
static void read_topic(struct seatmap *m, const char *topic, size_t *at, size_t most)
{
    bool changes = strcmp(topic, NEWS_TOPIC_CHANGES) == 0;

    for (; *at < stores.news_count && most; ++*at) {
        const struct news *n = &stores.news[*at];
        unsigned event = (unsigned)strtoul(n->key, NULL, 10) - 1;
        uint64_t rev;

        if (strcmp(n->topic, topic) != 0)
            continue;
        most--;
        rev = m->rooms[event].rev;
        if (changes)
            read_change(&m->rooms[event], n);
        else
            read_snapshot(&m->rooms[event], n, stores.pg.events[event].seat_count);
        if (m->rooms[event].rev < rev)
            broken("I8: a seatmap process goes back from rev %" PRIu64 " to %" PRIu64, rev,
                   m->rooms[event].rev);
        if (m->rooms[event].rev != rev)
            check_room(event, &m->rooms[event]);
    }
}

/* ---- a viewer looks ---- */

static void take_whole(struct viewer *v, const struct room *r)
{
    v->len = r->seat_count;
    for (uint32_t n = 0; n < r->seat_count; n++)
        v->picture[n] = (char)('0' + r->states[n]);
}

static void look(struct viewer *v)
{
    const struct room *r = &maps[v->map].rooms[v->event];
    struct frame_change changes[SEATS_MAX];
    size_t count;

    if (r->rev == 0 || r->rev == v->rev || (v->rev > r->rev && !viewers_plants.shown_back))
        return; /* a process that is behind answers once it has caught up */
    if (r->rev < v->rev)
        broken("I8: a viewer of event %u saw rev %" PRIu64 " and is shown rev %" PRIu64,
               v->event + 1, v->rev, r->rev);
    if (v->rev && room_can_delta(r, v->rev)) {
        count = room_changes_since(r, v->rev, changes, SEATS_MAX);
        for (size_t i = 0; i < count; i++)
            v->picture[changes[i].seat] = (char)('0' + changes[i].state);
    } else {
        take_whole(v, r);
    }
    v->rev = r->rev;
    check_picture("a viewer", v->event, v->rev, v->picture, v->len);
}

static size_t pace(void)
{
    return chance(4) || trouble_is_over() ? SIZE_MAX : chance(4);
}

static void tick(struct sim_event *e)
{
    struct seatmap *m = container_of(e, struct seatmap, tick);
    unsigned id = (unsigned)(m - maps);

    world_at(e, NULL, TICK_MS * MS, tick);
    if (invariants_have_lied())
        return;
    read_topic(m, NEWS_TOPIC_CHANGES, &m->changes, pace());
    read_topic(m, NEWS_TOPIC_SNAPSHOTS, &m->snapshots, pace());
    for (unsigned event = 0; event < EVENTS; event++) {
        if (room_tick(&m->rooms[event]))
            check_room(event, &m->rooms[event]);
    }
    for (unsigned i = 0; i < VIEWERS; i++) {
        if (viewers[i].map == id)
            look(&viewers[i]);
        if (viewers[i].map == id && chance(20) == 0)
            viewers[i].map = chance(MAPS);
    }
}

/* ---- life ---- */

static void map_start(struct seatmap *m, size_t changes)
{
    for (unsigned event = 0; event < EVENTS; event++)
        room_init(&m->rooms[event], event + 1);
    m->changes = changes;
    m->snapshots = 0;
}

static void map_stop(struct seatmap *m)
{
    for (unsigned event = 0; event < EVENTS; event++)
        room_free(&m->rooms[event]);
}

void viewers_restart_map(void)
{
    struct seatmap *m = &maps[chance(MAPS)];

    TRACE("seatmap process %u is killed and starts again", (unsigned)(m - maps));
    map_stop(m);
    map_start(m, stores.news_count);
}

void viewers_begin(void)
{
    memset(maps, 0, sizeof(maps));
    memset(viewers, 0, sizeof(viewers));
    memset(memories, 0, sizeof(memories));
    for (unsigned i = 0; i < MAPS; i++) {
        map_start(&maps[i], 0);
        world_at(&maps[i].tick, NULL, (int64_t)chance(TICK_MS) * MS, tick);
    }
    for (unsigned i = 0; i < VIEWERS; i++) {
        viewers[i].map = i % MAPS;
        viewers[i].event = chance(EVENTS);
    }
}

void viewers_end(void)
{
    for (unsigned i = 0; i < MAPS; i++) {
        world_cancel(&maps[i].tick);
        map_stop(&maps[i]);
    }
    for (unsigned i = 0; i < EVENTS; i++)
        mem_free(memories[i].known);
}

static void check_is_truth(const char *who, const struct pg_event *e, uint64_t rev,
                           const char *picture, size_t len)
{
    for (size_t n = 0; n < e->seat_count; n++) {
        if (n >= len || picture[n] != '0' + e->seats[n].status)
            broken("I8: %s shows %.*s at rev %" PRIu64 ", seat %zu of event %" PRIu64
                   " is %d in truth",
                   who, (int)len, picture, rev, n, e->id, e->seats[n].status);
    }
}

void check_viewers_settled(const struct pg_event *e)
{
    struct viewer whole;

    for (unsigned i = 0; i < MAPS; i++) {
        take_whole(&whole, &maps[i].rooms[e->id - 1]);
        check_is_truth("a seatmap process", e, maps[i].rooms[e->id - 1].rev, whole.picture,
                       whole.len);
    }
    for (unsigned i = 0; i < VIEWERS; i++) {
        if (viewers[i].event == e->id - 1)
            check_is_truth("a viewer", e, viewers[i].rev, viewers[i].picture, viewers[i].len);
    }
}
