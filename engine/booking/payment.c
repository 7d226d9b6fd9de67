#include "engine/booking/payment.h"

#include "engine/base/token.h"

#include <stdarg.h>
#include <stdio.h>

void payment_reference(uint64_t event_id, const struct uuid *booking_id,
                       char ret_reference[PAYMENT_REFERENCE_SIZE])
{
    char text[UUID_TEXT_SIZE];

    uuid_format(booking_id, text);
    snprintf(ret_reference, PAYMENT_REFERENCE_SIZE, "%llu-%s", (unsigned long long)event_id, text);
}

bool payment_reference_parse(struct slice reference, uint64_t *ret_event_id,
                             struct uuid *ret_booking_id)
{
    struct slice rest = reference, event = slice_cut(&rest, '-');

    return rest.at && slice_to_u64(event, ret_event_id) && uuid_parse(rest, ret_booking_id);
}

void payment_call_header(struct payment_call *call, const char *format, ...)
{
    size_t n = 0;
    va_list args;

    while (call->headers[n])
        n++;
    if (n >= array_len(call->header_lines))
        return;
    va_start(args, format);
    vsnprintf(call->header_lines[n], sizeof(call->header_lines[n]), format, args);
    va_end(args);
    call->headers[n] = call->header_lines[n];
}

static void free_texts(struct payment_call *call)
{
    http_fetch_release(&call->fetch);
    buf_free(&call->url);
    buf_free(&call->body);
}

static void fetch_cb(struct http_fetch *fetch, enum status status)
{
    struct payment_call *call = container_of(fetch, struct payment_call, fetch);

    if (!status)
        status = call->provider->ops->parse(call, fetch->http_status, buf_slice(&fetch->answer));
    free_texts(call);
    call->cb(call, status);
}

enum status payment_submit(struct payment_provider *p, struct payment_call *call)
{
    enum status status;

    call->provider = p;
    call->fetch =
        (struct http_fetch){.deadline_ms = p->deadline_ms, .idempotent = true, .cb = fetch_cb};
    memset(call->headers, 0, sizeof(call->headers));
    buf_init(&call->url, 1024);
    buf_init(&call->body, 4096);
    p->ops->build(p, call);
    buf_append_char(&call->url, '\0');
    if (buf_status(&call->url) || buf_status(&call->body)) {
        free_texts(call);
        return STATUS_INVALID;
    }
    call->fetch.url = call->url.at;
    call->fetch.headers = call->headers;
    call->fetch.body = buf_slice(&call->body);
    status = http_fetch_submit(p->client, &call->fetch);
    if (status)
        free_texts(call);
    return status;
}

static bool mac_matches(struct slice hex, const uint8_t mac[32])
{
    uint8_t given[32];

    return hex_decode(hex, given, sizeof(given)) == 32 && secret_equal(given, mac, 32);
}

bool payment_signature_ok(const char *secret, struct slice header, struct slice body, int64_t now_s,
                          int64_t tolerance_s)
{
    struct slice rest = header, stamp = SLICE_NONE;
    struct buf text;
    uint8_t mac[32];
    int64_t t;
    bool good = false;

    while (rest.at && !stamp.at) {
        struct slice part = slice_trim(slice_cut(&rest, ','));

        if (slice_starts_with(part, SLICE_LITERAL("t=")))
            stamp = slice_of(part.at + 2, part.len - 2);
    }
    if (!stamp.at || !slice_to_i64(stamp, &t) || t > now_s + tolerance_s || t < now_s - tolerance_s)
        return false;
    buf_init(&text, body.len + 64);
    buf_append_slice(&text, stamp);
    buf_append_char(&text, '.');
    buf_append_slice(&text, body);
    hmac_sha256(secret, strlen(secret), text.at, text.len, mac);
    buf_free(&text);
    for (rest = header; rest.at && !good;) {
        struct slice part = slice_trim(slice_cut(&rest, ','));

        good = slice_starts_with(part, SLICE_LITERAL("v1=")) &&
               mac_matches(slice_of(part.at + 3, part.len - 3), mac);
    }
    return good;
}
