/* Passes of the waiting room: JWTs signed with Ed25519, checked once and then remembered. The
 * public keys come from the waiting room's JWKS. */
#ifndef HOLDFAST_BOOKING_PASS_H
#define HOLDFAST_BOOKING_PASS_H

#include "engine/base/jwt.h"
#include "engine/base/list.h"
#include "engine/net/http_client.h"
#include "engine/net/loop.h"

enum pass_verdict {
    PASS_VALID,
    PASS_EXPIRED, /* genuine and for this event, but its time is over: good for replays only */
    PASS_INVALID, /* forged, for another event, malformed */
    PASS_UNKNOWN, /* no key known that made it: wait with passes_refresh, then ask once more */
};

struct passes;
struct pass_wait;
/* OK: keys were fetched (or need not be again). UNAVAILABLE, TIMEOUT...: nobody can tell now
 * whether a pass is genuine. */
typedef void (*pass_wait_cb)(struct pass_wait *wait, enum status status);

struct pass_wait {
    pass_wait_cb cb;
    struct list link; /* private */
};

/* `client` (borrowed) fetches `jwks_url`, which may be NULL: then every pass is UNKNOWN. Starts
 * fetching at once. `remember`: how many checked passes are kept. */
struct passes *passes_new(struct loop *l, struct http_client *client, const char *jwks_url,
                          size_t remember);
void passes_stop(struct passes *p); /* what waits completes with CANCELED, inside the call */
void passes_free(
    struct passes *p); /* after it was stopped, the client is freed and the loop has turned */
bool passes_ready(struct passes *p, const char **ret_why);

/* Looks at a pass for an event. Never waits: PASS_UNKNOWN asks for passes_refresh. Claims are
 * filled for VALID and EXPIRED. */
enum pass_verdict pass_check(struct passes *p, struct slice token, uint64_t event_id,
                             struct jwt_claims *ret_claims);
/* Fetches the keys again, at most every few seconds however many wrong passes come: in between it
 * completes with OK at once (in the next turn). */
enum status passes_refresh(struct passes *p, struct pass_wait *wait) MUST_CHECK;

#endif
