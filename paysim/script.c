#include "paysim/script.h"

#include "engine/base/mem.h"

static const struct script declined = {"tok_declined", SCRIPT_DECLINE, SCRIPT_AT_ONCE,
                                       SCRIPT_AT_ONCE, SCRIPT_NO_WEBHOOK};

static const struct script scripts[] = {
    {"tok_visa", SCRIPT_APPROVE, SCRIPT_AT_ONCE, SCRIPT_AT_ONCE, SCRIPT_NO_WEBHOOK},
    {"tok_slow", SCRIPT_APPROVE, SCRIPT_SLOW, SCRIPT_AT_ONCE, SCRIPT_NO_WEBHOOK},
    {"tok_timeout", SCRIPT_APPROVE, SCRIPT_LOST, SCRIPT_AT_ONCE, SCRIPT_NO_WEBHOOK},
    {"tok_capture_timeout", SCRIPT_APPROVE, SCRIPT_AT_ONCE, SCRIPT_LOST, SCRIPT_NO_WEBHOOK},
    {"tok_webhook_late", SCRIPT_PEND_LATE, SCRIPT_AT_ONCE, SCRIPT_AT_ONCE, SCRIPT_ONE},
    {"tok_webhook_twice", SCRIPT_PEND_SHORT, SCRIPT_AT_ONCE, SCRIPT_AT_ONCE, SCRIPT_TWICE},
    {"tok_webhook_lost", SCRIPT_PEND_SHORT, SCRIPT_AT_ONCE, SCRIPT_AT_ONCE, SCRIPT_NO_WEBHOOK},
    {"tok_webhook_reordered", SCRIPT_PEND_SHORT, SCRIPT_AT_ONCE, SCRIPT_AT_ONCE, SCRIPT_REORDERED},
};

const struct script *script_of(struct slice token)
{
    for (size_t i = 0; i < array_len(scripts); i++) {
        if (slice_is(token, scripts[i].token))
            return &scripts[i];
    }
    return &declined;
}
