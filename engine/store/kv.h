/* The fast store (Redis) as the domain sees it: scripts and commands, all of one loop turn in one
 * write, each with a deadline. Behind an ops table: kv_redis.c is production, the simulation brings
 * its own. */
#ifndef HOLDFAST_STORE_KV_H
#define HOLDFAST_STORE_KV_H

#include "engine/base/list.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

struct kv;
struct kv_request;

enum kv_kind { KV_NIL, KV_INT, KV_STR, KV_ARRAY, KV_ERROR };

/* An answer, a tree; valid only during the callback. */
struct kv_reply {
    enum kv_kind kind;
    int64_t integer;
    struct slice str;                /* KV_STR; KV_ERROR: the text, "NOMIRROR ..." */
    const struct kv_reply *elements; /* KV_ARRAY */
    size_t count;
};

/* status OK: reply is not NULL and not KV_ERROR. INTERNAL: the store answered an error, reply has
 * its text. TIMEOUT, UNAVAILABLE, CANCELED: reply is NULL, and whether the command ran is not
 * known. */
typedef void (*kv_cb)(struct kv_request *request, enum status status, const struct kv_reply *reply);

/* Embedded by the caller, who owns it until the callback. */
struct kv_request {
    kv_cb cb;
    /* private */
    struct kv *kv;
    struct list link;
    int64_t deadline_ns;
    const struct kv_script *script;
    struct buf *resend; /* the encoded command while a script may have to be loaded */
    uint64_t seq;       /* of the command on its connection */
};

/* A Lua script: its source is embedded in the program at build time (engine/booking/lua/NAME.lua ->
 * lua_NAME), called by SHA-1, loaded when Redis does not know it. */
struct kv_script {
    const char *name;   /* "hold_place" */
    const char *source; /* NUL-terminated */
    char sha[41];       /* private, filled at kv_script_init */
};
void kv_script_init(struct kv_script *script);

struct kv_ops {
    enum status (*command)(struct kv *kv, struct kv_request *request, const struct slice *args,
                           size_t count, unsigned deadline_ms);
    enum status (*eval)(struct kv *kv, struct kv_request *request, const struct kv_script *script,
                        const struct slice *keys, size_t key_count, const struct slice *args,
                        size_t arg_count, unsigned deadline_ms);
    bool (*ready)(struct kv *kv, const char **ret_why);
    void (*close)(struct kv *kv);
};

struct kv {
    const struct kv_ops *ops;
    /* Names the running server process (Redis run_id): changes when the server restarts or another
     * takes over. "" while unknown. A script that keeps derived state compares it with what it
     * stored, so that an older or empty store is never mistaken for the current one. */
    char run_id[41];
    void (*on_run_id)(struct kv *kv, void *ctx); /* called when it changed; may be NULL */
    void *on_run_id_ctx;
};

/* Submits. The arguments are copied before the call returns. UNAVAILABLE while not connected
 * (nothing is queued offline), OVERLOADED past the limit of requests in flight, TIMEOUT when
 * deadline_ms is 0 (due.h: no time is left): then no callback, and nothing was sent. */
static inline MUST_CHECK enum status kv_command(struct kv *kv, struct kv_request *request,
                                                const struct slice *args, size_t count,
                                                unsigned deadline_ms)
{
    if (deadline_ms == 0)
        return STATUS_TIMEOUT;
    return kv->ops->command(kv, request, args, count, deadline_ms);
}

static inline MUST_CHECK enum status kv_eval(struct kv *kv, struct kv_request *request,
                                             const struct kv_script *script,
                                             const struct slice *keys, size_t key_count,
                                             const struct slice *args, size_t arg_count,
                                             unsigned deadline_ms)
{
    if (deadline_ms == 0)
        return STATUS_TIMEOUT;
    return kv->ops->eval(kv, request, script, keys, key_count, args, arg_count, deadline_ms);
}

static inline bool kv_ready(struct kv *kv, const char **ret_why)
{
    return kv->ops->ready(kv, ret_why);
}

/* Completes everything with CANCELED (in the next turn), then frees itself. */
static inline void kv_close(struct kv *kv)
{
    kv->ops->close(kv);
}

/* Readers of replies; false when the shape is another. */
bool kv_reply_u64(const struct kv_reply *r,
                  uint64_t *ret_value); /* an integer >= 0, or a decimal string */
const struct kv_reply *kv_reply_at(const struct kv_reply *r,
                                   size_t index); /* element, or a static NIL */

#endif
