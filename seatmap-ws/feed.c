#include "seatmap-ws/feed.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/base/log.h"

/* Payloads have more fields in later versions of the relay: unknown ones are passed over, so
 * json_read's strictness is not wanted here. */
static bool get_id(json_t *root, const char *key, uint64_t *ret_id)
{
    const char *text = json_string_value(json_object_get(root, key));

    return text && slice_to_u64(slice_str(text), ret_id);
}

static bool get_u64(json_t *root, const char *key, uint64_t max, uint64_t *ret_value)
{
    json_t *value = json_object_get(root, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max)
        return false;
    *ret_value = (uint64_t)json_integer_value(value);
    return true;
}

static bool get_state(json_t *root, uint8_t *ret_state)
{
    static const char *const names[] = {"free", "held", "sold", "blocked"};
    const char *text = json_string_value(json_object_get(root, "state"));

    for (uint8_t i = 0; text && i < array_len(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_state = i;
            return true;
        }
    }
    return false;
}

static bool get_seats(struct feed *f, json_t *root, size_t *ret_count)
{
    json_t *seats = json_object_get(root, "seats"), *seat;
    size_t i;

    if (!json_is_array(seats) || json_array_size(seats) > ROOM_SEATS_MAX)
        return false;
    json_array_foreach(seats, i, seat)
    {
        if (!json_is_integer(seat) || json_integer_value(seat) < 0 ||
            json_integer_value(seat) >= ROOM_SEATS_MAX)
            return false;
        f->seats[i] = (uint32_t)json_integer_value(seat);
    }
    *ret_count = json_array_size(seats);
    return true;
}

enum status feed_read_change(struct feed *f, struct slice payload)
{
    char why[128];
    uint64_t event_id, rev;
    uint8_t state;
    size_t count;
    json_t *root = json_parse_object(payload, why, sizeof(why));
    bool good = root && get_id(root, "eventId", &event_id) &&
                get_u64(root, "rev", ROOM_REV_MAX, &rev) && get_state(root, &state) &&
                get_seats(f, root, &count);

    if (good)
        hub_change(f->hub, event_id, rev, state, f->seats, count);
    json_decref(root);
    return good ? STATUS_OK : STATUS_MALFORMED;
}

static bool get_states(struct feed *f, json_t *root, struct slice *ret_states)
{
    uint64_t seats;
    const char *text = json_string_value(json_object_get(root, "state"));

    if (!text || !get_u64(root, "seats", ROOM_SEATS_MAX, &seats))
        return false;
    buf_clear(&f->states);
    char *at = buf_reserve(&f->states, seats + 3);
    long len = at ? base64_decode(slice_str(text), at, seats + 3) : -1;
    *ret_states = slice_of(at, (size_t)len);
    return len >= 0 && (uint64_t)len == seats;
}

enum status feed_read_snapshot(struct feed *f, struct slice payload)
{
    char why[128];
    uint64_t event_id, rev;
    struct slice states;
    json_t *root = json_parse_object(payload, why, sizeof(why));
    bool good = root && get_id(root, "eventId", &event_id) &&
                get_u64(root, "rev", ROOM_REV_MAX, &rev) && get_states(f, root, &states);

    if (good)
        hub_snapshot(f->hub, event_id, rev, states);
    json_decref(root);
    return good ? STATUS_OK : STATUS_MALFORMED;
}

static void read_or_count(struct feed *f, const struct bus_message *message,
                          enum status (*read)(struct feed *, struct slice))
{
    if (!message->payload.at) /* a tombstone of the compacted topic */
        return;
    if (read(f, message->payload) == STATUS_OK)
        return;
    hub_bad_news(f->hub);
    log_warn("feed", "unreadable message", log_slice("topic", message->topic),
             log_slice("key", message->key), log_i64("offset", message->offset));
}

static void change_message(struct bus_feed *feed, const struct bus_message *message)
{
    read_or_count(feed->ctx, message, feed_read_change);
}

static void snapshot_message(struct bus_feed *feed, const struct bus_message *message)
{
    read_or_count(feed->ctx, message, feed_read_snapshot);
}

static void snapshots_caught_up(struct bus_feed *feed)
{
    struct feed *f = feed->ctx;

    hub_caught_up(f->hub);
}

static const struct bus_feed_ops change_ops = {.message = change_message};
static const struct bus_feed_ops snapshot_ops = {.message = snapshot_message,
                                                 .caught_up = snapshots_caught_up};

enum status feed_start(struct feed *f, struct bus *bus, struct hub *hub)
{
    *f = (struct feed){.hub = hub,
                       .bus = bus,
                       .changes = {.ops = &change_ops, .ctx = f},
                       .snapshots = {.ops = &snapshot_ops, .ctx = f}};
    f->seats = mem_alloc(ROOM_SEATS_MAX * sizeof(*f->seats));
    buf_init(&f->states, ROOM_SEATS_MAX + 8);
    enum status status = bus_feed_start(bus, &f->changes, "holdfast.seat-changes", BUS_FROM_END);
    if (status != STATUS_OK)
        return status;
    status = bus_feed_start(bus, &f->snapshots, "holdfast.seat-snapshots", BUS_FROM_BEGINNING);
    if (status != STATUS_OK)
        bus_feed_stop(bus, &f->changes);
    return status;
}

void feed_stop(struct feed *f)
{
    bus_feed_stop(f->bus, &f->changes);
    bus_feed_stop(f->bus, &f->snapshots);
    mem_free(f->seats);
    buf_free(&f->states);
}
