/* Ids, times and numbers: what parses formats to a text that parses to the same. */
#include "engine/base/clock.h"
#include "engine/base/uuid.h"
#include "tests/fuzz/fuzz.h"

#define FIRST_MS (-62167219200000LL) /* 0000-01-01 */
#define END_MS   253402300800000LL   /* 10000-01-01 */

static void check_uuid(struct slice text)
{
    struct uuid u;
    char back[UUID_TEXT_SIZE];

    if (!uuid_parse(text, &u))
        return;
    uuid_format(&u, back);
    must(slice_eq_nocase(slice_str(back), text));
}

static void check_time(struct slice text)
{
    int64_t ms, again;
    char back[CLOCK_TEXT_SIZE];

    if (!clock_parse(text, &ms))
        return;
    clock_format(ms, back);
    must(clock_parse(slice_str(back), &again));
    must(again == ms || ms < FIRST_MS || ms >= END_MS);
}

static void check_numbers(struct slice text)
{
    uint64_t u;
    int64_t i;
    bool is_u = slice_to_u64(text, &u), is_i = slice_to_i64(text, &i);

    if (is_u && u <= INT64_MAX)
        must(is_i && (uint64_t)i == u);
}

static void check_parts(struct slice text)
{
    size_t len = 0, parts = 0;

    for (struct slice rest = text; rest.at; parts++)
        len += slice_cut(&rest, ',').len;
    must(!text.at || len + parts - 1 == text.len);
    for (struct slice rest = slice_trim(text); rest.len > 0;) {
        size_t step = slice_utf8(rest);

        must(step <= rest.len && step <= 4);
        rest.at += step ? step : 1;
        rest.len -= step ? step : 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice text = slice_of(at, len);

    check_uuid(text);
    check_time(text);
    check_numbers(text);
    check_parts(text);
    return 0;
}
