/* What a payment provider answers: the first byte picks provider and call, the second the HTTP
 * status, the rest is the body. An outcome that there is, or none. */
#include "engine/booking/payment.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const int statuses[] = {200, 201, 202, 400, 402, 404, 409, 422, 429, 500};
    const struct payment_ops *provider;
    struct payment_call call = {.currency = "EUR", .amount = 5000};

    if (len < 2)
        return 0;
    provider = at[0] & 8 ? &payment_stripe : &payment_sim;
    call.op = (enum payment_op)((at[0] & 7) % (PAYMENT_FENCE + 1));
    if (provider->parse(&call, statuses[at[1] % array_len(statuses)], slice_of(at + 2, len - 2)) !=
        STATUS_OK)
        return 0;
    must(call.outcome >= PAYMENT_AUTHORIZED && call.outcome <= PAYMENT_REFUSED);
    must(memchr(call.provider_ref, '\0', sizeof(call.provider_ref)) != NULL);
    must(call.outcome != PAYMENT_UNKNOWN || call.op == PAYMENT_LOOKUP || call.op == PAYMENT_FENCE);
    return 0;
}
