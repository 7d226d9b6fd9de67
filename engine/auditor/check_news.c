/* I7: the topics against the truth. Per event the changes, after dropping repeated revs, must be
 * there without a gap within an epoch and in order; replayed on the last snapshot they must give
 * the seats the truth has; every confirmed booking must have been told, or still be in the outbox.
 */
#include "engine/auditor/seats.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/base/map.h"

#include <stdio.h>

enum { SETTLE_MS = 8000, LOOK_MS = 500 };

#define EPOCH(rev) ((rev) >> 40)

/* What the topics say of one event. */
struct story {
    uint64_t event_id;
    struct list link;
    uint64_t rev, snapshot_rev, gaps, first_gap, misordered;
    uint32_t count;
    uint8_t *states;     /* owned: '0'..'3', by change or snapshot */
    uint64_t *seat_revs; /* owned */
};

struct telling {
    struct audit *audit;
    struct list stories;
    struct map told; /* booking ids of booking.confirmed; values are the owned texts */
    struct list *truth;
    uint64_t changes;
};

static struct story *story_of(struct telling *t, uint64_t event_id)
{
    const struct seats *s;

    list_for_each (it, &t->stories)
        if (list_entry(it, struct story, link)->event_id == event_id)
            return list_entry(it, struct story, link);
    if (!(s = seats_find(t->truth, event_id)))
        return NULL; /* not audited */
    struct story *story = mem_alloc(sizeof(*story));
    story->event_id = event_id;
    story->count = s->count;
    story->states = mem_alloc(s->count + 1);
    story->seat_revs = mem_alloc((s->count + 1) * sizeof(*story->seat_revs));
    list_push_back(&t->stories, &story->link);
    return story;
}

static bool head_of(json_t *root, uint64_t *ret_event, uint64_t *ret_rev)
{
    const char *event = json_string_value(json_object_get(root, "eventId"));
    json_t *rev = json_object_get(root, "rev");

    *ret_rev = (uint64_t)json_integer_value(rev);
    return event && json_is_integer(rev) && slice_to_u64(slice_str(event), ret_event);
}

static void apply_change(struct story *s, uint64_t rev, char state, json_t *seats)
{
    json_t *seat;
    size_t i;

    json_array_foreach(seats, i, seat)
    {
        uint64_t n = (uint64_t)json_integer_value(seat);
        if (n < s->count && rev > s->seat_revs[n]) {
            s->states[n] = (uint8_t)state;
            s->seat_revs[n] = rev;
        }
    }
}

static char state_of(json_t *root)
{
    static const char *const names[] = {"free", "held", "sold", "blocked"};
    const char *text = json_string_value(json_object_get(root, "state"));

    for (size_t i = 0; text && i < array_len(names); i++)
        if (strcmp(text, names[i]) == 0)
            return (char)('0' + i);
    return 0;
}

/* Repeats are allowed. A rev that jumps is a gap; the topic's first rev may be any (older ones may
 * have been deleted by retention). */
static void follow(struct story *s, uint64_t rev)
{
    if (rev <= s->rev)
        return;
    bool next = rev == s->rev + 1,
         opens_epoch = EPOCH(rev) > EPOCH(s->rev) && (rev & 0xffffffffff) == 1;
    if (s->rev && !next && !opens_epoch) {
        s->first_gap = s->gaps ? s->first_gap : rev;
        s->gaps++;
    }
    s->rev = rev;
}

static void hear_change(const struct bus_message *message, void *ctx)
{
    struct telling *t = ctx;
    uint64_t event_id, rev;
    json_t *root =
        message->payload.at ? json_loadb(message->payload.at, message->payload.len, 0, NULL) : NULL;
    char state = state_of(root);

    if (!head_of(root, &event_id, &rev) || !state) {
        verdict_broken(&t->audit->verdict, I7,
                       "seat-changes partition %d offset %lld: not a change", message->partition,
                       (long long)message->offset);
    } else if (story_of(t, event_id)) {
        struct story *s = story_of(t, event_id);
        follow(s, rev);
        apply_change(s, rev, state, json_object_get(root, "seats"));
        t->changes++;
    }
    json_decref(root);
}

/* A snapshot tells all seats as of its rev: newer changes stay. */
static void hear_snapshot(const struct bus_message *message, void *ctx)
{
    struct telling *t = ctx;
    uint64_t event_id, rev;
    json_t *root =
        message->payload.at ? json_loadb(message->payload.at, message->payload.len, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(root, "state"));
    struct story *s = head_of(root, &event_id, &rev) && text ? story_of(t, event_id) : NULL;

    if (s && rev >= s->snapshot_rev) {
        char *states = mem_alloc(s->count + 4);
        if (base64_decode(slice_str(text), states, s->count + 3) == (long)s->count) {
            for (uint32_t n = 0; n < s->count; n++) {
                if (rev > s->seat_revs[n]) {
                    s->states[n] = (uint8_t)states[n];
                    s->seat_revs[n] = rev;
                }
            }
            s->snapshot_rev = rev;
        }
        mem_free(states);
    }
    json_decref(root);
}

static void hear_booking(const struct bus_message *message, void *ctx)
{
    struct telling *t = ctx;
    struct slice key = message->key, event = slice_cut(&key, ':');
    uint64_t event_id;

    if (!key.at || !slice_to_u64(event, &event_id) || !seats_find(t->truth, event_id))
        return;
    char *id = mem_strndup(key.at, key.len);
    mem_free(map_put(&t->told, slice_str(id), id));
}

/* ---- judging ---- */

static const struct db_statement sold_bookings = {
    .name = "audit_told",
    .text = "SELECT b.booking_id, b.event_id FROM booking b WHERE b.state IN ('confirmed', "
            "'cancelled', 'refunded')"
            " AND ($1::bigint = 0 OR b.event_id = $1::bigint) AND NOT EXISTS"
            " (SELECT FROM outbox o WHERE o.shard = b.event_id % 16 AND o.event_id = b.event_id "
            "AND o.key = b.event_id || ':' || b.booking_id)",
    .params = 1,
    .read_only = true,
};

struct judging {
    struct telling *telling;
    bool tell;
    uint64_t bad;
};

static void judge_bookings(const struct db_result *result, void *ctx)
{
    struct judging *j = ctx;

    for (size_t i = 0; i < result->rows; i++) {
        if (map_get(&j->telling->told, db_value(result, i, 0)))
            continue;
        j->bad++;
        if (j->tell)
            verdict_broken(
                &j->telling->audit->verdict, I7,
                "event %.*s booking %.*s: confirmed, but neither on kafka nor in the outbox",
                SLICE_ARG(db_value(result, i, 1)), SLICE_ARG(db_value(result, i, 0)));
    }
    if (j->tell || j->bad == 0)
        verdict_checked(&j->telling->audit->verdict, I7, result->rows);
}

static void judge_story(struct judging *j, const struct story *s)
{
    struct verdict *v = &j->telling->audit->verdict;
    const struct seats *truth = seats_find(j->telling->truth, s->event_id);
    unsigned long long event = s->event_id;

    j->bad += s->gaps;
    if (s->gaps && j->tell)
        verdict_broken(v, I7, "event %llu: %llu gaps in the revs, the first before %llu", event,
                       (unsigned long long)s->gaps, (unsigned long long)s->first_gap);
    for (uint32_t n = 0; n < s->count; n++) {
        char news = s->states[n] ? (char)s->states[n] : '0', is = (char)truth->status[n];
        if (news == is || (is == '0' && news == '1'))
            continue;
        j->bad++;
        if (j->tell)
            verdict_broken(v, I7, "event %llu seat %u: the topics say %c, the truth %c", event, n,
                           news, is);
    }
}

/* An event of which nothing was ever told is fine as long as nothing happened to it. */
static void judge_silent(struct judging *j, const struct seats *s)
{
    list_for_each (it, &j->telling->stories)
        if (list_entry(it, struct story, link)->event_id == s->event_id)
            return;
    for (uint32_t n = 0; n < s->count; n++) {
        if (s->status[n] == '0')
            continue;
        j->bad++;
        if (j->tell)
            verdict_broken(&j->telling->audit->verdict, I7,
                           "event %llu seat %u: the truth says %c, the topics nothing",
                           (unsigned long long)s->event_id, n, s->status[n]);
    }
}

static void telling_free(struct telling *t)
{
    struct list *link;
    size_t cursor = 0;
    char *id;

    while ((link = list_pop_front(&t->stories))) {
        struct story *s = list_entry(link, struct story, link);
        mem_free(s->states);
        mem_free(s->seat_revs);
        mem_free(s);
    }
    while ((id = map_next(&t->told, &cursor)))
        mem_free(id);
    map_free(&t->told);
}

static void hear(struct telling *t, const char *topic,
                 void (*fn)(const struct bus_message *, void *))
{
    enum status status = facts_topic(&t->audit->facts, topic, fn, t);

    if (status != STATUS_OK)
        verdict_incomplete(&t->audit->verdict, topic, status);
}

/* One hearing of all topics against the truth of now; how much is wrong. */
static uint64_t hear_and_judge(struct audit *a, bool tell)
{
    struct list truth;
    struct telling t = {.audit = a, .truth = &truth};
    struct judging j = {.telling = &t, .tell = tell};
    char event[24];
    struct slice params[] = {slice_of(
        event, (size_t)snprintf(event, sizeof(event), "%llu", (unsigned long long)a->event_id))};
    enum status status = seats_read(a, &truth);

    list_init(&t.stories);
    map_init(&t.told);
    if (status == STATUS_OK) {
        hear(&t, "holdfast.seat-changes", hear_change);
        hear(&t, "holdfast.seat-snapshots", hear_snapshot);
        hear(&t, "holdfast.bookings", hear_booking);
        list_for_each (it, &t.stories)
            judge_story(&j, list_entry(it, struct story, link));
        list_for_each (it, &truth)
            judge_silent(&j, list_entry(it, struct seats, link));
        status = facts_query(&a->facts, &sold_bookings, params, judge_bookings, &j);
    }
    if (status != STATUS_OK)
        verdict_incomplete(&a->verdict, "the bookings", status);
    if (tell || j.bad == 0)
        verdict_checked(&a->verdict, I7, t.changes);
    telling_free(&t);
    seats_free_all(&truth);
    return j.bad;
}

/* The news travels: what differs counts only when it still does some seconds later. */
void check_news(struct audit *a)
{
    for (int waited = 0; waited < SETTLE_MS && !a->verdict.incomplete; waited += LOOK_MS) {
        if (hear_and_judge(a, false) == 0)
            return;
        facts_wait(&a->facts, LOOK_MS);
    }
    hear_and_judge(a, true);
}
