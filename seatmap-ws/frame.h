/* Frames of the seatmap stream, as bytes (holdfast.seatmap.v1) and as text for people
 * (holdfast.seatmap.v1+json).
 *
 *   snapshot 0x01: u8 type, u8 flags (0), u16 0, u32 seatCount, u64 rev, then 2 bits a seat, the
 * lowest seat in the lowest bits delta    0x02: u8 type, u8 0, u16 0, u32 changes, u64 fromRev, u64
 * toRev, then per change in seat order a varint `gap << 2 | state` (gap from the previous changed
 * seat, the first from 0; varints are LEB128, 7 bits a byte, low first)
 *
 * All integers little endian. */
#ifndef HOLDFAST_SEATMAP_WS_FRAME_H
#define HOLDFAST_SEATMAP_WS_FRAME_H

#include "engine/base/buf.h"

enum frame_format { FRAME_BINARY, FRAME_JSON, FRAME_FORMATS };

/* One changed seat. */
struct frame_change {
    uint32_t seat;
    uint8_t state; /* 0 free, 1 held, 2 sold, 3 blocked */
};

/* Appends a snapshot of `count` seats, one byte each in `states`. Fails as a buf fails. */
void frame_put_snapshot(struct buf *b, enum frame_format format, const uint8_t *states,
                        uint32_t count, uint64_t rev);
/* Appends a delta; `changes` are in rising seat order, each seat once. */
void frame_put_delta(struct buf *b, enum frame_format format, const struct frame_change *changes,
                     size_t count, uint64_t from_rev, uint64_t to_rev);
/* Bytes of a binary snapshot of so many seats. */
size_t frame_snapshot_size(uint32_t count);

#endif
