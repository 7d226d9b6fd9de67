/* I2: the booking ids that clients were told are confirmed, one a line, each must be in the truth.
 */
#include "engine/auditor/check.h"

#include "engine/base/uuid.h"

#include <errno.h>
#include <stdio.h>

enum { BATCH = 1000 };

static const struct db_statement missing = {
    .name = "audit_confirmed",
    .text = "SELECT 'booking ' || id || ': its client was told confirmed, in the truth it is ' || "
            "coalesce(b.state, 'missing')"
            " FROM unnest($1::uuid[]) id LEFT JOIN booking b ON b.booking_id = id"
            " WHERE b.state IS NULL OR b.state NOT IN ('confirmed', 'cancelled', 'refunded')",
    .params = 1,
    .read_only = true,
};

static void found(const struct db_result *result, void *ctx)
{
    for (size_t i = 0; i < result->rows; i++)
        verdict_broken(ctx, I2, "%.*s", SLICE_ARG(db_value(result, i, 0)));
}

static void ask(struct audit *a, struct buf *ids, uint64_t count)
{
    if (!count)
        return;
    db_array_end(ids);
    enum status status =
        facts_query(&a->facts, &missing, (struct slice[]){buf_slice(ids)}, found, &a->verdict);
    if (status != STATUS_OK)
        verdict_incomplete(&a->verdict, "the confirmed bookings", status);
    verdict_checked(&a->verdict, I2, count);
    buf_clear(ids);
    db_array_begin(ids);
}

static void read_lines(struct audit *a, FILE *file)
{
    char line[128];
    struct uuid id;
    struct buf ids;
    uint64_t count = 0;

    buf_init(&ids, 64 * 1024);
    db_array_begin(&ids);
    while (fgets(line, sizeof(line), file)) {
        struct slice text = slice_str(line);
        text = slice_trim(slice_cut(&text, '\n'));
        if (!uuid_parse(text, &id)) {
            verdict_broken(&a->verdict, I2,
                           "'%.*s' in the list of confirmed bookings is no booking id",
                           SLICE_ARG(text));
            continue;
        }
        db_array_str(&ids, text);
        if (++count == BATCH) {
            ask(a, &ids, count);
            count = 0;
        }
    }
    ask(a, &ids, count);
    buf_free(&ids);
}

void check_confirmed(struct audit *a)
{
    FILE *file;

    if (!a->confirmed)
        return;
    file = fopen(a->confirmed, "re");
    if (!file) {
        fprintf(stderr, "audit: %s: %s\n", a->confirmed, strerror(errno));
        a->verdict.incomplete = true;
        return;
    }
    read_lines(a, file);
    fclose(file);
}
