/* Frames of a WebSocket client: the same messages come of them in whatever pieces they arrive; what
 * is delivered is within the limit and, as text, valid UTF-8. The first byte of the input chooses
 * the pieces, the rest is the stream. */
#include "engine/net/ws_reader.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGE_MAX 500
#define STREAM_MAX  70000

static void note(void *owner, char what, struct slice payload)
{
    struct buf *transcript = owner;

    buf_printf(transcript, "%c%zu:", what, payload.len);
    buf_append_slice(transcript, payload);
}

static void got_message(void *owner, enum ws_kind kind, struct slice payload)
{
    must(payload.len <= MESSAGE_MAX && (kind == WS_TEXT || kind == WS_BINARY));
    for (struct slice rest = payload; kind == WS_TEXT && rest.len > 0;) {
        size_t step = slice_utf8(rest);

        must(step > 0);
        rest = slice_of(rest.at + step, rest.len - step);
    }
    note(owner, kind == WS_TEXT ? 't' : 'b', payload);
}

static void got_ping(void *owner, struct slice payload)
{
    must(payload.len <= WS_CONTROL_MAX);
    note(owner, 'p', payload);
}

static void got_close(void *owner, uint16_t code)
{
    must(code >= 1000 && code < 5000);
    buf_printf(owner, "c%u", code);
}

static struct buf transcribe(struct ws_readers *readers, struct slice stream, size_t piece)
{
    static const struct ws_sink sink = {got_message, got_ping, got_close};
    struct ws_reader *r = NULL;
    struct buf transcript;
    uint16_t wrong = 0;

    buf_init(&transcript, 64 * STREAM_MAX);
    while (stream.len > 0 && !wrong) {
        size_t n = stream.len < piece ? stream.len : piece;

        if (!r)
            r = ws_reader_borrow(readers);
        wrong = ws_reader_feed(r, slice_of(stream.at, n), MESSAGE_MAX, &sink, &transcript);
        if (wrong || ws_reader_at_rest(r)) { /* as a socket does */
            ws_reader_return(readers, r);
            r = NULL;
        }
        stream = slice_of(stream.at + n, stream.len - n);
    }
    ws_reader_return(readers, r);
    buf_printf(&transcript, "e%u", wrong);
    return transcript;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct ws_readers readers;
    struct buffers buffers;
    struct slice stream;
    struct buf whole, pieces;

    if (len < 2 || len > STREAM_MAX)
        return 0;
    buffers_init(&buffers);
    ws_readers_init(&readers, &buffers);
    stream = slice_of(at + 1, len - 1);
    whole = transcribe(&readers, stream, stream.len);
    pieces = transcribe(&readers, stream, (size_t)at[0] % 20 + 1);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
    ws_readers_free(&readers);
    buffers_free(&buffers);
    return 0;
}
