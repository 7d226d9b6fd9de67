/* Where the auditor gets its facts: PostgreSQL, Redis and Kafka through the same ops tables as the
 * engine, one question at a time. */
#ifndef HOLDFAST_AUDITOR_FACTS_H
#define HOLDFAST_AUDITOR_FACTS_H

#include "engine/net/loop.h"
#include "engine/store/bus.h"
#include "engine/store/db.h"
#include "engine/store/kv.h"

struct facts {
    struct loop *loop;
    struct db *db;
    struct kv *kv;
    struct bus *bus;
};

typedef void (*facts_rows_fn)(const struct db_result *result, void *ctx);
typedef void (*facts_reply_fn)(const struct kv_reply *reply, void *ctx);

/* Waits until PostgreSQL, Redis and Kafka are there; false after `seconds`, ret_why names the one
 * that is missing. */
bool facts_ready(struct facts *f, unsigned seconds, const char **ret_why);
/* Each turns the loop until the answer is there; `read` gets it. */
enum status facts_query(struct facts *f, const struct db_statement *statement,
                        const struct slice *params, facts_rows_fn read, void *ctx) MUST_CHECK;
enum status facts_command(struct facts *f, const struct slice *args, size_t count,
                          facts_reply_fn read, void *ctx) MUST_CHECK;
/* Every message of a topic, from its beginning to what was its end at the call. */
enum status facts_topic(struct facts *f, const char *topic,
                        void (*read)(const struct bus_message *message, void *ctx),
                        void *ctx) MUST_CHECK;
/* Turns the loop for so long. */
void facts_wait(struct facts *f, unsigned ms);

#endif
