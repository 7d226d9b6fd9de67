/* The stored layout document: whatever the database gives back, it is read as a sound layout or not
 * at all, and a sound one is written as it was read. */
#include "engine/base/mem.h"
#include "engine/booking/layout.h"
#include "tests/fuzz/fuzz.h"

static const struct layout_levels levels = {.ids = {"gold", "silver", "bronze"}, .count = 3};

static void check(const struct layout *l)
{
    struct layout *again;
    struct buf first, second;
    char hash[LAYOUT_HASH_SIZE], hash_again[LAYOUT_HASH_SIZE];

    must(l->seat_count > 0 && l->seat_count <= LAYOUT_SEATS_MAX);
    for (uint32_t i = 0; i < l->seated_count; i++)
        must(l->seats[i].row < l->row_count && l->seats[i].level < levels.count);
    for (size_t i = 0; i < l->row_count; i++)
        must(l->rows[i].section < l->section_count &&
             l->rows[i].first + l->rows[i].count <= l->seated_count);
    for (size_t i = 0; i < l->area_count; i++)
        must(l->areas[i].first >= l->seated_count &&
             l->areas[i].first + l->areas[i].capacity <= l->seat_count);
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    layout_write(l, &levels, 7, &first, hash);
    must(layout_from_document(buf_slice(&first), &levels, &again) == STATUS_OK);
    layout_write(again, &levels, 7, &second, hash_again);
    must(slice_eq(buf_slice(&first), buf_slice(&second)) && strcmp(hash, hash_again) == 0);
    buf_free(&first);
    buf_free(&second);
    layout_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct layout *l;

    if (layout_from_document(slice_of(at, len), &levels, &l) == STATUS_OK) {
        check(l);
        layout_free(l);
    }
    return 0;
}
