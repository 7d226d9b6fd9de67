#include "engine/booking/layout_build.h"

#include "engine/base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define COORDINATE_MAX 1e6

void build_begin(struct layout_builder *b, const struct layout_levels *levels, char *ret_why,
                 size_t why_size)
{
    *b = (struct layout_builder){
        .l = mem_alloc(sizeof(*b->l)), .levels = levels, .why = ret_why, .why_size = why_size};
    map_init(&b->labels);
    map_init(&b->ids);
    if (why_size)
        ret_why[0] = '\0';
}

bool build_refuse(struct layout_builder *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (b->why_size)
        vsnprintf(b->why, b->why_size, format, args);
    va_end(args);
    return false;
}

/* Room for one more element of a growing array. */
static void *grow(void *at, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 16;
    return mem_resize(at, *cap * size);
}

static bool good_name(struct layout_builder *b, const char *what, struct slice name)
{
    if (name.len == 0 || name.len > LAYOUT_NAME_MAX)
        return build_refuse(b, "%s must have 1 to %d bytes", what, LAYOUT_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.at[i] < 0x20)
            return build_refuse(b, "%s must not have control characters", what);
    }
    return true;
}

/* Ids stand in queries and lists: letters, digits, '-', '_'. */
static bool good_id(struct layout_builder *b, const char *what, struct slice id)
{
    if (!good_name(b, what, id))
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return build_refuse(b, "%s must be of letters, digits, - and _", what);
    }
    if (map_get(&b->ids, id))
        return build_refuse(b, "%s %.*s is there twice", what, SLICE_ARG(id));
    return true;
}

static bool good_coordinate(struct layout_builder *b, double x, double y)
{
    if (isfinite(x) && isfinite(y) && fabs(x) <= COORDINATE_MAX && fabs(y) <= COORDINATE_MAX)
        return true;
    return build_refuse(b, "x and y must be numbers within +-1000000");
}

static bool find_level(struct layout_builder *b, struct slice id, uint8_t *ret_level)
{
    for (size_t i = 0; i < b->levels->count; i++) {
        if (slice_is(id, b->levels->ids[i])) {
            *ret_level = (uint8_t)i;
            return true;
        }
    }
    return build_refuse(b, "priceLevel %.*s is not one of the event's",
                        (int)(id.len < 64 ? id.len : 64), id.at ? id.at : "");
}

bool build_section(struct layout_builder *b, struct slice id, struct slice name)
{
    struct layout *l = b->l;

    if (!good_id(b, "a section's id", id) || !good_name(b, "a section's name", name))
        return false;
    l->sections = grow(l->sections, l->section_count, &b->sections_cap, sizeof(*l->sections));
    l->sections[l->section_count] =
        (struct layout_section){mem_strndup(id.at, id.len), mem_strndup(name.at, name.len)};
    map_put(&b->ids, slice_str(l->sections[l->section_count].id), l);
    l->section_count++;
    return true;
}

bool build_row(struct layout_builder *b, struct slice name)
{
    struct layout *l = b->l;
    uint32_t section = (uint32_t)l->section_count - 1;
    uint32_t rank = 0;

    if (!good_name(b, "a row's name", name))
        return false;
    for (size_t i = l->row_count; i > 0 && l->rows[i - 1].section == section; i--) {
        if (slice_is(name, l->rows[i - 1].name))
            return build_refuse(b, "row %.*s of section %s is there twice", SLICE_ARG(name),
                                l->sections[section].id);
        rank++;
    }
    l->rows = grow(l->rows, l->row_count, &b->rows_cap, sizeof(*l->rows));
    l->rows[l->row_count++] = (struct layout_row){.name = mem_strndup(name.at, name.len),
                                                  .section = section,
                                                  .rank = rank,
                                                  .first = l->seated_count};
    return true;
}

bool build_seat(struct layout_builder *b, struct slice label, double x, double y,
                struct slice level, uint8_t flags)
{
    struct layout *l = b->l;
    struct layout_seat seat = {
        .x = (float)x, .y = (float)y, .row = (uint32_t)l->row_count - 1, .flags = flags};

    if (!good_name(b, "a seat's label", label) || !good_coordinate(b, x, y) ||
        !find_level(b, level, &seat.level))
        return false;
    if (l->seat_count >= LAYOUT_SEATS_MAX)
        return build_refuse(b, "a layout has at most %d seats", LAYOUT_SEATS_MAX);
    if (map_get(&b->labels, label))
        return build_refuse(b, "label %.*s is there twice", SLICE_ARG(label));
    seat.label = mem_strndup(label.at, label.len);
    l->seats = grow(l->seats, l->seated_count, &b->seats_cap, sizeof(*l->seats));
    l->seats[l->seated_count] = seat;
    map_put(&b->labels, slice_str(seat.label), l);
    l->rows[seat.row].count++;
    l->seated_count++;
    l->seat_count++;
    return true;
}

bool build_area(struct layout_builder *b, struct slice id, struct slice name, int64_t capacity,
                struct slice level, double x, double y, double w, double h)
{
    struct layout *l = b->l;
    struct layout_area area = {.first = l->seat_count,
                               .capacity = (uint32_t)capacity,
                               .x = (float)x,
                               .y = (float)y,
                               .w = (float)w,
                               .h = (float)h};

    if (!good_id(b, "an area's id", id) || !good_name(b, "an area's name", name) ||
        !find_level(b, level, &area.level) || !good_coordinate(b, x, y) ||
        !good_coordinate(b, w, h))
        return false;
    if (capacity < 1 || capacity > LAYOUT_SEATS_MAX - (int64_t)l->seat_count)
        return build_refuse(
            b, "an area's capacity must be at least 1, and a layout has at most %d seats",
            LAYOUT_SEATS_MAX);
    area.id = mem_strndup(id.at, id.len);
    area.name = mem_strndup(name.at, name.len);
    l->areas = grow(l->areas, l->area_count, &b->areas_cap, sizeof(*l->areas));
    l->areas[l->area_count++] = area;
    map_put(&b->ids, slice_str(area.id), l);
    l->seat_count += area.capacity;
    return true;
}

enum status build_end(struct layout_builder *b, bool good, struct layout **ret_layout)
{
    if (good && b->l->seat_count == 0)
        good = build_refuse(b, "a layout needs seats or an area");
    map_free(&b->labels);
    map_free(&b->ids);
    if (!good) {
        layout_free(b->l);
        return STATUS_INVALID;
    }
    *ret_layout = b->l;
    return STATUS_OK;
}
