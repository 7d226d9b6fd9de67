/* Sales of one event that are marked in the same turn go to Redis in one script: one revision, one
 * record in the log, one message to every browser, instead of one each. A commit ends up to 64
 * bookings at once and the relay reads 512 rows, so the turns are full when it matters. */
#include "engine/booking/seat_store_internal.h"

#include <assert.h>

static bool has_room(const struct hold_call *first, const struct hold_call *call)
{
    return first->hold.event_id == call->hold.event_id && first->rider_count + 1 < SOLD_BATCH_MAX &&
           first->hold.seat_count + first->rider_seats + call->hold.seat_count <= HOLD_SEATS_MAX;
}

enum status seat_store_sold(struct seat_store *s, struct hold_call *call)
{
    assert(call->hold.seat_count <= HOLD_SEATS_MAX);
    call->rider_count = call->rider_seats = 0;
    list_init(&call->riders);
    loop_defer(s->loop, &s->sold_flush);
    list_for_each (it, &s->sold) {
        struct hold_call *first = list_entry(it, struct hold_call, waiting);

        if (has_room(first, call)) {
            list_push_back(&first->riders, &call->waiting);
            first->rider_count++;
            first->rider_seats += call->hold.seat_count;
            return STATUS_OK;
        }
    }
    list_push_back(&s->sold, &call->waiting);
    return STATUS_OK;
}

static void put_sale(struct script_args *a, const struct hold_call *call)
{
    args_str(a, call->hold.id);
    args_str(a, call->hold.session);
    args_slice(a, call->trace);
    args_i64(a, (int64_t)call->hold.seat_count);
    put_seats_versions(a, &call->hold);
}

void sold_args(struct hold_call *call, struct script_args *a)
{
    put_sale(a, call);
    list_for_each (it, &call->riders)
        put_sale(a, list_entry(it, struct hold_call, waiting));
}

static void flush_cb(struct turn_end *end)
{
    struct seat_store *s = container_of(end, struct seat_store, sold_flush);
    struct list *link;

    while ((link = list_pop_front(&s->sold))) {
        struct hold_call *first = list_entry(link, struct hold_call, waiting);
        enum status status = seat_store_submit(s, first, SCRIPT_SOLD);

        if (status)
            seat_store_finish(first, status);
    }
}

void seat_store_sold_init(struct seat_store *s)
{
    list_init(&s->sold);
    turn_end_init(&s->sold_flush, flush_cb);
}

void seat_store_sold_stop(struct seat_store *s)
{
    struct list *link;

    turn_end_cancel(&s->sold_flush);
    while ((link = list_pop_front(&s->sold)))
        seat_store_finish(list_entry(link, struct hold_call, waiting), STATUS_CANCELED);
}
