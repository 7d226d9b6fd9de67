/* The board that everybody sees: the public status document of a queue, rendered once a view and
 * copied to whoever asks. */
#ifndef HOLDFAST_WAITROOM_BOARD_H
#define HOLDFAST_WAITROOM_BOARD_H

#include "engine/base/buf.h"
#include "engine/base/json.h"
#include "waitroom/etag.h"
#include "waitroom/line.h"

struct board {
    struct buf body;
    char etag[ETAG_SIZE]; /* of the content but for serverNow */
    int64_t rendered_ms;  /* serverNow */
    uint64_t line_gen;    /* the view it shows, 0: none yet */
};

void board_init(struct board *b);
void board_free(struct board *b);
/* Brings it up to the view `line_gen` at now_ms; does nothing when it is (serverNow may be half a
 * second old). Allocates only as it grows. */
void board_render(struct board *b, uint64_t event_id, const struct line *line, uint64_t line_gen,
                  int64_t now_ms);
/* A frame of the stream, without and with its rev: two frames that differ in nothing else say the
 * same. */
void board_frame(struct buf *b, const struct line *line, int64_t now_ms, bool with_rev);
/* "etaSeconds": {"low","high"} or null */
void board_put_wait(struct json_out *w, struct line_wait wait);

#endif
