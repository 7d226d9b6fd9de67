#include "engine/booking/booking_json.h"

#include <stdio.h>

static void put_ticket(struct json_out *w, const struct purchase_row *row, size_t i,
                       struct slice label, const struct token_keys *keys)
{
    const struct ticket_code code = {row->event_id, row->booking_id, row->seats[i],
                                     row->versions[i] + 1};
    char id[UUID_TEXT_SIZE], text[TICKET_CODE_SIZE], url[128];

    uuid_format(&row->booking_id, id);
    ticket_code_seal(keys, &code, text);
    snprintf(url, sizeof(url), "/v1/bookings/%s/tickets/%u.svg", id, row->seats[i]);
    json_object_begin(w);
    json_put_id(w, "id", row->seats[i]);
    json_put_str(w, "label", label);
    json_put_str(w, "code", slice_str(text));
    json_put_str(w, "qrUrl", slice_str(url));
    json_object_end(w);
}

/* `only_live`: without those that were given back. */
static void put_tickets(struct json_out *w, const struct purchase_row *row,
                        const struct token_keys *keys, bool only_live)
{
    struct slice labels = buf_slice(&row->labels);

    json_key(w, "tickets");
    json_array_begin(w);
    for (size_t i = 0; i < row->seat_count; i++) {
        struct slice label = slice_cut(&labels, PURCHASE_LABEL_SEPARATOR);

        if (row->live[i] || !only_live)
            put_ticket(w, row, i, label.at ? label : SLICE_LITERAL(""), keys);
    }
    json_array_end(w);
}

static void put_head(struct json_out *w, const struct purchase_row *row, enum booking_state state)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&row->booking_id, id);
    json_put_str(w, "bookingId", slice_str(id));
    json_put_id(w, "eventId", row->event_id);
    json_put_str(w, "state", slice_str(booking_state_text(state)));
}

void booking_json_answer(struct json_out *w, const struct purchase_row *row,
                         const struct token_keys *keys)
{
    bool pending = row->state == BOOKING_PENDING;
    char token[TICKET_CODE_SIZE];

    booking_token_seal(keys, row->event_id, &row->booking_id, token);
    json_object_begin(w);
    put_head(w, row, pending ? BOOKING_PENDING : BOOKING_CONFIRMED);
    if (!pending)
        put_tickets(w, row, keys, false);
    json_put_int(w, "total", row->total);
    json_put_str(w, "currency", slice_str(row->currency));
    json_put_str(w, "accessToken", slice_str(token));
    json_object_end(w);
}

static const char *payment_text(const struct purchase_row *row)
{
    if (row->captured)
        return row->refunded == row->captured ? "refunded"
               : row->refunded                ? "partly_refunded"
                                              : "captured";
    return row->charge == CHARGE_VOIDING || row->charge == CHARGE_VOIDED ? "voided"
           : row->charge == CHARGE_DECLINED                              ? "declined"
                                                                         : "pending";
}

void booking_json(struct json_out *w, const struct purchase_row *row, const struct token_keys *keys)
{
    json_object_begin(w);
    put_head(w, row, row->state);
    if (row->outcome != OUTCOME_SOLD)
        json_put_str(w, "outcome", slice_str(booking_outcome_text(row->outcome)));
    put_tickets(w, row, keys, true);
    json_put_int(w, "total", row->total);
    json_put_str(w, "currency", slice_str(row->currency));
    if (row->charge != CHARGE_NONE) {
        json_key(w, "payment");
        json_object_begin(w);
        json_put_str(w, "provider", slice_str(row->provider));
        json_put_str(w, "state", slice_str(payment_text(row)));
        json_put_int(w, "captured", row->captured);
        json_put_int(w, "refunded", row->refunded);
        json_object_end(w);
    }
    json_put_time(w, "createdAt", row->created_ms);
    if (row->confirmed_ms)
        json_put_time(w, "confirmedAt", row->confirmed_ms);
    json_object_end(w);
}

void refund_json(struct json_out *w, const struct refund_row *row)
{
    char refund[UUID_TEXT_SIZE], booking[UUID_TEXT_SIZE];

    uuid_format(&row->refund_id, refund);
    uuid_format(&row->booking_id, booking);
    json_object_begin(w);
    json_put_str(w, "refundId", slice_str(refund));
    json_put_str(w, "bookingId", slice_str(booking));
    json_put_id(w, "eventId", row->event_id);
    json_put_str(w, "state", slice_str(booking_state_text(row->state)));
    json_key(w, "tickets");
    json_array_begin(w);
    for (size_t i = 0; i < row->seat_count; i++) {
        char n[12];

        snprintf(n, sizeof(n), "%u", row->seats[i]);
        json_str(w, slice_str(n));
    }
    json_array_end(w);
    json_put_int(w, "amount", row->amount);
    json_put_str(w, "currency", slice_str(row->currency));
    json_object_end(w);
}
