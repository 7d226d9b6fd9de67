/* The generated arena: sections of about 250 seats in rings around a stage at (0, 0), the front
 * open. */
#include "engine/booking/layout_build.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#define SECTION_SEATS 250
#define SMALL_HALL    200
#define ROW_SEATS     20
#define RING_START    12.0 /* radius of the first row, in seat widths */
#define ROW_STEP      1.2
#define RING_GAP      3.0
#define BOWL_ANGLE    4.4 /* radians that the seats take of the circle */

struct arena {
    struct layout_builder b;
    uint32_t sections, at; /* how many, the one being made */
    uint32_t seats_left;
    uint32_t row_seats; /* a small hall has short rows */
};

/* The front quarter is gold, the next third silver, the rest bronze: by sections, in a small hall
 * by rows. */
static struct slice level_of(const struct arena *a, uint32_t row, uint32_t rows)
{
    double part = a->sections > 4 ? (double)a->at / a->sections : (double)row / rows;

    return slice_str(part < 0.25 ? "gold" : part < 0.6 ? "silver" : "bronze");
}

/* Wheelchair places with a companion's place beside them at both ends of the first row. */
static uint8_t flags_of(uint32_t row, uint32_t i, uint32_t count)
{
    if (row != 0 || count < 6)
        return 0;
    if (i == 0 || i == count - 1)
        return SEAT_ACCESSIBLE;
    return i == 1 || i == count - 2 ? SEAT_COMPANION : 0;
}

struct arena_row {
    uint32_t at, of; /* its place in the section, and how many there are */
    uint32_t count;
    double radius, angle;
};

static bool add_row(struct arena *a, const char *section, const struct arena_row *row)
{
    struct slice level = level_of(a, row->at, row->of);
    char text[32];

    snprintf(text, sizeof(text), "%u", row->at + 1);
    if (!build_row(&a->b, slice_str(text)))
        return false;
    for (uint32_t i = 0; i < row->count; i++) {
        double at = row->angle + ((double)i - ((double)row->count - 1) / 2) / row->radius;

        snprintf(text, sizeof(text), "%s-%u-%u", section, row->at + 1, i + 1);
        if (!build_seat(&a->b, slice_str(text), row->radius * sin(at), row->radius * cos(at), level,
                        flags_of(row->at, i, row->count)))
            return false;
    }
    return true;
}

static bool add_section(struct arena *a, uint32_t ring, uint32_t place, double radius, double angle)
{
    uint32_t seats, sections_left = a->sections - a->at;
    char id[16], name[32];

    assert(sections_left > 0);
    seats = a->seats_left / sections_left;
    snprintf(id, sizeof(id), "%u%02u", ring, place);
    snprintf(name, sizeof(name), "Block %s", id);
    if (!build_section(&a->b, slice_str(id), slice_str(name)))
        return false;
    a->seats_left -= seats;
    for (struct arena_row row = {.of = (seats + a->row_seats - 1) / a->row_seats, .angle = angle};
         seats > 0; row.at++) {
        row.count = seats < a->row_seats ? seats : a->row_seats;
        row.radius = radius + row.at * ROW_STEP;
        /* A row of less than four goes to the one before. */
        if (seats - row.count < 4)
            row.count = seats;
        if (!add_row(a, id, &row))
            return false;
        seats -= row.count;
    }
    a->at++;
    return true;
}

static bool add_ring(struct arena *a, uint32_t ring, double radius)
{
    double width = (ROW_SEATS + 3.0) / radius;
    uint32_t room = width < BOWL_ANGLE ? (uint32_t)(BOWL_ANGLE / width) : 1;
    uint32_t count = a->sections - a->at < room ? a->sections - a->at : room;

    for (uint32_t i = 0; i < count; i++) {
        if (!add_section(a, ring, i + 1, radius, width * ((double)i - ((double)count - 1) / 2)))
            return false;
    }
    return true;
}

enum status layout_arena(uint32_t seats, const struct layout_levels *levels,
                         struct layout **ret_layout, char *ret_why, size_t why_size)
{
    struct arena a = {.sections = (seats + SECTION_SEATS - 1) / SECTION_SEATS,
                      .seats_left = seats,
                      .row_seats = seats < SMALL_HALL ? ROW_SEATS / 2 : ROW_SEATS};
    double radius = RING_START;
    bool good = true;

    build_begin(&a.b, levels, ret_why, why_size);
    for (uint32_t ring = 1; good && a.at < a.sections; ring++) {
        good = add_ring(&a, ring, radius);
        radius += ROW_STEP * ((double)SECTION_SEATS / ROW_SEATS + 1) + RING_GAP;
    }
    return build_end(&a.b, good, ret_layout);
}
