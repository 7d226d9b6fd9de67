#include "engine/booking/event_form.h"

#include "engine/base/mem.h"

#include <stdio.h>

#define AMOUNT_MAX     1000000000000LL /* minor units */
#define PERFORMERS_MAX 64

static enum status refuse(char *ret_why, size_t why_size, const char *why)
{
    snprintf(ret_why, why_size, "%s", why);
    return STATUS_INVALID;
}

static enum status read_venue(const struct event_form *f, char *ret_why, size_t why_size)
{
    struct slice name, city;
    json_t *place = json_copy(f->venue);
    const char *const numbers[] = {"latitude", "longitude"};
    const double bounds[] = {90, 180};
    const struct json_field fields[] = {
        {.key = "name",
         .kind = JSON_KIND_STR,
         .out = &name,
         .required = true,
         .min = 1,
         .max = 200},
        {.key = "city",
         .kind = JSON_KIND_STR,
         .out = &city,
         .required = true,
         .min = 1,
         .max = 200},
    };
    enum status status = STATUS_OK;

    for (size_t i = 0; status == STATUS_OK && i < array_len(numbers); i++) {
        json_t *number = json_object_get(place, numbers[i]);
        double value = json_number_value(number);

        if (number && (!json_is_number(number) || value < -bounds[i] || value > bounds[i])) {
            snprintf(ret_why, why_size, "venue.%s must be a number within +-%.0f", numbers[i],
                     bounds[i]);
            status = STATUS_INVALID;
        }
        json_object_del(place, numbers[i]);
    }
    if (status == STATUS_OK)
        status = json_read(place, fields, array_len(fields), "venue.", ret_why, why_size);
    json_decref(place);
    return status;
}

static enum status read_performers(const struct event_form *f, char *ret_why, size_t why_size)
{
    json_t *performer;
    size_t i;

    json_array_foreach(f->performers, i, performer)
    {
        if (!json_is_string(performer) || json_string_length(performer) == 0 ||
            json_string_length(performer) > 200)
            return refuse(ret_why, why_size, "performers must be names of 1 to 200 bytes");
    }
    return STATUS_OK;
}

static bool plain_id(struct slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return id.len > 0;
}

static enum status read_level(struct event_form *f, json_t *level, char *ret_why, size_t why_size)
{
    struct slice id;
    size_t n = f->levels.count;
    const struct json_field fields[] = {
        {.key = "id",
         .kind = JSON_KIND_STR,
         .out = &id,
         .required = true,
         .min = 1,
         .max = LAYOUT_NAME_MAX},
        {.key = "name",
         .kind = JSON_KIND_STR,
         .out = &f->level_names[n],
         .required = true,
         .min = 1,
         .max = 200},
        {.key = "amount",
         .kind = JSON_KIND_INT,
         .out = &f->amounts[n],
         .required = true,
         .min = 0,
         .max = AMOUNT_MAX},
    };
    enum status status =
        json_read(level, fields, array_len(fields), "priceLevels.", ret_why, why_size);

    if (status != STATUS_OK)
        return status;
    if (!plain_id(id))
        return refuse(ret_why, why_size, "priceLevels.id must be of letters, digits, - and _");
    for (size_t i = 0; i < n; i++) {
        if (slice_is(id, f->levels.ids[i]))
            return refuse(ret_why, why_size, "priceLevels has an id twice");
    }
    f->levels.ids[f->levels.count++] = id.at; /* jansson's strings end with a NUL */
    return STATUS_OK;
}

static enum status read_levels(struct event_form *f, json_t *levels, char *ret_why, size_t why_size)
{
    enum status status = STATUS_OK;
    json_t *level;
    size_t i;

    json_array_foreach(levels, i, level)
    {
        if (!json_is_object(level))
            return refuse(ret_why, why_size, "priceLevels must be objects");
        status = read_level(f, level, ret_why, why_size);
        if (status != STATUS_OK)
            break;
    }
    return status;
}

enum status layout_form_read(json_t *layout, json_t *arena, const struct layout_levels *levels,
                             struct layout **ret_layout, char *ret_why, size_t why_size)
{
    int64_t seats = 0;
    const struct json_field fields[] = {{.key = "seats",
                                         .kind = JSON_KIND_INT,
                                         .out = &seats,
                                         .required = true,
                                         .min = 1,
                                         .max = LAYOUT_SEATS_MAX}};
    enum status status;

    if (!layout == !arena)
        return refuse(ret_why, why_size, "one of layout and arena is needed");
    if (layout)
        return layout_from_request(layout, levels, ret_layout, ret_why, why_size);
    status = json_read(arena, fields, array_len(fields), "arena.", ret_why, why_size);
    return status == STATUS_OK
               ? layout_arena((uint32_t)seats, levels, ret_layout, ret_why, why_size)
               : status;
}

static enum status check(struct event_form *f, json_t *levels, json_t *layout, json_t *arena,
                         char *ret_why, size_t why_size)
{
    enum status status = read_venue(f, ret_why, why_size);

    for (size_t i = 0; status == STATUS_OK && i < f->currency.len; i++) {
        if (f->currency.at[i] < 'A' || f->currency.at[i] > 'Z')
            status = refuse(ret_why, why_size, "currency must be three capital letters");
    }
    if (status == STATUS_OK && f->cap_seconds < f->hold_seconds)
        status = refuse(ret_why, why_size, "holdCapSeconds must not be less than holdSeconds");
    if (status == STATUS_OK)
        status = read_performers(f, ret_why, why_size);
    if (status == STATUS_OK)
        status = read_levels(f, levels, ret_why, why_size);
    if (status == STATUS_OK)
        status = layout_form_read(layout, arena, &f->levels, &f->layout, ret_why, why_size);
    return status;
}

enum status event_form_read(json_t *body, struct event_form *f, char *ret_why, size_t why_size)
{
    json_t *levels = NULL, *layout = NULL, *arena = NULL;
    const struct json_field fields[] = {
        {.key = "name",
         .kind = JSON_KIND_STR,
         .out = &f->name,
         .required = true,
         .min = 1,
         .max = 200},
        {.key = "type", .kind = JSON_KIND_STR, .out = &f->type, .min = 1, .max = 64},
        {.key = "venue", .kind = JSON_KIND_OBJECT, .out = &f->venue, .required = true},
        {.key = "performers",
         .kind = JSON_KIND_ARRAY,
         .out = &f->performers,
         .max = PERFORMERS_MAX},
        {.key = "startsAt", .kind = JSON_KIND_TIME, .out = &f->starts_ms, .required = true},
        {.key = "currency",
         .kind = JSON_KIND_STR,
         .out = &f->currency,
         .required = true,
         .min = 3,
         .max = 3},
        {.key = "queue", .kind = JSON_KIND_BOOL, .out = &f->queue, .required = true},
        {.key = "charge", .kind = JSON_KIND_BOOL, .out = &f->charge},
        {.key = "maxSeats", .kind = JSON_KIND_INT, .out = &f->max_seats, .min = 1, .max = 100},
        {.key = "maxHolds", .kind = JSON_KIND_INT, .out = &f->max_holds, .min = 1, .max = 100},
        {.key = "holdSeconds",
         .kind = JSON_KIND_INT,
         .out = &f->hold_seconds,
         .min = 1,
         .max = 3600},
        {.key = "holdCapSeconds",
         .kind = JSON_KIND_INT,
         .out = &f->cap_seconds,
         .min = 1,
         .max = 86400},
        {.key = "paymentSeconds",
         .kind = JSON_KIND_INT,
         .out = &f->payment_seconds,
         .min = 1,
         .max = 3600},
        {.key = "priceLevels",
         .kind = JSON_KIND_ARRAY,
         .out = &levels,
         .required = true,
         .min = 1,
         .max = LAYOUT_LEVELS_MAX},
        {.key = "layout", .kind = JSON_KIND_OBJECT, .out = &layout},
        {.key = "arena", .kind = JSON_KIND_OBJECT, .out = &arena},
    };
    enum status status;

    memset(f, 0, sizeof(*f));
    f->type = SLICE_LITERAL("concert");
    f->charge = true;
    f->max_seats = 8;
    f->max_holds = 4;
    f->hold_seconds = 120;
    f->cap_seconds = 0;
    f->payment_seconds = 60;
    status = json_read(body, fields, array_len(fields), NULL, ret_why, why_size);
    if (f->cap_seconds == 0)
        f->cap_seconds = f->hold_seconds > 600 ? f->hold_seconds : 600;
    if (status == STATUS_OK)
        status = check(f, levels, layout, arena, ret_why, why_size);
    if (status != STATUS_OK)
        event_form_free(f);
    return status;
}

void event_form_free(struct event_form *f)
{
    layout_free(f->layout);
    f->layout = NULL;
}
