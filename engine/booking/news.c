#include "engine/booking/news.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/base/mem.h"

static void header_add(struct news_headers *h, const char *name, struct slice value)
{
    if (value.len)
        h->list[h->count++] = (struct bus_header){name, value};
}

void news_headers_make(struct news_headers *h, struct slice id, struct slice type, int64_t wall_ms,
                       struct slice trace)
{
    h->count = 0;
    clock_format(wall_ms, h->time);
    header_add(h, "ce_specversion", SLICE_LITERAL("1.0"));
    header_add(h, "ce_id", id);
    header_add(h, "ce_type", type);
    header_add(h, "ce_source", SLICE_LITERAL("/holdfast/engine"));
    header_add(h, "ce_time", slice_str(h->time));
    header_add(h, "content-type", SLICE_LITERAL("application/json"));
    header_add(h, "traceparent", trace);
}

/* "4,5,6" is JSON but for the brackets; checked, so that a damaged entry cannot become a damaged
 * message. */
static bool seats_are_sound(struct slice seats)
{
    while (seats.at) {
        uint64_t seat;
        if (!slice_to_u64(slice_cut(&seats, ','), &seat) || seat > UINT32_MAX)
            return false;
    }
    return true;
}

enum status news_put_change(struct buf *b, uint64_t event_id, const struct news_change *change)
{
    static const char *const states[] = {"free", "held", "sold", "blocked"};
    struct json_out w;

    if (change->state >= array_len(states) || change->rev == 0 || !change->seats.len ||
        !seats_are_sound(change->seats) || !change->cause.len)
        return STATUS_MALFORMED;
    json_begin(&w, b);
    json_object_begin(&w);
    json_put_id(&w, "eventId", event_id);
    json_put_int(&w, "rev", (int64_t)change->rev);
    json_put_str(&w, "state", slice_str(states[change->state]));
    json_key(&w, "seats");
    json_array_begin(&w);
    json_raw(&w, change->seats);
    json_array_end(&w);
    json_put_str(&w, "cause", change->cause);
    json_object_end(&w);
    return buf_status(b);
}

void news_put_snapshot(struct buf *b, uint64_t event_id, uint64_t rev, struct slice states)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_put_id(&w, "eventId", event_id);
    json_put_int(&w, "rev", (int64_t)rev);
    json_put_int(&w, "seats", (int64_t)states.len);
    json_key(&w, "state");
    json_raw(&w, SLICE_LITERAL("\""));
    base64_append(b, states.at, states.len);
    buf_append_char(b, '"');
    json_object_end(&w);
}
