/* Sales of one event that are marked in the same turn go to Redis in one script: one revision, one
 * record in the log, one message to every browser, instead of one each. A commit ends up to 128
 * bookings at once and the relay reads 512 rows, so the turns are full when it matters. */
#include "engine/booking/seat_store_internal.h"

#include "engine/base/mem.h"

#include <assert.h>

#define MARKED_SLOTS 8192 /* a second of sales at full speed: the relay asks sooner */

/* A seat is sold once at a version, so its first seat names a sale. */
struct sold_mark {
    uint64_t event_id;
    uint32_t seat, version;
};

static bool has_room(const struct hold_call *first, const struct hold_call *call)
{
    return first->hold.event_id == call->hold.event_id && first->rider_count + 1 < SOLD_BATCH_MAX &&
           first->hold.seat_count + first->rider_seats + call->hold.seat_count <= HOLD_SEATS_MAX;
}

enum status seat_store_sold(struct seat_store *s, struct hold_call *call)
{
    assert(call->hold.seat_count <= HOLD_SEATS_MAX);
    call->store = s;
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

/* ---- what is known to be marked ---- */

static struct sold_mark *slot_of(const struct seat_store *s, const struct hold *sale)
{
    return &s->marked[(sale->event_id * 31 + sale->seats[0]) % MARKED_SLOTS];
}

static void remember(struct seat_store *s, const struct hold *sale)
{
    if (sale->seat_count)
        *slot_of(s, sale) = (struct sold_mark){sale->event_id, sale->seats[0], sale->versions[0]};
}

bool seat_store_has_sold(const struct seat_store *s, const struct hold *sale)
{
    const struct sold_mark *mark = slot_of(s, sale);

    return sale->seat_count && mark->event_id == sale->event_id && mark->seat == sale->seats[0] &&
           mark->version == sale->versions[0];
}

/* ---- the end of a batch ---- */

static void send_alone(struct seat_store *s, struct hold_call *call)
{
    enum status status;

    list_init(&call->riders);
    status = seat_store_submit(s, call, SCRIPT_SOLD);
    if (status)
        call->cb(call, status);
}

static void finish_one(struct seat_store *s, struct hold_call *call, enum status status)
{
    if (!status)
        remember(s, &call->hold);
    call->cb(call, status);
}

/* A script that fails does so for one of the sales, and the others must not suffer for it: each
 * goes alone then. What the script had marked before it failed stays marked, and marking twice
 * changes nothing. */
void sold_finish(struct hold_call *first, enum status status)
{
    struct seat_store *s = first->store;
    bool split = status == STATUS_INTERNAL && !list_empty(&first->riders);
    struct list riders, *link;

    list_init(&riders);
    list_splice(&riders, &first->riders);
    while ((link = list_pop_front(&riders))) {
        struct hold_call *rider = list_entry(link, struct hold_call, waiting);

        rider->outcome = first->outcome;
        rider->server_ms = first->server_ms;
        if (split)
            send_alone(s, rider);
        else
            finish_one(s, rider, status);
    }
    if (split)
        send_alone(s, first);
    else
        finish_one(s, first, status);
}

static void flush_cb(struct turn_end *end)
{
    struct seat_store *s = container_of(end, struct seat_store, sold_flush);
    struct list *link;

    while ((link = list_pop_front(&s->sold))) {
        struct hold_call *first = list_entry(link, struct hold_call, waiting);
        enum status status = seat_store_submit(s, first, SCRIPT_SOLD);

        if (status)
            sold_finish(first, status);
    }
}

void seat_store_sold_init(struct seat_store *s)
{
    list_init(&s->sold);
    turn_end_init(&s->sold_flush, flush_cb);
    s->marked = mem_alloc(MARKED_SLOTS * sizeof(*s->marked));
}

void seat_store_sold_free(struct seat_store *s)
{
    mem_free(s->marked);
}

void seat_store_sold_stop(struct seat_store *s)
{
    struct list *link;

    turn_end_cancel(&s->sold_flush);
    while ((link = list_pop_front(&s->sold)))
        sold_finish(list_entry(link, struct hold_call, waiting), STATUS_CANCELED);
}
