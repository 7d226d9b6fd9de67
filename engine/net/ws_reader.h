/* Reads the frames that a WebSocket client sends (RFC 6455 section 5) and puts messages together.
 * Framing and unmasking are wslay's; a reader is borrowed while bytes are in flight and given back
 * at a frame's end, so an idle socket owns none. */
#ifndef HOLDFAST_NET_WS_READER_H
#define HOLDFAST_NET_WS_READER_H

#include "engine/net/buffers.h"
#include "engine/net/ws.h"

#define WS_CONTROL_MAX 125

/* What was read. Slices live during the call. */
struct ws_sink {
    void (*message)(void *owner, enum ws_kind kind, struct slice payload);
    void (*ping)(void *owner, struct slice payload);
    /* `code` 1005: the frame had none. Nothing is read after it. */
    void (*close)(void *owner, uint16_t code);
};

struct ws_reader;

struct ws_readers {
    struct list idle;
    size_t idle_count, lent;
    struct buffers *buffers; /* borrowed: for messages in pieces */
};

void ws_readers_init(struct ws_readers *p, struct buffers *buffers);
void ws_readers_free(struct ws_readers *p); /* asserts that none is lent */
struct ws_reader *ws_reader_borrow(struct ws_readers *p);
/* Keeps it for the next borrower when it is at rest. NULL is fine. */
void ws_reader_return(struct ws_readers *p, struct ws_reader *r);

/* 0, or the close code of what is wrong (1002, 1007, 1009); then nothing more is to be fed. */
uint16_t ws_reader_feed(struct ws_reader *r, struct slice bytes, size_t message_max,
                        const struct ws_sink *sink, void *owner);
/* No frame and no message is half read. */
bool ws_reader_at_rest(const struct ws_reader *r);

#endif
