#include "engine/auditor/seats.h"

/* One row an event: the statuses as one string in seat order, so that a stadium is one row and not
 * 50,000. */
static const struct db_statement read_seats = {
    .name = "audit_seats",
    .text = "SELECT e.event_id, e.seat_count, string_agg(s.status::text, '' ORDER BY s.seat), "
            "count(s.seat)"
            " FROM event e LEFT JOIN event_seat s ON s.event_id = e.event_id"
            " WHERE $1::bigint = 0 OR e.event_id = $1::bigint GROUP BY e.event_id",
    .params = 1,
    .read_only = true,
};

struct reading {
    struct audit *audit;
    struct list *list;
};

static void read_event(struct reading *r, const struct db_result *result, size_t i)
{
    struct slice status = db_value(result, i, 2);
    uint64_t event_id = (uint64_t)db_i64(result, i, 0);

    if (db_i64(result, i, 1) != db_i64(result, i, 3)) {
        verdict_broken(&r->audit->verdict, I4,
                       "event %llu: capacity %lld, but %lld seats in the truth",
                       (unsigned long long)event_id, (long long)db_i64(result, i, 1),
                       (long long)db_i64(result, i, 3));
        return;
    }
    struct seats *s = mem_alloc(sizeof(*s));
    s->event_id = event_id;
    s->count = (uint32_t)status.len;
    s->status = mem_alloc(status.len + 1);
    memcpy(s->status, status.at, status.len);
    list_push_back(r->list, &s->link);
}

static void read_events(const struct db_result *result, void *ctx)
{
    for (size_t i = 0; i < result->rows; i++)
        read_event(ctx, result, i);
}

enum status seats_read(struct audit *a, struct list *list)
{
    char event[24];
    struct slice params[] = {slice_of(
        event, (size_t)snprintf(event, sizeof(event), "%llu", (unsigned long long)a->event_id))};
    struct reading r = {a, list};

    list_init(list);
    return facts_query(&a->facts, &read_seats, params, read_events, &r);
}

void seats_free_all(struct list *list)
{
    struct list *link;

    while ((link = list_pop_front(list))) {
        struct seats *s = list_entry(link, struct seats, link);
        mem_free(s->status);
        mem_free(s);
    }
}

struct seats *seats_find(struct list *list, uint64_t event_id)
{
    list_for_each (it, list)
        if (list_entry(it, struct seats, link)->event_id == event_id)
            return list_entry(it, struct seats, link);
    return NULL;
}
