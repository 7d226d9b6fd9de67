#include "engine/booking/view.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/base/map.h"
#include "engine/base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

struct views {
    struct loop *loop;
    struct seat_store *seats;
    struct map by_id;
    struct list all;
    struct timer pace; /* begins the readings that came too soon */
};

struct view_body *view_body_ref(struct view_body *b)
{
    b->refs++;
    return b;
}

void view_body_unref(void *body)
{
    struct view_body *b = body;

    if (!b || --b->refs > 0)
        return;
    buf_free(&b->bytes);
    mem_free(b);
}

static void pace_cb(struct timer *t);

struct views *views_new(struct loop *l, struct seat_store *seats)
{
    struct views *v = mem_alloc(sizeof(*v));

    v->loop = l;
    v->seats = seats;
    map_init(&v->by_id);
    list_init(&v->all);
    timer_init(l, &v->pace, pace_cb);
    return v;
}

void views_stop(struct views *v)
{
    timer_close(&v->pace, NULL);
}

static void complete(struct view *v, struct list *list, enum status status)
{
    struct list waits, *link;

    list_init(&waits);
    list_splice(&waits, list);
    while ((link = list_pop_front(&waits))) {
        struct view_wait *wait = list_entry(link, struct view_wait, link);

        wait->cb(wait, status, v);
    }
}

static void drop_bodies(struct view *v)
{
    view_body_unref(v->json);
    view_body_unref(v->frame);
    v->json = v->frame = NULL;
}

void views_free(struct views *v)
{
    struct list *link;

    if (!v)
        return;
    while ((link = list_pop_front(&v->all))) {
        struct view *view = list_entry(link, struct view, link);

        complete(view, &view->waits, STATUS_CANCELED);
        complete(view, &view->next, STATUS_CANCELED);
        drop_bodies(view);
        mem_free(view->seats);
        mem_free(view->guess);
        mem_free(view->picked);
        mem_free(view);
    }
    map_free(&v->by_id);
    mem_free(v);
}

struct view *views_next(struct views *v, struct view *after)
{
    struct list *link = after ? after->link.next : v->all.next;

    return link == &v->all ? NULL : list_entry(link, struct view, link);
}

struct view *view_any(struct views *v, uint64_t event_id)
{
    char key[24];
    struct view *view;

    snprintf(key, sizeof(key), "%" PRIu64, event_id);
    view = map_get(&v->by_id, slice_str(key));
    return view && view->read_ns ? view : NULL;
}

struct view *view_peek(struct views *v, uint64_t event_id)
{
    struct view *view = view_any(v, event_id);

    return view && loop_mono_ns(v->loop) - view->read_ns < VIEW_FRESH_MS * 1000000LL ? view : NULL;
}

/* Room for as many seats as there are now (a layout may be replaced before the sale). */
static void resize(struct view *v, size_t count)
{
    if (count == v->seat_count && v->seats)
        return;
    v->seats = mem_resize(v->seats, count);
    v->guess = mem_resize(v->guess, count);
    v->picked = mem_resize(v->picked, count);
    memset(v->picked, 0, count);
    v->seat_count = (uint32_t)count;
}

static void take(struct view *v, struct slice state)
{
    resize(v, state.len);
    memcpy(v->seats, state.at, state.len);
    memset(v->counts, 0, sizeof(v->counts));
    for (size_t i = 0; i < state.len; i++)
        v->counts[(uint8_t)state.at[i] & 3]++;
    v->rev = v->read.rev;
    drop_bodies(v);
}

static void read_begin_or_fail(struct view *v);

static void read_cb(struct seat_read *read, enum status status)
{
    struct view *v = container_of(read, struct view, read);

    v->reading = false;
    if (status == STATUS_OK) {
        if (read->state.at && read->state.len > 0)
            take(v, read->state);
        if (v->seat_count)
            memset(v->guess, 0, v->seat_count);
        v->read_ns = loop_mono_ns(v->views->loop);
    }
    complete(v, &v->waits, status);
    read_begin_or_fail(v);
}

/* Begins a reading for those in `next`; later, when one is under way or the last began a moment
 * ago. */
static enum status read_begin(struct view *v)
{
    int64_t now_ns = loop_mono_ns(v->views->loop);
    enum status status;

    if (v->reading || list_empty(&v->next))
        return STATUS_OK;
    if (v->begun_ns && now_ns - v->begun_ns < VIEW_PACE_MS * INT64_C(1000000)) {
        if (!timer_active(&v->views->pace))
            timer_start(&v->views->pace, VIEW_PACE_MS, 0);
        return STATUS_OK;
    }
    v->read = (struct seat_read){.cb = read_cb, .event_id = v->event_id, .rev = v->rev};
    status = seat_store_read(v->views->seats, &v->read);
    if (status != STATUS_OK)
        return status;
    v->reading = true;
    v->begun_ns = now_ns;
    list_splice(&v->waits, &v->next);
    return STATUS_OK;
}

static void read_begin_or_fail(struct view *v)
{
    enum status status = read_begin(v);

    if (status != STATUS_OK)
        complete(v, &v->next, status);
}

static void pace_cb(struct timer *t)
{
    struct views *v = container_of(t, struct views, pace);

    list_for_each_safe (it, &v->all)
        read_begin_or_fail(list_entry(it, struct view, link));
}

static struct view *view_new(struct views *v, uint64_t event_id)
{
    struct view *view = mem_alloc(sizeof(*view));

    view->views = v;
    view->event_id = event_id;
    snprintf(view->key, sizeof(view->key), "%" PRIu64, event_id);
    list_init(&view->waits);
    list_init(&view->next);
    map_put(&v->by_id, slice_str(view->key), view);
    list_push_back(&v->all, &view->link);
    return view;
}

enum status view_get(struct views *v, uint64_t event_id, struct view_wait *wait)
{
    char key[24];
    struct view *view;
    enum status status;

    snprintf(key, sizeof(key), "%" PRIu64, event_id);
    view = map_get(&v->by_id, slice_str(key));
    if (!view)
        view = view_new(v, event_id);
    list_push_back(&view->next, &wait->link);
    status = read_begin(view);
    if (status != STATUS_OK)
        list_remove(
            &wait->link); /* the others of `next` have the next answer, or the next failure */
    return status;
}

void view_forget(struct views *v, uint64_t event_id)
{
    struct view *view = view_any(v, event_id);

    if (view)
        view->read_ns = 1;
}

void view_learn(struct view *v, uint32_t n, enum seat_state state)
{
    if (n < v->seat_count)
        v->guess[n] = (uint8_t)('0' + state);
}

void view_pick(struct view *v, const uint32_t *seats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seats[i] < v->seat_count && v->picked[seats[i]] < UINT8_MAX)
            v->picked[seats[i]]++;
    }
}

void view_unpick(struct view *v, const uint32_t *seats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seats[i] < v->seat_count && v->picked[seats[i]] > 0)
            v->picked[seats[i]]--;
    }
}

/* ---- the bodies ---- */

static struct view_body *body_new(size_t limit)
{
    struct view_body *b = mem_alloc(sizeof(*b));

    b->refs = 1;
    buf_init(&b->bytes, limit);
    return b;
}

static void put_seats_of(struct json_out *w, const char *key, const struct view *v, char state)
{
    json_key(w, key);
    json_array_begin(w);
    for (uint32_t n = 0; n < v->seat_count; n++) {
        if (v->seats[n] == state)
            json_int(w, n);
    }
    json_array_end(w);
}

/* {"rev","counts":{...},"held":[n,..],"sold":[..],"blocked":[..]} */
struct view_body *view_json(struct view *v)
{
    static const char *const names[] = {"free", "held", "sold", "blocked"};
    struct json_out w;

    if (v->json)
        return v->json;
    v->json = body_new((size_t)v->seat_count * 8 + 1024);
    json_begin(&w, &v->json->bytes);
    json_object_begin(&w);
    json_key(&w, "rev");
    json_u64(&w, v->rev);
    json_key(&w, "counts");
    json_object_begin(&w);
    for (size_t i = 0; i < array_len(names); i++)
        json_put_int(&w, names[i], v->counts[i]);
    json_object_end(&w);
    put_seats_of(&w, "held", v, '1');
    put_seats_of(&w, "sold", v, '2');
    put_seats_of(&w, "blocked", v, '3');
    json_object_end(&w);
    return v->json;
}

/* The snapshot frame of the seatmap stream: u8 0x01, u8 flags, u16 0, u32 seats, u64 rev, two bits
 * a seat, lowest seat in the lowest bits. */
struct view_body *view_frame(struct view *v)
{
    size_t packed = (v->seat_count + 3) / 4;
    uint8_t *at;

    if (v->frame)
        return v->frame;
    v->frame = body_new(16 + packed);
    at = (uint8_t *)buf_reserve(&v->frame->bytes, 16 + packed);
    memset(at, 0, 16 + packed);
    at[0] = 1;
    put_le32(at + 4, v->seat_count);
    put_le64(at + 8, v->rev);
    for (uint32_t n = 0; n < v->seat_count; n++)
        at[16 + n / 4] |= (uint8_t)((v->seats[n] & 3) << (n % 4 * 2));
    buf_commit(&v->frame->bytes, 16 + packed);
    return v->frame;
}
