/* A model of Redis in memory: the commands that the booking core uses, on a clock that the caller
 * moves; its scripts run as they are, in the same Lua 5.1 that Redis has. So there is no second
 * version of a script that could differ from the first; that the commands do not differ is what
 * tests/integration/test_fakes_agree.c shows. */
#ifndef HOLDFAST_TESTS_SIM_REDIS_MODEL_H
#define HOLDFAST_TESTS_SIM_REDIS_MODEL_H

#include "engine/base/map.h"
#include "engine/store/kv.h"
#include "tests/sim/arena.h"

struct redis_model {
    int64_t now_ms;     /* the wall clock of the server: set before each run */
    uint64_t changes;   /* commands that wrote */
    unsigned skip_revs; /* plant: every so many INCR raise by two; 0: never */
    /* private */
    struct map objects;
    struct arena arena;
    unsigned incrs;
};

void redis_init(struct redis_model *m);
void redis_free(struct redis_model *m);
void redis_flush(struct redis_model *m);
/* `to` becomes what `from` is; `to` is initialised. */
void redis_copy(struct redis_model *to, const struct redis_model *from);

/* Runs one command, or a script. The answer lives until the next run; it may be KV_ERROR. An
 * unknown command aborts: the model has to learn it. */
const struct kv_reply *redis_run(struct redis_model *m, const struct slice *args, size_t count);
const struct kv_reply *redis_eval(struct redis_model *m, const struct kv_script *script,
                                  const struct slice *keys, size_t key_count,
                                  const struct slice *args, size_t arg_count);

/* The commands it knows, by number, and how often each has run in this process; NULL behind the
 * last. */
const char *redis_command_name(size_t i, uint64_t *ret_runs);

/* ---- looking without touching, for invariants; SLICE_NONE when there is none ---- */

struct slice redis_string(const struct redis_model *m, const char *key);
struct slice redis_field(const struct redis_model *m, const char *key, const char *field);
size_t redis_zset_size(const struct redis_model *m, const char *key);
struct slice redis_zset_member(const struct redis_model *m, const char *key, size_t index,
                               int64_t *ret_score);
size_t redis_stream_size(const struct redis_model *m, const char *key);
/* The entry's first number and its fields, name and value in turn. */
uint64_t redis_stream_entry(const struct redis_model *m, const char *key, size_t index,
                            const struct slice **ret_fields, size_t *ret_count);

#endif
