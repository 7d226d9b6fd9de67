/* The layout of an event: sections, rows, seats and general-admission areas; read from what the box
 * office sends or from the stored document, or generated as an arena. The document is told in
 * docs/architecture.md. */
#ifndef HOLDFAST_BOOKING_LAYOUT_H
#define HOLDFAST_BOOKING_LAYOUT_H

#include "engine/base/buf.h"
#include "engine/base/json.h"

#define LAYOUT_SEATS_MAX  500000
#define LAYOUT_LEVELS_MAX 64
#define LAYOUT_NAME_MAX   64
#define LAYOUT_HASH_SIZE  65

enum seat_flag { SEAT_ACCESSIBLE = 1, SEAT_COMPANION = 2, SEAT_RESTRICTED = 4, SEAT_AISLE = 8 };

struct layout_section {
    char *id, *name;
};

struct layout_row {
    char *name;
    uint32_t section;      /* index */
    uint32_t rank;         /* place in its section: 0 is the first that was named */
    uint32_t first, count; /* seats */
};

struct layout_seat {
    char *label;
    float x, y;
    uint32_t row;  /* index */
    uint8_t level; /* index */
    uint8_t flags;
};

struct layout_area {
    char *id, *name;
    uint32_t first, capacity;
    uint8_t level;
    float x, y, w, h;
};

/* Ids of the event's price levels, in their order; borrowed. */
struct layout_levels {
    const char *ids[LAYOUT_LEVELS_MAX];
    size_t count;
};

struct layout {
    uint32_t seat_count;   /* places of areas included */
    uint32_t seated_count; /* seats[]; the areas' places follow */
    size_t section_count, row_count, area_count;
    struct layout_section *sections;
    struct layout_row *rows;
    struct layout_seat *seats;
    struct layout_area *areas;
};

/* `layout` of POST /admin/v1/events. STATUS_INVALID: ret_why names what is wrong and where. */
enum status layout_from_request(json_t *request, const struct layout_levels *levels,
                                struct layout **ret_layout, char *ret_why,
                                size_t why_size) MUST_CHECK;
/* The stored document. STATUS_MALFORMED when it is not one. */
enum status layout_from_document(struct slice document, const struct layout_levels *levels,
                                 struct layout **ret_layout) MUST_CHECK;
/* A bowl of `seats` seats around a stage. The levels must have gold, silver and bronze. */
enum status layout_arena(uint32_t seats, const struct layout_levels *levels,
                         struct layout **ret_layout, char *ret_why, size_t why_size) MUST_CHECK;
void layout_free(struct layout *l); /* NULL is harmless */

/* Appends the document; the hash is the SHA-256 of everything behind it in the document. */
void layout_write(const struct layout *l, const struct layout_levels *levels, uint64_t event_id,
                  struct buf *b, char ret_hash[LAYOUT_HASH_SIZE]);

/* Sets the flag of that name; false when there is none. */
bool layout_flag(struct slice name, uint8_t *flags);

/* Of a seat or place n < seat_count. */
void layout_label(const struct layout *l, uint32_t n, struct buf *b);
uint8_t layout_level(const struct layout *l, uint32_t n);
const struct layout_area *layout_area_of(const struct layout *l, uint32_t n); /* NULL: a seat */
const struct layout_area *layout_area_find(const struct layout *l,
                                           struct slice id);      /* NULL: none */
int layout_section_find(const struct layout *l, struct slice id); /* index, or -1 */

#endif
