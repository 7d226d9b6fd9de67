#include "bench/meter.h"

#include "engine/base/mem.h"

#include <stdio.h>

void meter_init(struct meter *m, const char *const *names, int64_t now_ns)
{
    *m = (struct meter){.begun_ns = now_ns};
    for (; names[m->step_count]; m->step_count++) {
        m->steps[m->step_count].name = names[m->step_count];
        hist_init(&m->steps[m->step_count].latency);
    }
}

void meter_free(struct meter *m)
{
    for (size_t i = 0; i < m->step_count; i++)
        hist_free(&m->steps[i].latency);
    mem_free(m->seconds);
}

/* "409 seat_unavailable", "201", "no answer" */
static void name_outcome(char *ret_text, size_t size, int status, struct slice code)
{
    if (code.len)
        snprintf(ret_text, size, "%d %.*s", status, SLICE_ARG(code));
    else
        snprintf(ret_text, size, status ? "%d" : "no answer", status);
}

/* Whether an outcome of this status, named `text`, is that of the code, as far as there was room.
 */
static bool has_code(const char *text, size_t size, int status, struct slice code)
{
    const char *blank = status ? strchr(text, ' ') : NULL;

    if (!blank)
        return code.len == 0;
    size_t room = size - 2 - (size_t)(blank - text);
    return slice_is(slice_of(code.at, code.len < room ? code.len : room), blank + 1);
}

static void count_outcome(struct meter_step *s, int status, struct slice code)
{
    size_t size = sizeof(s->outcomes[0].code), i = 0;

    while (i < s->outcome_count &&
           (s->outcomes[i].status != status || !has_code(s->outcomes[i].code, size, status, code)))
        i++;
    if (i == METER_OUTCOMES_MAX)
        return;
    if (i == s->outcome_count) {
        name_outcome(s->outcomes[i].code, size, status, code);
        s->outcomes[i].status = status;
        s->outcome_count++;
    }
    s->outcomes[i].count++;
}

static struct meter_second *second_of(struct meter *m, int64_t now_ns)
{
    size_t second = (size_t)((now_ns - m->begun_ns) / 1000000000);

    if (second >= METER_SECONDS_MAX)
        second = METER_SECONDS_MAX - 1;
    if (second >= m->second_cap) {
        size_t cap = second * 2 + 64;
        m->seconds = mem_resize(m->seconds, cap * sizeof(*m->seconds));
        memset(m->seconds + m->second_cap, 0, (cap - m->second_cap) * sizeof(*m->seconds));
        m->second_cap = cap;
    }
    if (second >= m->second_count)
        m->second_count = second + 1;
    return &m->seconds[second];
}

void meter_sent(struct meter *m, size_t step)
{
    m->steps[step].sent++;
}

void meter_answer(struct meter *m, size_t step, int64_t intended_ns, int64_t now_ns, int status,
                  struct slice code)
{
    struct meter_step *s = &m->steps[step];
    uint64_t us = now_ns > intended_ns ? (uint64_t)(now_ns - intended_ns) / 1000 : 0;
    struct meter_second *second = second_of(m, now_ns);

    /* An answer that never came counts with the time it was waited for: leaving it out would
     * flatter. */
    hist_record(&s->latency, us);
    s->failed += status == 0 || status >= 500;
    count_outcome(s, status, code);
    second->answered[step]++;
    if (us > second->worst_us[step])
        second->worst_us[step] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

const struct meter_step *meter_find(const struct meter *m, struct slice name)
{
    for (size_t i = 0; i < m->step_count; i++)
        if (slice_is(name, m->steps[i].name))
            return &m->steps[i];
    return NULL;
}
