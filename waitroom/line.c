#include "waitroom/line.h"

/* Around the estimate: the rate swings, and people ahead leave or stay longer. */
#define WAIT_LOW     0.75
#define WAIT_HIGH    1.4
#define WAIT_SLACK_S 5.0
#define WAIT_MAX_S   (30.0 * 86400)
/* Somebody asks about ten times on the way to the front. */
#define POLLS_PER_WAIT 10

enum line_phase line_phase(const struct line_settings *s, int64_t now_ms)
{
    if (s->closes_ms > 0 && now_ms >= s->closes_ms)
        return LINE_CLOSED;
    if (s->opens_ms > 0 && now_ms >= s->opens_ms)
        return s->paused ? LINE_PAUSED : LINE_OPEN;
    if (s->prequeue_ms > 0 && now_ms >= s->prequeue_ms)
        return LINE_PREQUEUE;
    return LINE_IDLE;
}

const char *line_phase_name(enum line_phase phase)
{
    static const char *const names[] = {"idle", "prequeue", "open", "paused", "closed"};

    return names[phase];
}

bool line_numbers_shown(enum line_phase phase)
{
    return phase == LINE_OPEN || phase == LINE_PAUSED || phase == LINE_CLOSED;
}

struct line_wait line_wait(const struct line *line, enum line_phase phase, uint64_t ahead)
{
    double per_second = (double)line->rate_milli / 60000;
    double seconds;

    if (phase != LINE_OPEN || per_second <= 0)
        return (struct line_wait){.known = false};
    seconds = (double)ahead / per_second;
    if (line->resume_ms > line->seen_ms)
        seconds += (double)(line->resume_ms - line->seen_ms) / 1000;
    if (seconds > WAIT_MAX_S)
        return (struct line_wait){.known = false};
    return (struct line_wait){.known = true,
                              .low_s = (uint32_t)(seconds * WAIT_LOW),
                              .high_s = (uint32_t)(seconds * WAIT_HIGH + WAIT_SLACK_S)};
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    if (value < low)
        return low;
    return value > high ? high : value;
}

static int64_t poll_base_ms(const struct line *line, enum line_phase phase, uint64_t ahead,
                            int64_t now_ms)
{
    double per_second = (double)line->rate_milli / 60000, ms;

    switch (phase) {
    case LINE_IDLE:
    case LINE_PREQUEUE:
        /* Nothing happens before the on-sale instant; then everybody wants to know soon. */
        if (line->settings.opens_ms == 0)
            return LINE_POLL_MAX_MS / 2;
        return (line->settings.opens_ms - now_ms) / 2;
    case LINE_OPEN:
        if (per_second <= 0)
            return LINE_POLL_MAX_MS / 3;
        ms = (double)ahead / per_second * 1000 / POLLS_PER_WAIT;
        return ms > LINE_POLL_MAX_MS ? LINE_POLL_MAX_MS : (int64_t)ms;
    case LINE_PAUSED: return LINE_POLL_MAX_MS / 3;
    case LINE_CLOSED: return LINE_POLL_MAX_MS;
    }
    return LINE_POLL_MAX_MS;
}

uint32_t line_poll_ms(const struct line *line, enum line_phase phase, uint64_t ahead,
                      int64_t now_ms, struct rng *rng)
{
    int64_t base = clamp(poll_base_ms(line, phase, ahead, now_ms), LINE_POLL_MIN_MS * 5 / 4,
                         LINE_POLL_MAX_MS * 5 / 6);

    return (uint32_t)(base + (int64_t)((rng_unit(rng) - 0.5) * 0.4 * (double)base));
}

bool line_parse_seats(struct line *line, struct slice text)
{
    struct slice left = slice_cut(&text, ','), from = slice_cut(&text, ','),
                 to = slice_cut(&text, ',');

    line->seats_known = text.at && slice_to_u64(left, &line->seats_left) &&
                        slice_to_u64(from, &line->price_from) &&
                        slice_to_u64(to, &line->price_to) && text.len == 3 &&
                        slice_to_str(text, line->currency, sizeof(line->currency));
    return line->seats_known;
}
