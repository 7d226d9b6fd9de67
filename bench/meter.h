/* What a run measured: per step of a scenario a latency histogram from the intended instant, counts
 * of outcomes, and a timeline by the second. */
#ifndef HOLDFAST_BENCH_METER_H
#define HOLDFAST_BENCH_METER_H

#include "engine/base/hist.h"
#include "engine/base/slice.h"

#define METER_STEPS_MAX    16
#define METER_OUTCOMES_MAX 24
#define METER_SECONDS_MAX  86400

/* One step of a user's way: "join", "hold". */
struct meter_step {
    const char *name;
    struct hist latency;   /* us, of all answered requests, from the intended instant */
    uint64_t sent, failed; /* failed: no answer, or a 5xx */
    struct {
        int status;
        char code[32]; /* "201", "409 seat_unavailable" */
        uint64_t count;
    } outcomes[METER_OUTCOMES_MAX];
    size_t outcome_count;
};

/* A second of the run: answered requests and their worst latency per step. */
struct meter_second {
    uint32_t answered[METER_STEPS_MAX];
    uint32_t worst_us[METER_STEPS_MAX];
};

struct meter {
    struct meter_step steps[METER_STEPS_MAX];
    size_t step_count;
    int64_t begun_ns;
    struct meter_second *seconds; /* owned */
    size_t second_count, second_cap;
};

/* `names` NULL-terminated, static. */
void meter_init(struct meter *m, const char *const *names, int64_t now_ns);
void meter_free(struct meter *m);
/* An answer to step `step`: `status` 0 means none came; `code` is the problem's code or empty. */
void meter_answer(struct meter *m, size_t step, int64_t intended_ns, int64_t now_ns, int status,
                  struct slice code);
void meter_sent(struct meter *m, size_t step);
/* NULL: no such step. */
const struct meter_step *meter_find(const struct meter *m, struct slice name);

#endif
