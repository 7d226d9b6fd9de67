#include "waitroom/board.h"

#include <assert.h>

#define BODY_MAX 2048
#define STALE_MS 500
/* What everybody is told; the own document of a ticket says when that one should ask. */
#define POLL_MS 2000

void board_init(struct board *b)
{
    buf_init(&b->body, BODY_MAX);
    b->line_gen = 0;
}

void board_free(struct board *b)
{
    buf_free(&b->body);
}

static int64_t rate_of(const struct line *line)
{
    return (line->rate_milli + 500) / 1000;
}

static void put_seats(struct json_out *w, const struct line *line)
{
    if (!line->seats_known) {
        json_put_null(w, "seatsLeft");
        json_put_null(w, "priceFrom");
        json_put_null(w, "priceTo");
        json_put_null(w, "currency");
        return;
    }
    json_put_int(w, "seatsLeft", (int64_t)line->seats_left);
    json_put_int(w, "priceFrom", (int64_t)line->price_from);
    json_put_int(w, "priceTo", (int64_t)line->price_to);
    json_put_str(w, "currency", slice_str(line->currency));
}

static void put_document(struct json_out *w, uint64_t event_id, const struct line *line,
                         enum line_phase phase)
{
    json_put_id(w, "eventId", event_id);
    json_put_str(w, "phase", slice_str(line_phase_name(phase)));
    json_put_int(w, "epoch", line->epoch);
    json_put_int(w, "serving", (int64_t)line->serving);
    json_put_int(w, "issued", (int64_t)(line->next - line->first));
    json_put_int(w, "waiting", (int64_t)line_waiting(line));
    json_put_int(w, "ratePerMinute", rate_of(line));
    if (line->settings.opens_ms > 0)
        json_put_time(w, "opensAt", line->settings.opens_ms);
    else
        json_put_null(w, "opensAt");
    put_seats(w, line);
    json_put_null(w, "draw");
    json_put_int(w, "nextPollMs", POLL_MS);
}

void board_render(struct board *b, uint64_t event_id, const struct line *line, uint64_t line_gen,
                  int64_t now_ms)
{
    struct json_out w;

    if (b->line_gen == line_gen && now_ms - b->rendered_ms < STALE_MS)
        return;
    buf_clear(&b->body);
    json_begin(&w, &b->body);
    json_object_begin(&w);
    put_document(&w, event_id, line, line_phase(&line->settings, now_ms));
    etag_of(buf_slice(&b->body), b->etag);
    json_put_time(&w, "serverNow", now_ms);
    json_object_end(&w);
    assert(buf_status(&b->body) == STATUS_OK);
    b->line_gen = line_gen;
    b->rendered_ms = now_ms;
}

void board_frame(struct buf *b, const struct line *line, int64_t now_ms, bool with_rev)
{
    enum line_phase phase = line_phase(&line->settings, now_ms);
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_put_int(&w, "serving", (int64_t)line->serving);
    json_put_str(&w, "phase", slice_str(line_phase_name(phase)));
    json_put_int(&w, "ratePerMinute", rate_of(line));
    json_put_int(&w, "waiting", (int64_t)line_waiting(line));
    if (line->seats_known)
        json_put_int(&w, "seatsLeft", (int64_t)line->seats_left);
    else
        json_put_null(&w, "seatsLeft");
    if (with_rev)
        json_put_int(&w, "rev", (int64_t)((uint64_t)line->epoch << 40 | line->seq));
    json_object_end(&w);
}

void board_put_wait(struct json_out *w, struct line_wait wait)
{
    if (!wait.known) {
        json_put_null(w, "etaSeconds");
        return;
    }
    json_key(w, "etaSeconds");
    json_object_begin(w);
    json_put_int(w, "low", wait.low_s);
    json_put_int(w, "high", wait.high_s);
    json_object_end(w);
}
