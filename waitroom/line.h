/* The line of one event as a worker last saw it, and everything that follows from it without asking
 * anybody: phase, position, wait, how often to ask. Pure. */
#ifndef HOLDFAST_WAITROOM_LINE_H
#define HOLDFAST_WAITROOM_LINE_H

#include "engine/base/rng.h"
#include "engine/base/slice.h"

/* Phases follow from stored times and the clock of Redis, not from a scheduler. */
enum line_phase { LINE_IDLE, LINE_PREQUEUE, LINE_OPEN, LINE_PAUSED, LINE_CLOSED };

/* What an operator decides. Times in ms since 1970, 0: none. */
struct line_settings {
    uint64_t version; /* raised by every change */
    int64_t rate_per_minute, max_active, claim_ms;
    int64_t prequeue_ms, opens_ms, closes_ms;
    bool paused;
};

struct line {
    struct line_settings settings;
    int64_t seen_ms; /* Redis time of this view */
    uint32_t epoch;
    uint64_t first, next;      /* the line's numbers are first .. next-1 */
    uint64_t serving, settled; /* below serving: called; below settled: the time to claim is over */
    uint64_t old_high; /* below it nobody knows which were given before the loss; 0: none was */
    uint64_t seq;      /* passes of the meter under this epoch */
    int64_t active, pressure;
    int64_t rate_milli; /* measured admissions per minute, thousandths */
    int64_t resume_ms;  /* admission waits until then */
    int64_t born_ms;
    uint8_t salt[16];
    bool seats_known; /* the four below come from the booking engines */
    uint64_t seats_left, price_from, price_to;
    char currency[4];
};

struct line_wait {
    bool known; /* false: not open, or nothing moves */
    uint32_t low_s, high_s;
};

enum line_phase line_phase(const struct line_settings *s, int64_t now_ms);
const char *line_phase_name(enum line_phase phase);
/* Numbers are shown from the on-sale instant on. */
bool line_numbers_shown(enum line_phase phase);

static inline uint64_t line_waiting(const struct line *line)
{
    return line->next > line->serving ? line->next - line->serving : 0;
}

/* People ahead of `number`; 0 when it is called. */
static inline uint64_t line_ahead(const struct line *line, uint64_t number)
{
    return number > line->serving ? number - line->serving : 0;
}

/* The range of the wait for somebody with so many ahead, from the measured rate. */
struct line_wait line_wait(const struct line *line, enum line_phase phase, uint64_t ahead);
/* When to ask again, ms: grows with the distance from the front, at most LINE_POLL_MAX_MS, spread
 * by up to a fifth either way. */
#define LINE_POLL_MIN_MS 1000
#define LINE_POLL_MAX_MS 30000
uint32_t line_poll_ms(const struct line *line, enum line_phase phase, uint64_t ahead,
                      int64_t now_ms, struct rng *rng);
/* Reads "left,from,to,currency"; false (and seats_known false) for anything else. */
bool line_parse_seats(struct line *line, struct slice text);

#endif
