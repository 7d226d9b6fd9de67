#include "engine/booking/event.h"

#include "engine/base/log.h"
#include "engine/base/map.h"
#include "engine/base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define FRESH_MS   2000 /* older: refreshed in the background while it is still given out */
#define MISSING_MS 1000 /* how long "no such event" is believed */
#define QUERY_MS   5000

/* One event, or the knowledge that there is none. */
struct event_slot {
    struct event_cache *cache;
    char id[24];
    struct event *event; /* NULL: not read yet, or there is none */
    bool fetching, read, forgotten;
    int64_t read_ns;
    struct list waits;
    struct list used; /* least recently used first */
    struct db_request db;
};

struct event_cache {
    struct loop *loop;
    struct db *db;
    size_t max;
    struct map slots;
    struct list used;
};

static const struct db_statement read_event = {
    .name = "event_read",
    .text = "SELECT e.name, e.type, e.venue::text, e.performers::text, (extract(epoch FROM "
            "e.starts_at) * 1000)::bigint, e.currency, e.sale_state = 'on_sale',"
            " e.has_queue, e.charge, e.max_seats, e.max_holds, e.hold_seconds, e.hold_cap_seconds, "
            "e.payment_seconds, l.hash,"
            " CASE WHEN l.hash = $2 THEN NULL ELSE l.document END,"
            " (SELECT json_agg(json_build_array(p.level, p.name, p.amount) ORDER BY "
            "p.position)::text FROM price_level p WHERE p.event_id = e.event_id)"
            " FROM event e JOIN event_layout l USING (event_id) WHERE e.event_id = $1",
    .params = 2,
    .read_only = true,
};

struct event_cache *event_cache_new(struct loop *l, struct db *db, size_t events_max)
{
    struct event_cache *c = mem_alloc(sizeof(*c));

    c->loop = l;
    c->db = db;
    c->max = events_max;
    map_init(&c->slots);
    list_init(&c->used);
    return c;
}

static void slot_free(struct event_slot *slot)
{
    map_remove(&slot->cache->slots, slice_str(slot->id));
    list_remove(&slot->used);
    event_unref(slot->event);
    mem_free(slot);
}

static void complete(struct event_slot *slot, enum status status)
{
    struct list waits, *link;

    list_init(&waits);
    list_splice(&waits, &slot->waits);
    while ((link = list_pop_front(&waits))) {
        struct event_wait *wait = list_entry(link, struct event_wait, link);

        wait->cb(wait, status, slot->event);
    }
}

void event_cache_free(struct event_cache *c)
{
    if (!c)
        return;
    while (!list_empty(&c->used)) {
        struct event_slot *slot = list_entry(c->used.next, struct event_slot, used);

        complete(slot, STATUS_CANCELED);
        slot_free(slot);
    }
    map_free(&c->slots);
    mem_free(c);
}

static char *text_of(const struct db_result *r, size_t column)
{
    struct slice value = db_value(r, 0, column);

    return mem_strndup(value.at, value.len);
}

/* [["gold","Gold",9000],...] */
static bool read_levels(struct event *e, struct slice text)
{
    json_t *levels = json_loadb(text.at, text.len, 0, NULL);
    json_t *level;
    size_t i;

    json_array_foreach(levels, i, level)
    {
        if (e->level_count == LAYOUT_LEVELS_MAX)
            break;
        e->levels[e->level_count++] =
            (struct price_level){mem_strdup(json_string_value(json_array_get(level, 0))),
                                 mem_strdup(json_string_value(json_array_get(level, 1))),
                                 json_integer_value(json_array_get(level, 2))};
    }
    json_decref(levels);
    return e->level_count > 0;
}

static bool read_sheet(struct event *e, const struct db_result *r, struct event *old)
{
    struct slice hash = db_value(r, 0, 14), document = db_value(r, 0, 15);
    struct layout_levels levels;

    if (db_null(r, 0, 15)) {
        e->sheet = old ? sheet_ref(old->sheet) : NULL;
        return old != NULL;
    }
    e->sheet = mem_alloc(sizeof(*e->sheet));
    e->sheet->refs = 1;
    buf_init(&e->sheet->document, document.len + 1);
    buf_append_slice(&e->sheet->document, document);
    event_levels(e, &levels);
    return slice_to_str(hash, e->sheet->hash, sizeof(e->sheet->hash)) &&
           layout_from_document(document, &levels, &e->sheet->layout) == STATUS_OK;
}

/* NULL when what is stored is not an event; logged. */
static struct event *read_row(const struct event_slot *slot, const struct db_result *r)
{
    struct event *e = mem_alloc(sizeof(*e));

    e->refs = 1;
    (void)!slice_to_u64(slice_str(slot->id), &e->id);
    e->name = text_of(r, 0);
    e->type = text_of(r, 1);
    e->venue = text_of(r, 2);
    e->performers = text_of(r, 3);
    e->starts_ms = db_i64(r, 0, 4);
    (void)!slice_to_str(db_value(r, 0, 5), e->currency, sizeof(e->currency));
    e->on_sale = db_bool(r, 0, 6);
    e->has_queue = db_bool(r, 0, 7);
    e->charge = db_bool(r, 0, 8);
    e->max_seats = (uint32_t)db_i64(r, 0, 9);
    e->max_holds = (uint32_t)db_i64(r, 0, 10);
    e->hold_ms = db_i64(r, 0, 11) * 1000;
    e->cap_ms = db_i64(r, 0, 12) * 1000;
    e->payment_ms = db_i64(r, 0, 13) * 1000;
    if (read_levels(e, db_value(r, 0, 16)) && read_sheet(e, r, slot->event))
        return e;
    log_error("event", "what is stored is not an event", log_str("event", slot->id));
    event_unref(e);
    return NULL;
}

static void read_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct event_slot *slot = container_of(request, struct event_slot, db);
    struct event *fresh = NULL;

    slot->fetching = false;
    if (status == STATUS_OK && result->rows == 0)
        status = STATUS_NOT_FOUND;
    if (status == STATUS_OK && !(fresh = read_row(slot, result)))
        status = STATUS_INTERNAL;
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        event_unref(slot->event);
        slot->event = fresh;
        slot->read = !slot->forgotten;
        slot->forgotten = false;
        slot->read_ns = loop_mono_ns(slot->cache->loop);
    }
    complete(slot, status);
}

static enum status fetch(struct event_slot *slot)
{
    struct slice params[] = {slice_str(slot->id),
                             slice_str(slot->event ? slot->event->sheet->hash : "")};
    enum status status;

    slot->db.cb = read_cb;
    status = db_query(slot->cache->db, &slot->db, &read_event, params, QUERY_MS);
    slot->fetching = status == STATUS_OK;
    return status;
}

/* Room for another: the least recently used that nobody waits for goes. */
static bool make_room(struct event_cache *c)
{
    list_for_each (it, &c->used) {
        struct event_slot *slot = list_entry(it, struct event_slot, used);

        if (!slot->fetching) {
            slot_free(slot);
            return true;
        }
    }
    return false;
}

static struct event_slot *find(struct event_cache *c, uint64_t id)
{
    char text[24];
    struct event_slot *slot;

    snprintf(text, sizeof(text), "%" PRIu64, id);
    slot = map_get(&c->slots, slice_str(text));
    if (slot) {
        list_remove(&slot->used);
        list_push_back(&c->used, &slot->used);
    }
    return slot;
}

struct event *event_peek(struct event_cache *c, uint64_t id)
{
    struct event_slot *slot = find(c, id);
    int64_t age_ms;

    if (!slot || !slot->read || !slot->event)
        return NULL;
    age_ms = (loop_mono_ns(c->loop) - slot->read_ns) / 1000000;
    if (age_ms > FRESH_MS && !slot->fetching)
        (void)!fetch(slot); /* it is given out as it is when PostgreSQL is away: an event page
                               outlives that */
    return slot->event;
}

enum status event_get(struct event_cache *c, uint64_t id, struct event_wait *wait)
{
    struct event_slot *slot = find(c, id);
    enum status status = STATUS_OK;

    if (id > INT64_MAX)
        return STATUS_NOT_FOUND;
    if (slot && slot->read && !slot->event &&
        loop_mono_ns(c->loop) - slot->read_ns < MISSING_MS * 1000000LL)
        return STATUS_NOT_FOUND;
    if (!slot) {
        if (c->slots.len >= c->max && !make_room(c))
            return STATUS_OVERLOADED;
        slot = mem_alloc(sizeof(*slot));
        slot->cache = c;
        snprintf(slot->id, sizeof(slot->id), "%" PRIu64, id);
        list_init(&slot->waits);
        list_push_back(&c->used, &slot->used);
        map_put(&c->slots, slice_str(slot->id), slot);
    }
    if (!slot->fetching)
        status = fetch(slot);
    if (status == STATUS_OK)
        list_push_back(&slot->waits, &wait->link);
    return status;
}

void event_forget(struct event_cache *c, uint64_t id)
{
    struct event_slot *slot = find(c, id);

    if (!slot)
        return;
    slot->read = false;
    slot->forgotten = slot->fetching; /* what is on its way may be from before the change */
}
