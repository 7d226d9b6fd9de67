#include "seatmap-ws/frame.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"

enum { SNAPSHOT = 0x01, DELTA = 0x02, SNAPSHOT_HEAD = 16, DELTA_HEAD = 24, VARINT_MAX = 5 };

size_t frame_snapshot_size(uint32_t count)
{
    return SNAPSHOT_HEAD + (count + 3) / 4;
}

static void put_snapshot_binary(struct buf *b, const uint8_t *states, uint32_t count, uint64_t rev)
{
    size_t size = frame_snapshot_size(count);
    uint8_t *at = (uint8_t *)buf_reserve(b, size);

    if (!at)
        return;
    memset(at, 0, size);
    at[0] = SNAPSHOT;
    put_le32(at + 4, count);
    put_le64(at + 8, rev);
    for (uint32_t n = 0; n < count; n++)
        at[SNAPSHOT_HEAD + n / 4] |= (uint8_t)(states[n] << (n % 4 * 2));
    buf_commit(b, size);
}

static void put_snapshot_json(struct buf *b, const uint8_t *states, uint32_t count, uint64_t rev)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_put_str(&w, "type", SLICE_LITERAL("snapshot"));
    json_put_int(&w, "seatCount", count);
    json_put_int(&w, "rev", (int64_t)rev);
    json_key(&w, "states");
    json_raw(&w, SLICE_LITERAL("\""));
    char *at = buf_reserve(b, count);
    if (at) {
        for (uint32_t n = 0; n < count; n++)
            at[n] = (char)('0' + states[n]);
        buf_commit(b, count);
    }
    buf_append_char(b, '"');
    json_object_end(&w);
}

void frame_put_snapshot(struct buf *b, enum frame_format format, const uint8_t *states,
                        uint32_t count, uint64_t rev)
{
    if (format == FRAME_BINARY)
        put_snapshot_binary(b, states, count, rev);
    else
        put_snapshot_json(b, states, count, rev);
}

static size_t put_varint(uint8_t *at, uint64_t value)
{
    size_t len = 0;

    while (value >= 0x80) {
        at[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[len++] = (uint8_t)value;
    return len;
}

static void put_delta_binary(struct buf *b, const struct frame_change *changes, size_t count,
                             uint64_t from_rev, uint64_t to_rev)
{
    uint8_t *at = (uint8_t *)buf_reserve(b, DELTA_HEAD + count * VARINT_MAX);
    size_t len = DELTA_HEAD;
    uint32_t previous = 0;

    if (!at)
        return;
    memset(at, 0, DELTA_HEAD);
    at[0] = DELTA;
    put_le32(at + 4, (uint32_t)count);
    put_le64(at + 8, from_rev);
    put_le64(at + 16, to_rev);
    for (size_t i = 0; i < count; i++) {
        len += put_varint(at + len, (uint64_t)(changes[i].seat - previous) << 2 | changes[i].state);
        previous = changes[i].seat;
    }
    buf_commit(b, len);
}

static void put_delta_json(struct buf *b, const struct frame_change *changes, size_t count,
                           uint64_t from_rev, uint64_t to_rev)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_put_str(&w, "type", SLICE_LITERAL("delta"));
    json_put_int(&w, "fromRev", (int64_t)from_rev);
    json_put_int(&w, "toRev", (int64_t)to_rev);
    json_key(&w, "changes");
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        json_array_begin(&w);
        json_int(&w, changes[i].seat);
        json_int(&w, changes[i].state);
        json_array_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
}

void frame_put_delta(struct buf *b, enum frame_format format, const struct frame_change *changes,
                     size_t count, uint64_t from_rev, uint64_t to_rev)
{
    if (format == FRAME_BINARY)
        put_delta_binary(b, changes, count, from_rev, to_rev);
    else
        put_delta_json(b, changes, count, from_rev, to_rev);
}
