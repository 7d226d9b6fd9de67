/* Payloads, little-endian: access token (label "booking") u64 event, 16 bytes booking; ticket code
 * (label "code") u64 event, 16 bytes booking, u32 seat, u32 version. */
#include "engine/booking/ticket_code.h"

#include <qrencode.h>

#define ACCESS_LEN 24
#define CODE_LEN   32

void booking_token_seal(const struct token_keys *k, uint64_t event_id,
                        const struct uuid *booking_id, char ret_text[TICKET_CODE_SIZE])
{
    uint8_t payload[ACCESS_LEN];

    put_le64(payload, event_id);
    memcpy(payload + 8, booking_id->bytes, 16);
    token_seal(k, "booking", payload, sizeof(payload), ret_text);
}

enum status booking_token_open(const struct token_keys *k, struct slice text,
                               uint64_t *ret_event_id, struct uuid *ret_booking_id)
{
    uint8_t payload[ACCESS_LEN];
    enum status status = token_open(k, "booking", text, payload, sizeof(payload));

    if (status)
        return status;
    *ret_event_id = get_le64(payload);
    memcpy(ret_booking_id->bytes, payload + 8, 16);
    return STATUS_OK;
}

void ticket_code_seal(const struct token_keys *k, const struct ticket_code *code,
                      char ret_text[TICKET_CODE_SIZE])
{
    uint8_t payload[CODE_LEN];

    put_le64(payload, code->event_id);
    memcpy(payload + 8, code->booking_id.bytes, 16);
    put_le32(payload + 24, code->seat);
    put_le32(payload + 28, code->version);
    token_seal(k, "code", payload, sizeof(payload), ret_text);
}

enum status ticket_code_open(const struct token_keys *k, struct slice text,
                             struct ticket_code *ret_code)
{
    uint8_t payload[CODE_LEN];
    enum status status = token_open(k, "code", text, payload, sizeof(payload));

    if (status)
        return status;
    ret_code->event_id = get_le64(payload);
    memcpy(ret_code->booking_id.bytes, payload + 8, 16);
    ret_code->seat = get_le32(payload + 24);
    ret_code->version = get_le32(payload + 28);
    return STATUS_OK;
}

/* One path of a unit square per dark run of a row. */
static void draw(const QRcode *qr, struct buf *b)
{
    for (int y = 0; y < qr->width; y++) {
        for (int x = 0; x < qr->width;) {
            int run = 0;

            while (x + run < qr->width && qr->data[y * qr->width + x + run] & 1)
                run++;
            if (run)
                buf_printf(b, "M%d %dh%dv1h-%dz", x + 4, y + 4, run, run);
            x += run ? run : 1;
        }
    }
}

enum status ticket_code_svg(struct slice code, struct buf *b)
{
    QRcode *qr = QRcode_encodeData((int)code.len, (const unsigned char *)code.at, 0, QR_ECLEVEL_M);
    int size;

    if (!qr)
        return STATUS_INVALID;
    size = qr->width + 8;
    buf_printf(
        b,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
        "shape-rendering=\"crispEdges\"><rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><path d=\"",
        size, size, size, size);
    draw(qr, b);
    buf_append_str(b, "\"/></svg>\n");
    QRcode_free(qr);
    return buf_status(b);
}
