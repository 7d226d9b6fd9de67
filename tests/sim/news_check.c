#include "tests/sim/news_check.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/booking/news.h"
#include "tests/sim/stores.h"

#include <inttypes.h>
#include <stdlib.h>

#define EPOCH_SHIFT 40

static size_t read_news;
static uint64_t last_rev[PG_EVENTS_MAX + 1]; /* by event id */

void news_check_begin(void)
{
    read_news = 0;
    memset(last_rev, 0, sizeof(last_rev));
}

static uint64_t rev_of(const struct news *n)
{
    const char *at = strstr(n->payload, "\"rev\":");

    return at ? strtoull(at + 6, NULL, 10) : 0;
}

static void check_change(const struct news *n)
{
    uint64_t event = strtoull(n->key, NULL, 10), rev = rev_of(n), *last = &last_rev[event];

    if (rev <= *last)
        return; /* again */
    if (rev != *last + 1 && rev != (rev >> EPOCH_SHIFT << EPOCH_SHIFT) + 1)
        broken("I7: event %" PRIu64 ": Kafka hears rev %" PRIu64 " after rev %" PRIu64, event, rev,
               *last);
    *last = rev;
}

void check_news(void)
{
    for (; read_news < stores.news_count; read_news++) {
        if (strcmp(stores.news[read_news].topic, NEWS_TOPIC_CHANGES) == 0)
            check_change(&stores.news[read_news]);
    }
}

/* ---- the picture of a consumer ---- */

struct picture {
    uint64_t rev;
    char state[1024];
    size_t len;
};

static bool is_about(const struct news *n, const char *topic, uint64_t event)
{
    return strcmp(n->topic, topic) == 0 && strtoull(n->key, NULL, 10) == event;
}

static void take_snapshot(struct picture *p, const struct news *n)
{
    const char *at = strstr(n->payload, "\"state\":\"") + 9;
    long len = base64_decode(slice_of(at, (size_t)(strchr(at, '"') - at)), (uint8_t *)p->state,
                             sizeof(p->state));

    p->rev = rev_of(n);
    p->len = len < 0 ? 0 : (size_t)len;
}

static void take_change(struct picture *p, const struct news *n)
{
    static const char *const names[] = {"free", "held", "sold", "blocked"};
    char why[100];
    json_t *o = json_parse_object(slice_of(n->payload, n->payload_len), why, sizeof(why)), *seat;
    const char *state = json_string_value(json_object_get(o, "state"));
    size_t i;

    json_array_foreach(json_object_get(o, "seats"), i, seat)
    {
        for (size_t k = 0; k < 4; k++) {
            if (strcmp(state, names[k]) == 0)
                p->state[json_integer_value(seat)] = (char)('0' + k);
        }
    }
    p->rev = rev_of(n);
    json_decref(o);
}

static bool told(const struct pg_booking *b)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&b->row.booking_id, id);
    for (size_t i = 0; i < stores.news_count; i++) {
        if (strcmp(stores.news[i].type, "booking.confirmed") == 0 && strstr(stores.news[i].key, id))
            return true;
    }
    return false;
}

void check_news_settled(const struct pg_event *e)
{
    struct picture p = {0};

    for (size_t i = 0; i < stores.news_count; i++) {
        if (is_about(&stores.news[i], NEWS_TOPIC_SNAPSHOTS, e->id) &&
            rev_of(&stores.news[i]) >= p.rev)
            take_snapshot(&p, &stores.news[i]);
    }
    for (size_t i = 0; i < stores.news_count; i++) {
        if (is_about(&stores.news[i], NEWS_TOPIC_CHANGES, e->id) &&
            rev_of(&stores.news[i]) == p.rev + 1)
            take_change(&p, &stores.news[i]);
    }
    for (size_t n = 0; n < e->seat_count; n++) {
        if (n >= p.len || p.state[n] != '0' + e->seats[n].status)
            broken("I7: event %" PRIu64 ": Kafka shows %.*s at rev %" PRIu64
                   ", seat %zu is %d in truth",
                   e->id, (int)p.len, p.state, p.rev, n, e->seats[n].status);
    }
    list_for_each (it, &stores.pg.bookings) {
        const struct pg_booking *b = list_entry(it, struct pg_booking, link);

        if (b->row.event_id == e->id && b->row.confirmed_ms && !told(b))
            broken("I7: a sale of event %" PRIu64 " was never told", e->id);
    }
}
