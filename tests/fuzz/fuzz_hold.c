/* The bodies of POST holds, PATCH hold and of the box office's seat lists: what is accepted is
 * within its bounds, and written down again it is the same wish. */
#include "engine/base/mem.h"
#include "engine/booking/hold_request.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static void check_why(const char *why, size_t size)
{
    must(why[0] != '\0' && memchr(why, '\0', size) != NULL);
}

static void check_seats(const uint32_t *seats, size_t count)
{
    must(count <= HOLD_SEATS_MAX);
    for (size_t i = 0; i < count; i++)
        must(seats[i] < LAYOUT_SEATS_MAX && (i == 0 || seats[i - 1] < seats[i]));
}

static void put_seats(struct json_out *w, const char *name, const uint32_t *seats, size_t count)
{
    json_key(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        char text[12];

        snprintf(text, sizeof(text), "%u", seats[i]);
        json_str(w, slice_str(text));
    }
    json_array_end(w);
}

static void put_name(struct json_out *w, const char *key, const char *name)
{
    if (name[0])
        json_put_str(w, key, slice_str(name));
}

static void write_wish(struct json_out *w, const struct hold_wish *wish)
{
    if (wish->kind == HOLD_BY_SEATS) {
        put_seats(w, "ticketIds", wish->seats, wish->seat_count);
        return;
    }
    json_key(w, wish->kind == HOLD_AREA ? "area" : "bestAvailable");
    json_object_begin(w);
    json_put_int(w, "quantity", wish->quantity);
    put_name(w, "id", wish->area);
    put_name(w, "priceLevel", wish->level);
    put_name(w, "section", wish->section);
    if (wish->accessible)
        json_put_bool(w, "accessible", true);
    json_object_end(w);
}

static json_t *read_back(struct json_out *w, struct buf *b)
{
    char why[200];
    json_t *json;

    json_object_end(w);
    must(buf_status(b) == STATUS_OK);
    json = json_parse_object(buf_slice(b), why, sizeof(why));
    must(json != NULL);
    buf_free(b);
    return json;
}

static void check_wish(json_t *body)
{
    struct hold_wish wish, again;
    char why[200] = "", print[65], print_again[65];
    struct json_out w;
    struct buf b;

    if (hold_wish_read(body, &wish, why, sizeof(why)) != STATUS_OK) {
        check_why(why, sizeof(why));
        return;
    }
    check_seats(wish.seats, wish.seat_count);
    must(wish.kind == HOLD_BY_SEATS ? wish.seat_count > 0
                                    : wish.quantity > 0 && wish.quantity <= HOLD_SEATS_MAX);
    buf_init(&b, 65536);
    json_begin(&w, &b);
    json_object_begin(&w);
    write_wish(&w, &wish);
    body = read_back(&w, &b);
    must(hold_wish_read(body, &again, why, sizeof(why)) == STATUS_OK);
    hold_wish_fingerprint(&wish, "hold 1", print);
    hold_wish_fingerprint(&again, "hold 1", print_again);
    must(strcmp(print, print_again) == 0);
    json_decref(body);
}

static void check_change(json_t *body)
{
    struct hold_change_wish wish, again;
    char why[200] = "", print[65], print_again[65];
    struct json_out w;
    struct buf b;

    if (hold_change_read(body, &wish, why, sizeof(why)) != STATUS_OK) {
        check_why(why, sizeof(why));
        return;
    }
    check_seats(wish.add, wish.add_count);
    check_seats(wish.remove, wish.remove_count);
    must((wish.extend_seconds > 0) != (wish.add_count + wish.remove_count > 0));
    must(wish.extend_seconds <= HOLD_EXTEND_MAX_SECONDS);
    buf_init(&b, 65536);
    json_begin(&w, &b);
    json_object_begin(&w);
    put_seats(&w, "add", wish.add, wish.add_count);
    put_seats(&w, "remove", wish.remove, wish.remove_count);
    if (wish.extend_seconds)
        json_put_int(&w, "extendSeconds", wish.extend_seconds);
    body = read_back(&w, &b);
    must(hold_change_read(body, &again, why, sizeof(why)) == STATUS_OK);
    hold_change_fingerprint(&wish, "change 1", print);
    hold_change_fingerprint(&again, "change 1", print_again);
    must(strcmp(print, print_again) == 0);
    json_decref(body);
}

static void check_list(json_t *body)
{
    uint32_t seats[HOLD_SEATS_MAX];
    size_t count = 0;
    char why[200] = "";

    if (seat_list_read(body, seats, &count, why, sizeof(why)) != STATUS_OK) {
        check_why(why, sizeof(why));
        return;
    }
    must(count > 0);
    check_seats(seats, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    char why[80];
    json_t *body = json_parse_object(slice_of(at, len), why, sizeof(why));

    if (!body)
        return 0;
    check_wish(body);
    check_change(body);
    check_list(body);
    json_decref(body);
    return 0;
}
