/* Layouts from JSON: the box office's nested form and the stored document's flat one. */
#include "engine/booking/layout_build.h"

#include "engine/base/mem.h"

#include <stdio.h>

static struct slice text_of(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : SLICE_NONE;
}

static bool number_of(json_t *object, const char *key, double *ret_value)
{
    json_t *value = json_object_get(object, key);

    *ret_value = json_number_value(value);
    return json_is_number(value);
}

static bool flags_of(struct layout_builder *b, json_t *seat, uint8_t *ret_flags)
{
    json_t *flags = json_object_get(seat, "flags");
    json_t *flag;
    size_t i;

    *ret_flags = 0;
    if (flags && !json_is_array(flags))
        return build_refuse(b, "flags must be an array");
    json_array_foreach(flags, i, flag)
    {
        if (!json_is_string(flag) || !layout_flag(slice_str(json_string_value(flag)), ret_flags))
            return build_refuse(b, "flags are accessible, companion, restricted_view, aisle");
    }
    return true;
}

/* Only the members named; `what` is for people. */
static bool only(struct layout_builder *b, json_t *object, const char *what,
                 const char *const *keys)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return build_refuse(b, "%s must be an object", what);
    json_object_foreach(object, key, value)
    {
        size_t i = 0;

        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (!keys[i])
            return build_refuse(b, "%s has no member %.64s", what, key);
    }
    return true;
}

static bool add_seat(struct layout_builder *b, json_t *seat)
{
    double x, y;
    uint8_t flags;

    if (!number_of(seat, "x", &x) || !number_of(seat, "y", &y))
        return build_refuse(b, "a seat's x and y must be numbers");
    return flags_of(b, seat, &flags) &&
           build_seat(b, text_of(seat, "label"), x, y, text_of(seat, "priceLevel"), flags);
}

static bool add_area(struct layout_builder *b, json_t *area)
{
    json_t *capacity = json_object_get(area, "capacity");
    double x, y, w, h;

    if (!number_of(area, "x", &x) || !number_of(area, "y", &y) || !number_of(area, "w", &w) ||
        !number_of(area, "h", &h))
        return build_refuse(b, "an area's x, y, w and h must be numbers");
    if (!json_is_integer(capacity))
        return build_refuse(b, "an area's capacity must be an integer");
    return build_area(b, text_of(area, "id"), text_of(area, "name"), json_integer_value(capacity),
                      text_of(area, "priceLevel"), x, y, w, h);
}

static bool add_areas(struct layout_builder *b, json_t *areas, const char *const *keys)
{
    json_t *area;
    size_t i;

    if (areas && !json_is_array(areas))
        return build_refuse(b, "areas must be an array");
    json_array_foreach(areas, i, area)
    {
        if (!only(b, area, "an area", keys) || !add_area(b, area))
            return false;
    }
    return true;
}

static bool add_request_row(struct layout_builder *b, json_t *row)
{
    static const char *const row_keys[] = {"name", "seats", NULL};
    static const char *const seat_keys[] = {"label", "x", "y", "priceLevel", "flags", NULL};
    json_t *seats = json_object_get(row, "seats");
    json_t *seat;
    size_t i;

    if (!only(b, row, "a row", row_keys) || !build_row(b, text_of(row, "name")))
        return false;
    if (!json_is_array(seats) || json_array_size(seats) == 0)
        return build_refuse(b, "a row's seats must be an array with at least one");
    json_array_foreach(seats, i, seat)
    {
        if (!only(b, seat, "a seat", seat_keys) || !add_seat(b, seat))
            return false;
    }
    return true;
}

static bool add_request_section(struct layout_builder *b, json_t *section)
{
    static const char *const keys[] = {"id", "name", "rows", NULL};
    json_t *rows = json_object_get(section, "rows");
    json_t *row;
    size_t i;

    if (!only(b, section, "a section", keys) ||
        !build_section(b, text_of(section, "id"), text_of(section, "name")))
        return false;
    if (!json_is_array(rows))
        return build_refuse(b, "a section's rows must be an array");
    json_array_foreach(rows, i, row)
    {
        if (!add_request_row(b, row))
            return false;
    }
    return true;
}

static bool add_request(struct layout_builder *b, json_t *request)
{
    static const char *const keys[] = {"sections", "areas", NULL};
    static const char *const area_keys[] = {"id", "name", "capacity", "priceLevel", "x",
                                            "y",  "w",    "h",        NULL};
    json_t *sections = json_object_get(request, "sections");
    json_t *section;
    size_t i;

    if (!only(b, request, "layout", keys))
        return false;
    if (sections && !json_is_array(sections))
        return build_refuse(b, "sections must be an array");
    json_array_foreach(sections, i, section)
    {
        if (!add_request_section(b, section))
            return false;
    }
    return add_areas(b, json_object_get(request, "areas"), area_keys);
}

enum status layout_from_request(json_t *request, const struct layout_levels *levels,
                                struct layout **ret_layout, char *ret_why, size_t why_size)
{
    struct layout_builder b;

    build_begin(&b, levels, ret_why, why_size);
    return build_end(&b, add_request(&b, request), ret_layout);
}

/* ---- the document: sections, rows and seats as three lists; rows name their section and how many
 * of the seats are theirs ---- */

static bool add_document_rows(struct layout_builder *b, json_t *document, json_t *section,
                              size_t *row_at)
{
    json_t *rows = json_object_get(document, "rows"), *seats = json_object_get(document, "seats");
    struct slice id = text_of(section, "id");

    for (; *row_at < json_array_size(rows); (*row_at)++) {
        json_t *row = json_array_get(rows, *row_at);
        json_int_t count = json_integer_value(json_object_get(row, "count"));

        if (!slice_eq(text_of(row, "section"), id))
            return true;
        if (!build_row(b, text_of(row, "name")))
            return false;
        for (json_int_t i = 0; i < count; i++) {
            json_t *seat = json_array_get(seats, b->l->seated_count);

            if (!seat || !add_seat(b, seat))
                return false;
        }
    }
    return true;
}

static bool add_document(struct layout_builder *b, json_t *document)
{
    static const char *const area_keys[] = {"id", "name", "first", "capacity", "priceLevel",
                                            "x",  "y",    "w",     "h",        NULL};
    json_t *sections = json_object_get(document, "sections");
    json_t *section;
    size_t i, row_at = 0;

    json_array_foreach(sections, i, section)
    {
        if (!build_section(b, text_of(section, "id"), text_of(section, "name")) ||
            !add_document_rows(b, document, section, &row_at))
            return false;
    }
    return b->l->seated_count == json_array_size(json_object_get(document, "seats")) &&
           add_areas(b, json_object_get(document, "areas"), area_keys);
}

enum status layout_from_document(struct slice document, const struct layout_levels *levels,
                                 struct layout **ret_layout)
{
    char why[200];
    struct layout_builder b;
    json_t *root = json_parse_object(document, why, sizeof(why));
    enum status status;

    if (!root)
        return STATUS_MALFORMED;
    build_begin(&b, levels, why, sizeof(why));
    status = build_end(&b, add_document(&b, root), ret_layout);
    json_decref(root);
    return status == STATUS_OK ? STATUS_OK : STATUS_MALFORMED;
}
