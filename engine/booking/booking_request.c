#include "engine/booking/booking_request.h"

#include "engine/base/json.h"
#include "engine/base/token.h"
#include "engine/booking/hold_request.h"

#include <stdio.h>

static struct uuid half_digest(const struct buf *b)
{
    struct uuid u;
    uint8_t digest[32];

    sha256(b->at, b->len, digest);
    memcpy(u.bytes, digest, sizeof(u.bytes));
    return u;
}

/* An address of the shape local@domain without spaces or control characters; whether it exists only
 * mail can tell. */
static bool is_email(struct slice s)
{
    struct slice rest = s, local = slice_cut(&rest, '@');

    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] <= 0x20 || s.at[i] == 0x7f)
            return false;
    }
    return local.len > 0 && rest.at && rest.len > 0 && !memchr(rest.at, '@', rest.len);
}

static enum status read_customer(json_t *customer, struct booking_wish *w, char *ret_why,
                                 size_t why_size)
{
    struct slice email, name;
    const struct json_field fields[] = {
        {.key = "email",
         .kind = JSON_KIND_STR,
         .out = &email,
         .required = true,
         .min = 3,
         .max = PURCHASE_EMAIL_MAX},
        {.key = "name",
         .kind = JSON_KIND_STR,
         .out = &name,
         .required = true,
         .min = 1,
         .max = PURCHASE_NAME_MAX},
    };
    enum status status =
        json_read(customer, fields, array_len(fields), "customer.", ret_why, why_size);

    if (status)
        return status;
    if (!is_email(email)) {
        snprintf(ret_why, why_size, "customer.email is not an address");
        return STATUS_INVALID;
    }
    slice_to_str(email, w->email, sizeof(w->email));
    slice_to_str(name, w->name, sizeof(w->name));
    return STATUS_OK;
}

static enum status read_payment(json_t *details, struct booking_wish *w, char *ret_why,
                                size_t why_size)
{
    struct slice provider, token;
    const struct json_field fields[] = {
        {.key = "provider",
         .kind = JSON_KIND_STR,
         .out = &provider,
         .required = true,
         .min = 1,
         .max = sizeof(w->provider) - 1},
        {.key = "token",
         .kind = JSON_KIND_STR,
         .out = &token,
         .required = true,
         .min = 1,
         .max = sizeof(w->token) - 1},
    };
    enum status status =
        json_read(details, fields, array_len(fields), "paymentDetails.", ret_why, why_size);

    if (status)
        return status;
    slice_to_str(provider, w->provider, sizeof(w->provider));
    slice_to_str(token, w->token, sizeof(w->token));
    return STATUS_OK;
}

enum status booking_wish_read(json_t *body, struct booking_wish *ret_wish, char *ret_why,
                              size_t why_size)
{
    struct slice hold = SLICE_NONE;
    json_t *seats = NULL, *customer = NULL, *payment = NULL;
    const struct json_field fields[] = {
        {.key = "holdId", .kind = JSON_KIND_STR, .out = &hold, .min = 1, .max = HOLD_ID_SIZE - 1},
        {.key = "ticketIds",
         .kind = JSON_KIND_ARRAY,
         .out = &seats,
         .min = 1,
         .max = HOLD_SEATS_MAX},
        {.key = "expectedTotal",
         .kind = JSON_KIND_INT,
         .out = &ret_wish->expected_total,
         .required = true,
         .min = 0,
         .max = INT64_C(1000000000000)},
        {.key = "customer", .kind = JSON_KIND_OBJECT, .out = &customer, .required = true},
        {.key = "paymentDetails", .kind = JSON_KIND_OBJECT, .out = &payment},
    };
    enum status status;

    memset(ret_wish, 0, sizeof(*ret_wish));
    status = json_read(body, fields, array_len(fields), NULL, ret_why, why_size);
    if (status)
        return status;
    if (!hold.at == !seats) {
        snprintf(ret_why, why_size, "one of holdId and ticketIds is needed");
        return STATUS_INVALID;
    }
    if (hold.at)
        slice_to_str(hold, ret_wish->hold_id, sizeof(ret_wish->hold_id));
    else
        status = hold_seats_read(seats, "ticketIds", ret_wish->seats, &ret_wish->seat_count,
                                 ret_why, why_size);
    if (!status)
        status = read_customer(customer, ret_wish, ret_why, why_size);
    if (!status && payment)
        status = read_payment(payment, ret_wish, ret_why, why_size);
    return status;
}

struct uuid booking_wish_fingerprint(const struct booking_wish *w, uint64_t event_id)
{
    struct buf b;
    struct uuid u;

    buf_init(&b, 4096);
    buf_printf(&b, "booking %llu\n%s\n", (unsigned long long)event_id, w->hold_id);
    for (size_t i = 0; i < w->seat_count; i++)
        buf_printf(&b, "%u,", w->seats[i]);
    buf_printf(&b, "\n%lld\n%s\n%s\n%s\n%s", (long long)w->expected_total, w->provider, w->token,
               w->email, w->name);
    u = half_digest(&b);
    buf_free(&b);
    return u;
}

enum status refund_wish_read(json_t *body, uint32_t ret_seats[HOLD_SEATS_MAX], size_t *ret_count,
                             int64_t *ret_amount, char *ret_why, size_t why_size)
{
    json_t *seats = NULL;
    int64_t amount = 0;
    const struct json_field fields[] = {
        {.key = "tickets", .kind = JSON_KIND_ARRAY, .out = &seats, .min = 1, .max = HOLD_SEATS_MAX},
        {.key = "amount", .kind = JSON_KIND_INT, .out = &amount, .min = 1, .max = INT64_MAX},
    };
    enum status status = json_read(body, fields, ret_amount ? 2 : 1, NULL, ret_why, why_size);

    *ret_count = 0;
    if (!status && seats)
        status = hold_seats_read(seats, "tickets", ret_seats, ret_count, ret_why, why_size);
    if (!status && seats && amount) {
        snprintf(ret_why, why_size, "either tickets or an amount");
        status = STATUS_INVALID;
    }
    if (ret_amount)
        *ret_amount = amount;
    return status;
}

struct uuid idempotency_name(struct slice principal, struct slice key)
{
    struct buf b;
    struct uuid u;

    buf_init(&b, 1024);
    buf_printf(&b, "%zu ", principal.len);
    buf_append_slice(&b, principal);
    buf_append_slice(&b, key);
    u = half_digest(&b);
    buf_free(&b);
    return u;
}
