#include "engine/booking/hold_request.h"

#include "engine/base/mem.h"
#include "engine/base/token.h"

#include <stdio.h>
#include <stdlib.h>

static enum status refuse(char *ret_why, size_t why_size, const char *why)
{
    snprintf(ret_why, why_size, "%s", why);
    return STATUS_INVALID;
}

static int compare_seats(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Decimal without leading zeros, as the ids are written. */
static bool read_seat(json_t *value, uint32_t *ret_seat)
{
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    uint64_t n;

    if (!json_is_string(value) || !slice_to_u64(text, &n) || n >= LAYOUT_SEATS_MAX ||
        (text.len > 1 && text.at[0] == '0'))
        return false;
    *ret_seat = (uint32_t)n;
    return true;
}

/* A list of seat ids, sorted. */
enum status hold_seats_read(json_t *list, const char *name, uint32_t *ret_seats, size_t *ret_count,
                            char *ret_why, size_t why_size)
{
    json_t *value;
    size_t i;

    *ret_count = 0;
    json_array_foreach(list, i, value)
    {
        if (!read_seat(value, &ret_seats[i])) {
            snprintf(ret_why, why_size, "%s[%zu] must be the id of a seat, a decimal string", name,
                     i);
            return STATUS_INVALID;
        }
    }
    qsort(ret_seats, i, sizeof(*ret_seats), compare_seats);
    for (size_t k = 1; k < i; k++) {
        if (ret_seats[k] == ret_seats[k - 1]) {
            snprintf(ret_why, why_size, "%s has seat %u twice", name, ret_seats[k]);
            return STATUS_INVALID;
        }
    }
    *ret_count = i;
    return STATUS_OK;
}

static enum status read_name(struct slice value, char ret_name[LAYOUT_NAME_MAX + 1], char *ret_why,
                             size_t why_size)
{
    if (value.at && !slice_to_str(value, ret_name, LAYOUT_NAME_MAX + 1))
        return refuse(ret_why, why_size, "a name is longer than any there is");
    return STATUS_OK;
}

static enum status read_best(json_t *best, struct hold_wish *w, char *ret_why, size_t why_size)
{
    struct slice level = SLICE_NONE, section = SLICE_NONE;
    int64_t quantity = 0;
    const struct json_field fields[] = {
        {.key = "quantity",
         .kind = JSON_KIND_INT,
         .out = &quantity,
         .required = true,
         .min = 1,
         .max = HOLD_SEATS_MAX},
        {.key = "priceLevel",
         .kind = JSON_KIND_STR,
         .out = &level,
         .min = 1,
         .max = LAYOUT_NAME_MAX},
        {.key = "section",
         .kind = JSON_KIND_STR,
         .out = &section,
         .min = 1,
         .max = LAYOUT_NAME_MAX},
        {.key = "accessible", .kind = JSON_KIND_BOOL, .out = &w->accessible},
    };
    enum status status =
        json_read(best, fields, array_len(fields), "bestAvailable.", ret_why, why_size);

    w->kind = HOLD_BEST_AVAILABLE;
    w->quantity = (uint32_t)quantity;
    if (status == STATUS_OK)
        status = read_name(level, w->level, ret_why, why_size);
    if (status == STATUS_OK)
        status = read_name(section, w->section, ret_why, why_size);
    return status;
}

static enum status read_area(json_t *area, struct hold_wish *w, char *ret_why, size_t why_size)
{
    struct slice id = SLICE_NONE;
    int64_t quantity = 0;
    const struct json_field fields[] = {
        {.key = "id",
         .kind = JSON_KIND_STR,
         .out = &id,
         .required = true,
         .min = 1,
         .max = LAYOUT_NAME_MAX},
        {.key = "quantity",
         .kind = JSON_KIND_INT,
         .out = &quantity,
         .required = true,
         .min = 1,
         .max = HOLD_SEATS_MAX},
    };
    enum status status = json_read(area, fields, array_len(fields), "area.", ret_why, why_size);

    w->kind = HOLD_AREA;
    w->quantity = (uint32_t)quantity;
    return status == STATUS_OK ? read_name(id, w->area, ret_why, why_size) : status;
}

enum status hold_wish_read(json_t *body, struct hold_wish *ret_wish, char *ret_why, size_t why_size)
{
    json_t *seats = NULL, *best = NULL, *area = NULL;
    const struct json_field fields[] = {
        {.key = "ticketIds",
         .kind = JSON_KIND_ARRAY,
         .out = &seats,
         .min = 1,
         .max = HOLD_SEATS_MAX},
        {.key = "bestAvailable", .kind = JSON_KIND_OBJECT, .out = &best},
        {.key = "area", .kind = JSON_KIND_OBJECT, .out = &area},
    };
    enum status status = json_read(body, fields, array_len(fields), NULL, ret_why, why_size);

    memset(ret_wish, 0, sizeof(*ret_wish));
    if (status != STATUS_OK)
        return status;
    if (!!seats + !!best + !!area != 1)
        return refuse(ret_why, why_size, "one of ticketIds, bestAvailable and area is needed");
    if (best)
        return read_best(best, ret_wish, ret_why, why_size);
    if (area)
        return read_area(area, ret_wish, ret_why, why_size);
    return hold_seats_read(seats, "ticketIds", ret_wish->seats, &ret_wish->seat_count, ret_why,
                           why_size);
}

enum status seat_list_read(json_t *body, uint32_t ret_seats[HOLD_SEATS_MAX], size_t *ret_count,
                           char *ret_why, size_t why_size)
{
    json_t *seats = NULL;
    const struct json_field fields[] = {{.key = "ticketIds",
                                         .kind = JSON_KIND_ARRAY,
                                         .out = &seats,
                                         .required = true,
                                         .min = 1,
                                         .max = HOLD_SEATS_MAX}};
    enum status status = json_read(body, fields, array_len(fields), NULL, ret_why, why_size);

    return status == STATUS_OK
               ? hold_seats_read(seats, "ticketIds", ret_seats, ret_count, ret_why, why_size)
               : status;
}

static bool common_seat(const struct hold_change_wish *w)
{
    for (size_t i = 0, k = 0; i < w->add_count && k < w->remove_count;) {
        if (w->add[i] == w->remove[k])
            return true;
        if (w->add[i] < w->remove[k])
            i++;
        else
            k++;
    }
    return false;
}

enum status hold_change_read(json_t *body, struct hold_change_wish *ret_wish, char *ret_why,
                             size_t why_size)
{
    json_t *add = NULL, *remove = NULL;
    const struct json_field fields[] = {
        {.key = "extendSeconds",
         .kind = JSON_KIND_INT,
         .out = &ret_wish->extend_seconds,
         .min = 1,
         .max = HOLD_EXTEND_MAX_SECONDS},
        {.key = "add", .kind = JSON_KIND_ARRAY, .out = &add, .max = HOLD_SEATS_MAX},
        {.key = "remove", .kind = JSON_KIND_ARRAY, .out = &remove, .max = HOLD_SEATS_MAX},
    };
    enum status status;

    memset(ret_wish, 0, sizeof(*ret_wish));
    status = json_read(body, fields, array_len(fields), NULL, ret_why, why_size);
    if (status == STATUS_OK && add)
        status =
            hold_seats_read(add, "add", ret_wish->add, &ret_wish->add_count, ret_why, why_size);
    if (status == STATUS_OK && remove)
        status = hold_seats_read(remove, "remove", ret_wish->remove, &ret_wish->remove_count,
                                 ret_why, why_size);
    if (status != STATUS_OK)
        return status;
    if ((ret_wish->extend_seconds > 0) == (ret_wish->add_count + ret_wish->remove_count > 0))
        return refuse(ret_why, why_size,
                      "either extendSeconds or seats to add or remove are needed");
    if (common_seat(ret_wish))
        return refuse(ret_why, why_size, "a seat cannot be added and removed at once");
    return STATUS_OK;
}

/* ---- fingerprints ---- */

static void put_seats(struct buf *b, const char *name, const uint32_t *seats, size_t count)
{
    buf_printf(b, "\n%s", name);
    for (size_t i = 0; i < count; i++)
        buf_printf(b, " %u", seats[i]);
}

static void finish(struct buf *b, char ret_hex[65])
{
    uint8_t digest[32];

    sha256(b->at, b->len, digest);
    hex_encode(digest, sizeof(digest), ret_hex);
    ret_hex[64] = '\0';
    buf_free(b);
}

void hold_wish_fingerprint(const struct hold_wish *w, const char *about, char ret_hex[65])
{
    struct buf b;

    buf_init(&b, 4096);
    buf_printf(&b, "%s\n%d %u %d\nlevel %s\nsection %s\narea %s", about, w->kind, w->quantity,
               w->accessible, w->level, w->section, w->area);
    put_seats(&b, "seats", w->seats, w->seat_count);
    finish(&b, ret_hex);
}

void hold_change_fingerprint(const struct hold_change_wish *w, const char *about, char ret_hex[65])
{
    struct buf b;

    buf_init(&b, 4096);
    buf_printf(&b, "%s\nextend %lld", about, (long long)w->extend_seconds);
    put_seats(&b, "add", w->add, w->add_count);
    put_seats(&b, "remove", w->remove, w->remove_count);
    finish(&b, ret_hex);
}
