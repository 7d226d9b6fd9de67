/* The bodies of POST bookings and of refunds: what is accepted is within its bounds; a fingerprint
 * is the same for the same wish and another for another price. */
#include "engine/base/mem.h"
#include "engine/booking/booking_request.h"
#include "engine/booking/layout.h"
#include "tests/fuzz/fuzz.h"

static void check_seats(const uint32_t *seats, size_t count)
{
    must(count <= HOLD_SEATS_MAX);
    for (size_t i = 0; i < count; i++)
        must(seats[i] < LAYOUT_SEATS_MAX && (i == 0 || seats[i - 1] < seats[i]));
}

static bool same(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void check_wish(const struct booking_wish *wish)
{
    struct booking_wish other = *wish;
    struct uuid print = booking_wish_fingerprint(wish, 1),
                again = booking_wish_fingerprint(wish, 1),
                elsewhere = booking_wish_fingerprint(wish, 2), dearer;

    check_seats(wish->seats, wish->seat_count);
    must((wish->hold_id[0] != '\0') != (wish->seat_count > 0));
    must(memchr(wish->hold_id, '\0', sizeof(wish->hold_id)) != NULL);
    must(memchr(wish->email, '\0', sizeof(wish->email)) != NULL && strchr(wish->email, '@'));
    must(memchr(wish->name, '\0', sizeof(wish->name)) != NULL && wish->name[0]);
    must(memchr(wish->provider, '\0', sizeof(wish->provider)) != NULL);
    must(memchr(wish->token, '\0', sizeof(wish->token)) != NULL);
    must((wish->provider[0] != '\0') == (wish->token[0] != '\0'));
    must(wish->expected_total >= 0);
    other.expected_total++;
    dearer = booking_wish_fingerprint(&other, 1);
    must(same(&print, &again) && !same(&print, &elsewhere) && !same(&print, &dearer));
}

/* What a buyer may ask for, the box office may, too; only that one names an amount, and then no
 * ticket. */
static void check_refund(json_t *body)
{
    uint32_t seats[HOLD_SEATS_MAX];
    size_t count = HOLD_SEATS_MAX + 1;
    int64_t amount = -1;
    char why[200] = "";
    bool buyer = refund_wish_read(body, seats, &count, NULL, why, sizeof(why)) == STATUS_OK;

    if (buyer)
        check_seats(seats, count);
    else
        must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
    if (refund_wish_read(body, seats, &count, &amount, why, sizeof(why)) == STATUS_OK) {
        check_seats(seats, count);
        must(amount >= 0 && (amount == 0 || count == 0) && (!buyer || amount == 0));
    } else {
        must(!buyer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct booking_wish wish;
    char why[200] = "";
    json_t *body = json_parse_object(slice_of(at, len), why, sizeof(why));

    if (!body)
        return 0;
    if (booking_wish_read(body, &wish, why, sizeof(why)) == STATUS_OK)
        check_wish(&wish);
    else
        must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
    check_refund(body);
    json_decref(body);
    return 0;
}
