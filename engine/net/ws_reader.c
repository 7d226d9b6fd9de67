#include "engine/net/ws_reader.h"

#include <assert.h>
#include <wslay/wslay.h>

#define READERS_KEPT 64

enum {
    CODE_PROTOCOL = 1002,
    CODE_NO_STATUS = 1005,
    CODE_BAD_TEXT = 1007,
    CODE_TOO_BIG = 1009,
};

struct ws_reader {
    wslay_frame_context_ptr frames;
    struct ws_readers *pool;
    struct list link;
    struct slice input;   /* of this feed, not yet given to wslay */
    uint64_t given, used; /* bytes given to wslay; bytes of the frames it has completed */
    uint64_t frame_read;  /* payload of the frame at hand */
    uint8_t kind;         /* of the message at hand, 0: none */
    struct buf *message;  /* what came of it, NULL: nothing kept */
    uint8_t control[WS_CONTROL_MAX];
    size_t control_len;
    bool closed;
};

/* ---- readers ---- */

static ssize_t give_input(uint8_t *buf, size_t len, int flags, void *user_data)
{
    struct ws_reader *r = user_data;
    size_t n = len < r->input.len ? len : r->input.len;

    (void)flags;
    if (n == 0)
        return -1;
    memcpy(buf, r->input.at, n);
    r->input = slice_of(r->input.at + n, r->input.len - n);
    r->given += n;
    return (ssize_t)n;
}

void ws_readers_init(struct ws_readers *p, struct buffers *buffers)
{
    list_init(&p->idle);
    p->idle_count = p->lent = 0;
    p->buffers = buffers;
}

static void destroy(struct ws_reader *r)
{
    buffers_return(r->pool->buffers, r->message);
    wslay_frame_context_free(r->frames);
    mem_free(r);
}

void ws_readers_free(struct ws_readers *p)
{
    struct list *link;

    assert(p->lent == 0);
    while ((link = list_pop_front(&p->idle)) != NULL)
        destroy(list_entry(link, struct ws_reader, link));
}

struct ws_reader *ws_reader_borrow(struct ws_readers *p)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = give_input};
    struct list *link = list_pop_front(&p->idle);
    struct ws_reader *r;
    int failed;

    p->lent++;
    if (link) {
        p->idle_count--;
        return list_entry(link, struct ws_reader, link);
    }
    r = mem_alloc(sizeof(*r));
    r->pool = p;
    list_init(&r->link);
    failed = wslay_frame_context_init(&r->frames, &callbacks, r);
    assert(!failed);
    (void)failed;
    return r;
}

void ws_reader_return(struct ws_readers *p, struct ws_reader *r)
{
    if (!r)
        return;
    p->lent--;
    if (!ws_reader_at_rest(r) || p->idle_count == READERS_KEPT) {
        destroy(r);
        return;
    }
    r->given = r->used = 0;
    list_push_front(&p->idle, &r->link);
    p->idle_count++;
}

bool ws_reader_at_rest(const struct ws_reader *r)
{
    return !r->closed && r->kind == 0 && r->control_len == 0 && r->frame_read == 0 &&
           r->given == r->used && r->input.len == 0;
}

static bool utf8_ok(struct slice s)
{
    while (s.len > 0) {
        size_t step = slice_utf8(s);

        if (step == 0)
            return false;
        s = slice_of(s.at + step, s.len - step);
    }
    return true;
}

/* ---- frames ---- */

static uint64_t frame_size(const struct wslay_frame_iocb *f)
{
    unsigned extended = f->payload_length < 126 ? 0 : f->payload_length < 65536 ? 2 : 8;

    return 2 + extended + 4 + f->payload_length;
}

/* Codes that may be on the wire: RFC 6455 section 7.4 and the IANA registry. */
static bool close_code_ok(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static uint16_t take_close(struct ws_reader *r, struct slice payload, const struct ws_sink *sink,
                           void *owner)
{
    uint16_t code = CODE_NO_STATUS;

    if (payload.len == 1)
        return CODE_PROTOCOL;
    if (payload.len >= 2) {
        code = (uint16_t)((uint8_t)payload.at[0] << 8 | (uint8_t)payload.at[1]);
        if (!close_code_ok(code))
            return CODE_PROTOCOL;
        if (!utf8_ok(slice_of(payload.at + 2, payload.len - 2)))
            return CODE_BAD_TEXT;
    }
    r->closed = true;
    sink->close(owner, code);
    return 0;
}

static uint16_t read_control(struct ws_reader *r, const struct wslay_frame_iocb *f, bool last,
                             const struct ws_sink *sink, void *owner)
{
    struct slice payload;

    if (r->control_len + f->data_length > WS_CONTROL_MAX)
        return CODE_PROTOCOL;
    memcpy(r->control + r->control_len, f->data, f->data_length);
    r->control_len += f->data_length;
    if (!last)
        return 0;
    payload = slice_of(r->control, r->control_len);
    r->control_len = 0;
    switch (f->opcode) {
    case WSLAY_CONNECTION_CLOSE: return take_close(r, payload, sink, owner);
    case WSLAY_PING: sink->ping(owner, payload); return 0;
    case WSLAY_PONG: return 0;
    default: return CODE_PROTOCOL;
    }
}

static uint16_t deliver(struct ws_reader *r, struct slice payload, const struct ws_sink *sink,
                        void *owner)
{
    enum ws_kind kind = (enum ws_kind)r->kind;

    r->kind = 0;
    if (kind == WS_TEXT && !utf8_ok(payload))
        return CODE_BAD_TEXT;
    sink->message(owner, kind, payload);
    return 0;
}

static uint16_t deliver_kept(struct ws_reader *r, const struct ws_sink *sink, void *owner)
{
    struct buf *message = r->message;
    uint16_t wrong;

    r->message = NULL;
    wrong = deliver(r, buf_slice(message), sink, owner);
    buffers_return(r->pool->buffers, message);
    return wrong;
}

/* Text and binary start a message, continuations go on with it. */
static uint16_t begin_data_frame(struct ws_reader *r, const struct wslay_frame_iocb *f,
                                 size_t message_max)
{
    size_t before = r->message ? r->message->len : 0;

    if ((f->opcode == WSLAY_CONTINUATION_FRAME) != (r->kind != 0))
        return CODE_PROTOCOL;
    if (f->opcode > WSLAY_BINARY_FRAME)
        return CODE_PROTOCOL;
    if (f->payload_length > message_max - before)
        return CODE_TOO_BIG;
    if (r->kind == 0)
        r->kind = f->opcode;
    return 0;
}

static uint16_t read_data(struct ws_reader *r, const struct wslay_frame_iocb *f, bool first,
                          bool last, size_t message_max, const struct ws_sink *sink, void *owner)
{
    uint16_t wrong = first ? begin_data_frame(r, f, message_max) : 0;

    if (wrong)
        return wrong;
    if (last && f->fin && !r->message)
        return deliver(r, slice_of(f->data, f->data_length), sink, owner);
    if (!r->message)
        r->message = buffers_borrow(r->pool->buffers, message_max ? message_max : 1);
    buf_append(r->message, f->data, f->data_length);
    return last && f->fin ? deliver_kept(r, sink, owner) : 0;
}

/* A piece of a frame. */
static uint16_t read_piece(struct ws_reader *r, const struct wslay_frame_iocb *f,
                           size_t message_max, const struct ws_sink *sink, void *owner)
{
    bool first = r->frame_read == 0;
    bool last;

    if (!f->mask || f->rsv)
        return CODE_PROTOCOL;
    r->frame_read += f->data_length;
    last = r->frame_read == f->payload_length;
    if (last) {
        r->frame_read = 0;
        r->used += frame_size(f);
    }
    if (wslay_is_ctrl_frame(f->opcode))
        return read_control(r, f, last, sink, owner);
    return read_data(r, f, first, last, message_max, sink, owner);
}

uint16_t ws_reader_feed(struct ws_reader *r, struct slice bytes, size_t message_max,
                        const struct ws_sink *sink, void *owner)
{
    uint16_t wrong = 0;

    r->input = bytes;
    while (!wrong && !r->closed) {
        struct wslay_frame_iocb frame;
        ssize_t n = wslay_frame_recv(r->frames, &frame);

        if (n == WSLAY_ERR_WANT_READ)
            return 0;
        wrong = n < 0 ? CODE_PROTOCOL : read_piece(r, &frame, message_max, sink, owner);
    }
    if (wrong)
        r->closed = true;
    r->input = SLICE_NONE;
    return wrong;
}
