/* The generated arena: sections of about 250 seats in rings around a stage at (0, 0), the front
 * open. */
#include "engine/booking/layout_build.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#define SECTION_SEATS 250
#define ROW_SEATS     20
#define RING_START    12.0 /* radius of the first row, in seat widths */
#define ROW_STEP      1.2
#define RING_GAP      3.0
#define BOWL_ANGLE    4.4 /* radians that the seats take of the circle */

struct arena {
    struct layout_builder b;
    uint32_t sections, at; /* how many, the one being made */
    uint32_t seats_left;
};

/* The front quarter is gold, the next third silver, the rest bronze. */
static struct slice level_of(const struct arena *a)
{
    double part = a->sections > 1 ? (double)a->at / (double)a->sections : 0;

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

static bool add_row(struct arena *a, const char *section, uint32_t row, uint32_t count,
                    double radius, double angle)
{
    char text[32];

    snprintf(text, sizeof(text), "%u", row + 1);
    if (!build_row(&a->b, slice_str(text)))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        double at = angle + ((double)i - ((double)count - 1) / 2) / radius;

        snprintf(text, sizeof(text), "%s-%u-%u", section, row + 1, i + 1);
        if (!build_seat(&a->b, slice_str(text), radius * sin(at), radius * cos(at), level_of(a),
                        flags_of(row, i, count)))
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
    for (uint32_t row = 0; seats > 0; row++) {
        uint32_t count = seats < ROW_SEATS ? seats : ROW_SEATS;

        /* What does not fill a row goes to the one before, unless it is the first. */
        if (seats - count > 0 && seats - count < 4)
            count = seats;
        if (!add_row(a, id, row, count, radius + row * ROW_STEP, angle))
            return false;
        seats -= count;
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
    struct arena a = {.sections = (seats + SECTION_SEATS - 1) / SECTION_SEATS, .seats_left = seats};
    double radius = RING_START;
    bool good = true;

    build_begin(&a.b, levels, ret_why, why_size);
    for (uint32_t ring = 1; good && a.at < a.sections; ring++) {
        good = add_ring(&a, ring, radius);
        radius += ROW_STEP * ((double)SECTION_SEATS / ROW_SEATS + 1) + RING_GAP;
    }
    return build_end(&a.b, good, ret_layout);
}
