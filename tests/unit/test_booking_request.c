#include "engine/booking/booking_request.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(booking_request, .timeout = 10, .fini = assert_no_leaks);

static enum status read_wish(const char *text, struct booking_wish *w, char *why)
{
    char error[200];
    json_t *o = json_parse_object(slice_str(text), error, sizeof(error));
    enum status status;

    cr_assert_not_null(o, "%s", error);
    status = booking_wish_read(o, w, why, 200);
    json_decref(o);
    return status;
}

#define CUSTOMER "\"customer\":{\"email\":\"a@b.example\",\"name\":\"A\"}"
#define PAYMENT  "\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"tok_visa\"}"

Test(booking_request, reads_a_whole_request)
{
    struct booking_wish w;
    char why[200];

    cr_assert_eq(
        read_wish("{\"holdId\":\"1.x\",\"expectedTotal\":100," CUSTOMER "," PAYMENT "}", &w, why),
        STATUS_OK);
    cr_assert(strcmp(w.hold_id, "1.x") == 0 && w.expected_total == 100 &&
              strcmp(w.token, "tok_visa") == 0 && w.seat_count == 0);
    cr_assert_eq(
        read_wish("{\"ticketIds\":[\"9\",\"2\"],\"expectedTotal\":0," CUSTOMER "}", &w, why),
        STATUS_OK);
    cr_assert(w.hold_id[0] == '\0' && w.seat_count == 2 && w.seats[0] == 2 && w.seats[1] == 9 &&
              w.provider[0] == '\0');
}

Test(booking_request, refuses_what_is_wrong_and_names_it)
{
    static const char *const wrong[][2] = {
        {"{\"expectedTotal\":1," CUSTOMER "}", "holdId"},
        {"{\"holdId\":\"1.x\",\"ticketIds\":[\"1\"],\"expectedTotal\":1," CUSTOMER "}", "holdId"},
        {"{\"holdId\":\"1.x\"," CUSTOMER "}", "expectedTotal"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":-1," CUSTOMER "}", "expectedTotal"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":1}", "customer"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":1,\"customer\":{\"email\":\"no "
         "address\",\"name\":\"A\"}}",
         "customer.email"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":1,\"customer\":{\"email\":\"a@b@c\",\"name\":\"A\"}"
         "}",
         "customer.email"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":1,\"customer\":{\"email\":\"a@b\"}}",
         "customer.name"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":1," CUSTOMER
         ",\"paymentDetails\":{\"provider\":\"sim\"}}",
         "paymentDetails.token"},
        {"{\"holdId\":\"1.x\",\"expectedTotal\":1," CUSTOMER ",\"price\":1}", "price"},
        {"{\"ticketIds\":[\"1\",\"1\"],\"expectedTotal\":1," CUSTOMER "}", "ticketIds"},
        {"{\"ticketIds\":[1],\"expectedTotal\":1," CUSTOMER "}", "ticketIds"},
    };

    for (size_t i = 0; i < array_len(wrong); i++) {
        struct booking_wish w;
        char why[200] = "";

        cr_assert_eq(read_wish(wrong[i][0], &w, why), STATUS_INVALID, "%s", wrong[i][0]);
        cr_assert_not_null(strstr(why, wrong[i][1]), "%s: %s", wrong[i][0], why);
    }
}

static struct uuid fingerprint(const char *text, uint64_t event)
{
    struct booking_wish w;
    char why[200];

    cr_assert_eq(read_wish(text, &w, why), STATUS_OK);
    return booking_wish_fingerprint(&w, event);
}

static bool same(struct uuid a, struct uuid b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

Test(booking_request, a_fingerprint_is_of_the_meaning)
{
    struct uuid a =
        fingerprint("{\"holdId\":\"1.x\",\"expectedTotal\":100," CUSTOMER "," PAYMENT "}", 1);

    cr_assert(same(
        a,
        fingerprint("{" PAYMENT ", " CUSTOMER ",\"expectedTotal\":100,  \"holdId\":\"1.x\"}", 1)));
    cr_assert_not(same(
        a, fingerprint("{\"holdId\":\"1.x\",\"expectedTotal\":100," CUSTOMER "," PAYMENT "}", 2)));
    cr_assert_not(same(
        a, fingerprint("{\"holdId\":\"1.x\",\"expectedTotal\":101," CUSTOMER "," PAYMENT "}", 1)));
    cr_assert_not(same(
        a, fingerprint("{\"holdId\":\"1.y\",\"expectedTotal\":100," CUSTOMER "," PAYMENT "}", 1)));
    cr_assert_not(
        same(a, fingerprint("{\"holdId\":\"1.x\",\"expectedTotal\":100," CUSTOMER
                            ",\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"tok_slow\"}}",
                            1)));
}

Test(booking_request, a_key_is_of_its_principal)
{
    cr_assert_not(same(idempotency_name(slice_str("a"), slice_str("key")),
                       idempotency_name(slice_str("b"), slice_str("key"))));
    cr_assert_not(same(idempotency_name(slice_str("ab"), slice_str("c")),
                       idempotency_name(slice_str("a"), slice_str("bc"))));
    cr_assert(same(idempotency_name(slice_str("a"), slice_str("key")),
                   idempotency_name(slice_str("a"), slice_str("key"))));
}
