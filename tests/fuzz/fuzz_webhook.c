/* A webhook: the signature header is the first line, the payload is the rest. Nothing that is
 * signed otherwise, changed or old is accepted, and a payload is read or refused. */
#include "engine/booking/payment.h"
#include "tests/fuzz/fuzz.h"

enum { NOW_S = 1000, TOLERANCE_S = 300 };

static void check_signature(struct slice header, struct slice body)
{
    struct slice shorter = slice_of(body.at, body.len ? body.len - 1 : 0);

    if (!payment_signature_ok("whsec", header, body, NOW_S, TOLERANCE_S))
        return;
    must(!payment_signature_ok("another", header, body, NOW_S, TOLERANCE_S));
    must(!payment_signature_ok("whsec", header, body, NOW_S + 2 * TOLERANCE_S + 1, TOLERANCE_S));
    must(!payment_signature_ok("whsec", header, body, NOW_S - 2 * TOLERANCE_S - 1, TOLERANCE_S));
    must(body.len == 0 || !payment_signature_ok("whsec", header, shorter, NOW_S, TOLERANCE_S));
}

static void check_payload(const struct payment_ops *provider, struct slice body)
{
    struct payment_webhook hook = {.event_id = 7};

    if (provider->webhook(body, &hook) != STATUS_OK)
        return;
    must(memchr(hook.id, '\0', sizeof(hook.id)) != NULL);
    if (hook.event_id) {
        char reference[PAYMENT_REFERENCE_SIZE];
        struct uuid booking;
        uint64_t event;

        payment_reference(hook.event_id, &hook.booking_id, reference);
        must(payment_reference_parse(slice_str(reference), &event, &booking));
        must(event == hook.event_id &&
             memcmp(booking.bytes, hook.booking_id.bytes, sizeof(booking.bytes)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice body = slice_of(at, len), header = slice_cut(&body, '\n');

    if (!body.at)
        body = slice_of("", 0);
    check_signature(header, body);
    check_payload(&payment_sim, body);
    check_payload(&payment_stripe, body);
    return 0;
}
