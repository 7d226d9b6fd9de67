#include "engine/booking/purchase_row.h"

#include "engine/base/json.h"

#include <assert.h>
#include <stdio.h>

static const char *const state_texts[] = {
#define X(name, text) text,
    BOOKING_STATE_MAP(X)
#undef X
};
static const char *const charge_texts[] = {
#define X(name, text) text,
    CHARGE_STATE_MAP(X)
#undef X
};
static const char *const outcome_texts[] = {
#define X(name, text) text,
    BOOKING_OUTCOME_MAP(X)
#undef X
};

void purchase_row_init(struct purchase_row *row)
{
    memset(row, 0, sizeof(*row));
    buf_init(&row->labels, PURCHASE_LABELS_MAX);
}

void purchase_row_free(struct purchase_row *row)
{
    buf_free(&row->labels);
}

const char *booking_state_text(enum booking_state state)
{
    return state_texts[state];
}

const char *booking_outcome_text(enum booking_outcome outcome)
{
    return outcome_texts[outcome];
}

static bool find(const char *const *texts, size_t count, struct slice text, size_t *ret_index)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(text, texts[i])) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

bool booking_state_parse(struct slice text, enum booking_state *ret_state)
{
    size_t i;
    bool known = find(state_texts, array_len(state_texts), text, &i);

    if (known)
        *ret_state = (enum booking_state)i;
    return known;
}

bool booking_outcome_parse(struct slice text, enum booking_outcome *ret_outcome)
{
    size_t i;
    bool known = find(outcome_texts, array_len(outcome_texts), text, &i);

    if (known)
        *ret_outcome = (enum booking_outcome)i;
    return known;
}

bool charge_state_parse(struct slice text, enum charge_state *ret_state)
{
    size_t i;
    bool known = find(charge_texts, array_len(charge_texts), text, &i);

    if (known)
        *ret_state = (enum charge_state)i;
    return known;
}

size_t seat_numbers_read(struct slice text, uint32_t ret_numbers[HOLD_SEATS_MAX])
{
    struct slice rest = text;
    size_t n = 0;

    while (rest.at && rest.len && n < HOLD_SEATS_MAX) {
        uint64_t value;

        if (!slice_to_u64(slice_cut(&rest, ','), &value) || value > UINT32_MAX)
            break;
        ret_numbers[n++] = (uint32_t)value;
    }
    return n;
}

static void read_text(const struct db_result *r, size_t at, size_t column, char *ret_text,
                      size_t size)
{
    bool fits = slice_to_str(db_null(r, at, column) ? SLICE_LITERAL("") : db_value(r, at, column),
                             ret_text, size);

    assert(fits);
}

static void read_uuid(const struct db_result *r, size_t at, size_t column, struct uuid *ret_uuid)
{
    bool good = uuid_parse(db_value(r, at, column), ret_uuid);

    assert(good);
}

/* Columns of the view, in its order. */
enum column {
    EVENT,
    BOOKING,
    FINGERPRINT,
    STATE,
    STEP,
    OUTCOME,
    LEASED,
    HOLD,
    SESSION,
    FENCE,
    EXPIRES,
    SEATS,
    VERSIONS,
    EMAIL,
    NAME,
    TOTAL,
    CURRENCY,
    CREATED,
    CONFIRMED,
    PROVIDER,
    TOKEN,
    PAYMENT_STATE,
    PROVIDER_REF,
    CAPTURED,
    REFUNDED,
    LABELS,
    LIVE,
    COLUMNS,
};

static void read_states(struct purchase_row *row, const struct db_result *r, size_t at,
                        size_t first)
{
    bool good = booking_state_parse(db_value(r, at, first + STATE), &row->state);

    good = good &&
           booking_outcome_parse(db_null(r, at, first + OUTCOME) ? SLICE_LITERAL("")
                                                                 : db_value(r, at, first + OUTCOME),
                                 &row->outcome);
    good = good && charge_state_parse(db_null(r, at, first + PAYMENT_STATE)
                                          ? SLICE_LITERAL("")
                                          : db_value(r, at, first + PAYMENT_STATE),
                                      &row->charge);
    assert(good);
    row->leased = db_bool(r, at, first + LEASED);
}

static void read_seats(struct purchase_row *row, const struct db_result *r, size_t at, size_t first)
{
    uint32_t live[HOLD_SEATS_MAX];
    size_t tickets =
        db_null(r, at, first + LIVE) ? 0 : seat_numbers_read(db_value(r, at, first + LIVE), live);

    row->seat_count = seat_numbers_read(db_value(r, at, first + SEATS), row->seats);
    seat_numbers_read(db_value(r, at, first + VERSIONS), row->versions);
    for (size_t i = 0; i < row->seat_count; i++)
        row->live[i] = i < tickets && live[i];
    buf_clear(&row->labels);
    if (!db_null(r, at, first + LABELS))
        buf_append_slice(&row->labels, db_value(r, at, first + LABELS));
}

void purchase_row_read(struct purchase_row *row, const struct db_result *r, size_t at, size_t first)
{
    assert(r->columns >= first + COLUMNS);
    row->event_id = (uint64_t)db_i64(r, at, first + EVENT);
    read_uuid(r, at, first + BOOKING, &row->booking_id);
    read_uuid(r, at, first + FINGERPRINT, &row->fingerprint);
    read_states(row, r, at, first);
    read_text(r, at, first + HOLD, row->hold_id, sizeof(row->hold_id));
    read_text(r, at, first + SESSION, row->session, sizeof(row->session));
    row->fence = (uint64_t)db_i64(r, at, first + FENCE);
    row->expires_ms = db_time_ms(r, at, first + EXPIRES);
    read_seats(row, r, at, first);
    read_text(r, at, first + EMAIL, row->email, sizeof(row->email));
    read_text(r, at, first + NAME, row->name, sizeof(row->name));
    row->total = db_i64(r, at, first + TOTAL);
    read_text(r, at, first + CURRENCY, row->currency, sizeof(row->currency));
    row->created_ms = db_time_ms(r, at, first + CREATED);
    row->confirmed_ms =
        db_null(r, at, first + CONFIRMED) ? 0 : db_time_ms(r, at, first + CONFIRMED);
    read_text(r, at, first + PROVIDER, row->provider, sizeof(row->provider));
    read_text(r, at, first + TOKEN, row->token, sizeof(row->token));
    read_text(r, at, first + PROVIDER_REF, row->provider_ref, sizeof(row->provider_ref));
    row->captured = db_i64(r, at, first + CAPTURED);
    row->refunded = db_i64(r, at, first + REFUNDED);
}

void purchase_row_news(const struct purchase_row *row, struct buf *b)
{
    struct json_out w;
    char id[UUID_TEXT_SIZE];

    uuid_format(&row->booking_id, id);
    json_begin(&w, b);
    json_object_begin(&w);
    json_put_id(&w, "eventId", row->event_id);
    json_put_str(&w, "bookingId", slice_str(id));
    json_put_str(&w, "state", slice_str(booking_state_text(BOOKING_CONFIRMED)));
    json_key(&w, "seats");
    json_array_begin(&w);
    for (size_t i = 0; i < row->seat_count; i++)
        json_int(&w, row->seats[i]);
    json_array_end(&w);
    json_put_int(&w, "total", row->total);
    json_put_str(&w, "currency", slice_str(row->currency));
    json_put_str(&w, "email", slice_str(row->email));
    json_put_str(&w, "name", slice_str(row->name));
    json_object_end(&w);
}

void purchase_row_payment(const struct purchase_row *row, enum payment_op op, const char *step,
                          payment_cb cb, struct payment_call *ret_call)
{
    char id[UUID_TEXT_SIZE];

    *ret_call = (struct payment_call){.cb = cb, .op = op, .amount = row->total};
    payment_reference(row->event_id, &row->booking_id, ret_call->reference);
    uuid_format(&row->booking_id, id);
    snprintf(ret_call->key, sizeof(ret_call->key), "%s-%s", id, step);
    memcpy(ret_call->token, row->token, sizeof(ret_call->token));
    memcpy(ret_call->currency, row->currency, sizeof(ret_call->currency));
    memcpy(ret_call->provider_ref, row->provider_ref, sizeof(ret_call->provider_ref));
}
