/* The way into a call about an event: the event is known, the pass is checked. Every refusal on the
 * way is answered here. */
#ifndef HOLDFAST_BOOKING_ENTRY_H
#define HOLDFAST_BOOKING_ENTRY_H

#include "engine/booking/engine.h"
#include "engine/net/http.h"

struct entry;
typedef void (*entry_fn)(struct entry *entry);

enum entry_need {
    ENTRY_OPEN,    /* anybody */
    ENTRY_SHOPPER, /* a pass when the event has a queue */
};

/* Embedded by the caller, zeroed. */
struct entry {
    struct engine *engine;
    struct http_request *req;
    uint64_t event_id;
    struct event *event; /* counted; entry_end gives it back */
    /* of the pass; "" without a queue */
    char session[HOLD_SESSION_SIZE];
    char customer[HOLD_CUSTOMER_SIZE];
    int64_t session_expires_ms; /* may be past: then only the replay of an answered write is
                                   possible, the scripts say so */
    /* private */
    enum entry_need need;
    entry_fn ready, refused;
    struct event_wait event_wait;
    struct pass_wait pass_wait;
    bool refreshed;
};

/* Calls ready(entry) when all is known, or answers the problem and calls refused(entry), which may
 * free it. Both may come inside the call. */
void entry_begin(struct entry *entry, struct engine *engine, struct http_request *req,
                 uint64_t event_id, enum entry_need need, entry_fn ready, entry_fn refused);
void entry_end(struct entry *entry); /* gives the event back */

/* The Idempotency-Key, or the problem is answered (missing: 400, not 1..255 visible ASCII
 * characters: 400) and false returned. */
bool idempotency_key(struct http_request *req, struct slice *ret_key) MUST_CHECK;
/* Names the record of this key: hex SHA-256 over whose it is (the session, without one the client's
 * address) and the key. */
void entry_key(const struct entry *entry, struct slice key, char ret_hex[65]);

#endif
