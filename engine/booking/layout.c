#include "engine/booking/layout.h"

#include "engine/base/encode.h"
#include "engine/base/mem.h"
#include "engine/base/token.h"

#include <assert.h>

static const struct {
    const char *name;
    uint8_t flag;
} flag_names[] = {{"accessible", SEAT_ACCESSIBLE},
                  {"companion", SEAT_COMPANION},
                  {"restricted_view", SEAT_RESTRICTED},
                  {"aisle", SEAT_AISLE}};

bool layout_flag(struct slice name, uint8_t *flags)
{
    for (size_t i = 0; i < array_len(flag_names); i++) {
        if (slice_is(name, flag_names[i].name)) {
            *flags |= flag_names[i].flag;
            return true;
        }
    }
    return false;
}

void layout_free(struct layout *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->section_count; i++) {
        mem_free(l->sections[i].id);
        mem_free(l->sections[i].name);
    }
    for (size_t i = 0; i < l->row_count; i++)
        mem_free(l->rows[i].name);
    for (size_t i = 0; i < l->seated_count; i++)
        mem_free(l->seats[i].label);
    for (size_t i = 0; i < l->area_count; i++) {
        mem_free(l->areas[i].id);
        mem_free(l->areas[i].name);
    }
    mem_free(l->sections);
    mem_free(l->rows);
    mem_free(l->seats);
    mem_free(l->areas);
    mem_free(l);
}

const struct layout_area *layout_area_of(const struct layout *l, uint32_t n)
{
    for (size_t i = 0; i < l->area_count; i++) {
        if (n - l->areas[i].first < l->areas[i].capacity)
            return &l->areas[i];
    }
    return NULL;
}

const struct layout_area *layout_area_find(const struct layout *l, struct slice id)
{
    for (size_t i = 0; i < l->area_count; i++) {
        if (slice_is(id, l->areas[i].id))
            return &l->areas[i];
    }
    return NULL;
}

int layout_section_find(const struct layout *l, struct slice id)
{
    for (size_t i = 0; i < l->section_count; i++) {
        if (slice_is(id, l->sections[i].id))
            return (int)i;
    }
    return -1;
}

void layout_label(const struct layout *l, uint32_t n, struct buf *b)
{
    const struct layout_area *area;

    assert(n < l->seat_count);
    if (n < l->seated_count) {
        buf_append_str(b, l->seats[n].label);
        return;
    }
    area = layout_area_of(l, n);
    buf_append_str(b, area->name);
    buf_append_char(b, ' ');
    buf_append_u64(b, n - area->first + 1);
}

uint8_t layout_level(const struct layout *l, uint32_t n)
{
    assert(n < l->seat_count);
    return n < l->seated_count ? l->seats[n].level : layout_area_of(l, n)->level;
}

/* ---- writing ---- */

/* Hundredths are enough for a picture, and keep the document small. */
static void put_coordinate(struct json_out *w, const char *key, double value)
{
    json_key(w, key);
    json_num(w, (double)(int64_t)(value * 100 + (value < 0 ? -0.5 : 0.5)) / 100);
}

static void put_name(struct json_out *w, const char *key, const char *value)
{
    json_put_str(w, key, slice_str(value));
}

static void write_seat(const struct layout *l, uint32_t n, const struct layout_levels *levels,
                       struct json_out *w)
{
    const struct layout_seat *seat = &l->seats[n];
    const struct layout_row *row = &l->rows[seat->row];

    json_object_begin(w);
    json_put_int(w, "n", n);
    put_name(w, "label", seat->label);
    put_coordinate(w, "x", (double)seat->x);
    put_coordinate(w, "y", (double)seat->y);
    put_name(w, "section", l->sections[row->section].id);
    put_name(w, "row", row->name);
    put_name(w, "priceLevel", levels->ids[seat->level]);
    json_key(w, "flags");
    json_array_begin(w);
    for (size_t i = 0; i < array_len(flag_names); i++) {
        if (seat->flags & flag_names[i].flag)
            json_str(w, slice_str(flag_names[i].name));
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_area(const struct layout_area *area, const struct layout_levels *levels,
                       struct json_out *w)
{
    json_object_begin(w);
    put_name(w, "id", area->id);
    put_name(w, "name", area->name);
    json_put_int(w, "first", area->first);
    json_put_int(w, "capacity", area->capacity);
    put_name(w, "priceLevel", levels->ids[area->level]);
    put_coordinate(w, "x", (double)area->x);
    put_coordinate(w, "y", (double)area->y);
    put_coordinate(w, "w", (double)area->w);
    put_coordinate(w, "h", (double)area->h);
    json_object_end(w);
}

static void write_sections(const struct layout *l, struct json_out *w)
{
    json_key(w, "sections");
    json_array_begin(w);
    for (size_t i = 0; i < l->section_count; i++) {
        json_object_begin(w);
        put_name(w, "id", l->sections[i].id);
        put_name(w, "name", l->sections[i].name);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "rows");
    json_array_begin(w);
    for (size_t i = 0; i < l->row_count; i++) {
        json_object_begin(w);
        put_name(w, "section", l->sections[l->rows[i].section].id);
        put_name(w, "name", l->rows[i].name);
        json_put_int(w, "first", l->rows[i].first);
        json_put_int(w, "count", l->rows[i].count);
        json_object_end(w);
    }
    json_array_end(w);
}

/* Everything of the document but its first two members. */
static void write_body(const struct layout *l, const struct layout_levels *levels, struct buf *b)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_put_int(&w, "seatCount", l->seat_count);
    write_sections(l, &w);
    json_key(&w, "seats");
    json_array_begin(&w);
    for (uint32_t n = 0; n < l->seated_count; n++)
        write_seat(l, n, levels, &w);
    json_array_end(&w);
    json_key(&w, "areas");
    json_array_begin(&w);
    for (size_t i = 0; i < l->area_count; i++)
        write_area(&l->areas[i], levels, &w);
    json_array_end(&w);
    json_object_end(&w);
}

void layout_write(const struct layout *l, const struct layout_levels *levels, uint64_t event_id,
                  struct buf *b, char ret_hash[LAYOUT_HASH_SIZE])
{
    struct buf body;
    uint8_t digest[32];

    buf_init(&body, b->limit);
    write_body(l, levels, &body);
    sha256(body.at, body.len, digest);
    hex_encode(digest, sizeof(digest), ret_hash);
    ret_hash[64] = '\0';
    buf_append_str(b, "{\"eventId\":\"");
    buf_append_u64(b, event_id);
    buf_append_str(b, "\",\"hash\":\"");
    buf_append_str(b, ret_hash);
    buf_append_str(b, "\",");
    if (body.len > 1)
        buf_append(b, body.at + 1, body.len - 1);
    buf_free(&body);
}
