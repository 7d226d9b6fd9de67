/* The body of POST /admin/v1/events with its layout: what is accepted has a layout that is sound,
 * and its document reads back as itself. */
#include "engine/base/mem.h"
#include "engine/booking/event_form.h"
#include "tests/fuzz/fuzz.h"

#define ARENA_MAX 3000 /* seats; larger ones are only slower */

static void check_layout(const struct layout *l, const struct layout_levels *levels)
{
    must(l->seat_count > 0 && l->seat_count <= LAYOUT_SEATS_MAX &&
         l->seated_count <= l->seat_count);
    for (uint32_t n = 0; n < l->seat_count && n < 500; n++) {
        struct buf label;

        buf_init(&label, 4096);
        layout_label(l, n, &label);
        must(layout_level(l, n) < levels->count);
        must((n < l->seated_count) == (layout_area_of(l, n) == NULL));
        buf_free(&label);
    }
}

static void check_document(const struct layout *l, const struct layout_levels *levels)
{
    struct buf first, second;
    char hash[LAYOUT_HASH_SIZE], hash_again[LAYOUT_HASH_SIZE];
    struct layout *again;

    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    layout_write(l, levels, 7, &first, hash);
    must(layout_from_document(buf_slice(&first), levels, &again) == STATUS_OK);
    layout_write(again, levels, 7, &second, hash_again);
    must(slice_eq(buf_slice(&first), buf_slice(&second)) && strcmp(hash, hash_again) == 0);
    buf_free(&first);
    buf_free(&second);
    layout_free(again);
}

static void check_form(const struct event_form *f)
{
    must(f->name.len > 0 && f->levels.count > 0 && f->levels.count <= LAYOUT_LEVELS_MAX);
    must(f->max_seats >= 1 && f->max_seats <= 100 && f->max_holds >= 1 && f->max_holds <= 100);
    must(f->hold_seconds >= 1 && f->cap_seconds >= f->hold_seconds && f->payment_seconds >= 1);
    check_layout(f->layout, &f->levels);
    check_document(f->layout, &f->levels);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct event_form form;
    char why[300] = "";
    json_t *body = json_parse_object(slice_of(at, len), why, sizeof(why));

    if (!body)
        return 0;
    if (json_integer_value(json_object_get(json_object_get(body, "arena"), "seats")) > ARENA_MAX) {
        json_decref(body);
        return 0;
    }
    if (event_form_read(body, &form, why, sizeof(why)) == STATUS_OK) {
        check_form(&form);
        event_form_free(&form);
    } else {
        must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
    }
    json_decref(body);
    return 0;
}
