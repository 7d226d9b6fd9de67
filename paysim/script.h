/* What a payment token makes the simulator do.
 *
 * | token | authorise | capture | webhooks |
 * |---|---|---|---|
 * | tok_visa | at once | at once | none |
 * | tok_declined, and any that is not known | declined | | |
 * | tok_slow | after slow_ms | at once | none |
 * | tok_timeout | done, answer lost | at once | none |
 * | tok_capture_timeout | at once | done, answer lost | none |
 * | tok_webhook_late | pending, done after late_ms | at once | then one |
 * | tok_webhook_twice | pending, done after 200 ms | at once | two of the same id |
 * | tok_webhook_lost | pending, done after 200 ms | at once | none |
 * | tok_webhook_reordered | pending, done after 200 ms | at once | the news "authorized", then the
 * older news "pending" |
 *
 * A lost answer comes after hang_ms, when whoever asked has stopped waiting. */
#ifndef HOLDFAST_PAYSIM_SCRIPT_H
#define HOLDFAST_PAYSIM_SCRIPT_H

#include "engine/base/slice.h"

enum script_webhook { SCRIPT_NO_WEBHOOK, SCRIPT_ONE, SCRIPT_TWICE, SCRIPT_REORDERED };
enum script_delay { SCRIPT_AT_ONCE, SCRIPT_SLOW, SCRIPT_LOST };
enum script_decision { SCRIPT_APPROVE, SCRIPT_DECLINE, SCRIPT_PEND_SHORT, SCRIPT_PEND_LATE };

struct script {
    const char *token;
    enum script_decision decision;
    enum script_delay authorize, capture;
    enum script_webhook webhook;
};

/* Never NULL: an unknown token is declined. */
const struct script *script_of(struct slice token);

#endif
