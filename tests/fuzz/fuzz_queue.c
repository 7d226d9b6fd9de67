/* The bodies that the waiting room reads: joining, and the settings of a queue. */
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "waitroom/admin_api.h"
#include "waitroom/join.h"

static void check_join(json_t *body)
{
    struct uuid id, again;
    char why[160] = "", text[UUID_TEXT_SIZE];

    if (join_id_read(body, &id, why, sizeof(why)) != STATUS_OK) {
        must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
        return;
    }
    uuid_format(&id, text);
    must(uuid_parse(slice_str(text), &again) &&
         memcmp(id.bytes, again.bytes, sizeof(id.bytes)) == 0);
}

static void check_time(bool given, int64_t ms)
{
    must(ms >= 0 && (given || ms == 0));
}

static void check_settings(json_t *body)
{
    struct ledger_change c;
    char why[200] = "";

    if (queue_change_read(body, &c, why, sizeof(why)) != STATUS_OK) {
        must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
        return;
    }
    must(!c.rate_given || (c.rate_per_minute >= 0 && c.rate_per_minute <= 10000000));
    must(!c.active_given || (c.max_active >= 0 && c.max_active <= 10000000));
    must(!c.claim_given || (c.claim_seconds >= 1 && c.claim_seconds <= 86400));
    check_time(c.prequeue_given, c.prequeue_ms);
    check_time(c.opens_given, c.opens_ms);
    check_time(c.closes_given, c.closes_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    char why[80];
    json_t *body = json_parse_object(slice_of(at, len), why, sizeof(why));

    if (!body)
        return 0;
    check_join(body);
    check_settings(body);
    json_decref(body);
    return 0;
}
