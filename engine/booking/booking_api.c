#include "engine/booking/booking_api.h"

#include "engine/booking/booking_json.h"

bool booking_access(struct till *t, struct http_request *req, uint64_t *ret_event_id,
                    struct uuid *ret_booking_id)
{
    struct slice token = http_credential(req, "Booking");
    struct uuid asked;

    if (!token.at || booking_token_open(&t->keys, token, ret_event_id, ret_booking_id)) {
        http_header(req, "WWW-Authenticate", "Booking");
        http_reply_problem(req, PROBLEM_UNAUTHORIZED, NULL);
        return false;
    }
    if (!uuid_parse(req->params[0], &asked) || memcmp(&asked, ret_booking_id, sizeof(asked)) != 0) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, NULL);
        return false;
    }
    return true;
}

/* ---- reading the row ---- */

struct booking_reader {
    struct ledger_call call;
    struct till *till;
    struct http_request *req;
    uint32_t seat; /* of a ticket */
    void (*reply)(struct booking_reader *r);
};

static void read_cb(struct ledger_call *call, enum status status)
{
    struct booking_reader *r = container_of(call, struct booking_reader, call);

    if (status)
        http_reply_failure(r->req, status);
    else if (call->verdict == LEDGER_NONE)
        http_reply_problem(r->req, PROBLEM_NOT_FOUND, NULL);
    else
        r->reply(r);
    purchase_row_free(&call->row);
    mem_free(r);
}

static void read_booking(struct till *t, struct http_request *req, uint32_t seat,
                         void (*reply)(struct booking_reader *r))
{
    struct booking_reader *r;
    uint64_t event_id;
    struct uuid booking_id;
    enum status status;

    if (!booking_access(t, req, &event_id, &booking_id))
        return;
    r = mem_alloc(sizeof(*r));
    purchase_row_init(&r->call.row);
    r->till = t;
    r->req = req;
    r->seat = seat;
    r->reply = reply;
    r->call.cb = read_cb;
    r->call.row.event_id = event_id;
    r->call.row.booking_id = booking_id;
    status = ledger_read(t->engine->db, &r->call, http_left_ms(req, LEDGER_DEADLINE_MS));
    if (status)
        read_cb(&r->call, status);
}

/* ---- GET /v1/bookings/{bookingId} ---- */

static void reply_booking(struct booking_reader *r)
{
    struct json_out w;

    json_begin(&w, r->req->out);
    booking_json(&w, &r->call.row, &r->till->keys);
    http_header(r->req, "Cache-Control", "private, no-store");
    http_reply(r->req, 200, "application/json");
}

void booking_get(struct http_request *req, void *till)
{
    read_booking(till, req, 0, reply_booking);
}

/* ---- GET /v1/bookings/{bookingId}/tickets/{id}.svg ---- */

static void reply_svg(struct http_request *req, struct slice code)
{
    if (ticket_code_svg(code, req->out)) {
        http_reply_problem(req, PROBLEM_INTERNAL, NULL);
        return;
    }
    http_header(req, "Cache-Control", "private, max-age=300");
    http_reply(req, 200, "image/svg+xml");
}

static void reply_ticket(struct booking_reader *r)
{
    const struct purchase_row *row = &r->call.row;
    char code[TICKET_CODE_SIZE];

    for (size_t i = 0; i < row->seat_count; i++) {
        if (row->seats[i] == r->seat && row->live[i]) {
            const struct ticket_code content = {row->event_id, row->booking_id, row->seats[i],
                                                row->versions[i] + 1};

            ticket_code_seal(&r->till->keys, &content, code);
            reply_svg(r->req, slice_str(code));
            return;
        }
    }
    http_reply_problem(r->req, PROBLEM_NOT_FOUND, "The booking has no such live ticket.");
}

static bool seat_of(struct slice file, uint32_t *ret_seat)
{
    uint64_t n;

    if (file.len < 5 || memcmp(file.at + file.len - 4, ".svg", 4) != 0 ||
        !slice_to_u64(slice_of(file.at, file.len - 4), &n) || n > UINT32_MAX)
        return false;
    *ret_seat = (uint32_t)n;
    return true;
}

/* The code itself opens its picture, so that a page or a mail can show it. */
static void reply_code(struct till *t, struct http_request *req, struct slice text, uint32_t seat)
{
    struct ticket_code code;
    struct uuid booking;

    if (ticket_code_open(&t->keys, text, &code) || !uuid_parse(req->params[0], &booking) ||
        code.seat != seat || memcmp(&booking, &code.booking_id, sizeof(booking)) != 0)
        http_reply_problem(req, PROBLEM_NOT_FOUND, NULL);
    else
        reply_svg(req, text);
}

void ticket_get(struct http_request *req, void *till)
{
    struct slice code = http_query_get(req, "code", NULL);
    uint32_t seat;

    if (!seat_of(req->params[1], &seat))
        http_reply_problem(req, PROBLEM_NOT_FOUND, NULL);
    else if (code.at)
        reply_code(till, req, code, seat);
    else
        read_booking(till, req, seat, reply_ticket);
}
