/* Rebuilds the Redis state of an event from PostgreSQL, with a new epoch; protocol in
 * docs/architecture.md, "The mirror". */
#ifndef HOLDFAST_BOOKING_MIRROR_H
#define HOLDFAST_BOOKING_MIRROR_H

#include "engine/net/loop.h"
#include "engine/store/db.h"
#include "engine/store/kv.h"

struct mirror;
struct mirror_wait;

/* OK: the mirror is valid. NOT_FOUND: no such event. TIMEOUT, UNAVAILABLE, CANCELED: not now. */
typedef void (*mirror_cb)(struct mirror_wait *wait, enum status status);

/* Embedded by the caller, who owns it until the callback. */
struct mirror_wait {
    mirror_cb cb;
    struct list link; /* private */
};

extern const struct db_statement mirror_truth_statement;

/* `kv` and `db` are borrowed. */
struct mirror *mirror_new(struct loop *l, struct kv *kv, struct db *db);
void mirror_stop(struct mirror *m); /* what only waits completes with CANCELED, inside the call;
                                       what is under way when kv and db are closed */
void mirror_free(
    struct mirror *m); /* after it was stopped, kv and db are closed and the loop has turned */

/* Called after every rebuild that this process has made: whoever publishes snapshots wants to know.
 */
void mirror_on_rebuilt(struct mirror *m, void (*fn)(void *ctx, uint64_t event_id), void *ctx);

/* Rebuilds unless the mirror is valid; with `force` also then. Those who ask for an event that is
 * being rebuilt, here or by another process, wait for that. At most 5 s. */
enum status mirror_repair(struct mirror *m, uint64_t event_id, bool force,
                          struct mirror_wait *wait) MUST_CHECK;

uint64_t mirror_rebuilds(const struct mirror *m); /* made by this process */

#endif
