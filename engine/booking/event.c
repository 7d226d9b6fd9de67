#include "engine/booking/event.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <zlib.h>

struct sheet *sheet_ref(struct sheet *s)
{
    s->refs++;
    return s;
}

void sheet_unref(struct sheet *s)
{
    if (!s || --s->refs > 0)
        return;
    layout_free(s->layout);
    buf_free(&s->document);
    buf_free(&s->gzip);
    mem_free(s);
}

struct event *event_ref(struct event *e)
{
    e->refs++;
    return e;
}

void event_unref(struct event *e)
{
    if (!e || --e->refs > 0)
        return;
    for (size_t i = 0; i < e->level_count; i++) {
        mem_free(e->levels[i].id);
        mem_free(e->levels[i].name);
    }
    mem_free(e->name);
    mem_free(e->type);
    mem_free(e->venue);
    mem_free(e->performers);
    sheet_unref(e->sheet);
    mem_free(e);
}

/* Level 3: a layout of 50,000 seats (6 MB) takes about 60 ms once and becomes a tenth. */
static bool deflate_gzip(struct slice in, struct buf *out)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)in.at, .avail_in = (unsigned)in.len};
    unsigned long bound;
    int done;

    if (deflateInit2(&z, 3, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bound = deflateBound(&z, in.len) + 32;
    buf_init(out, bound);
    z.next_out = (unsigned char *)buf_reserve(out, bound);
    z.avail_out = (unsigned)bound;
    done = deflate(&z, Z_FINISH);
    buf_commit(out, z.total_out);
    deflateEnd(&z);
    return done == Z_STREAM_END;
}

struct slice sheet_gzip(struct sheet *s)
{
    if (s->gzip.len == 0 && !deflate_gzip(buf_slice(&s->document), &s->gzip)) {
        buf_free(&s->gzip);
        return SLICE_NONE;
    }
    return buf_slice(&s->gzip);
}

int event_level_find(const struct event *e, struct slice id)
{
    for (size_t i = 0; i < e->level_count; i++) {
        if (slice_is(id, e->levels[i].id))
            return (int)i;
    }
    return -1;
}

int64_t event_price(const struct event *e, uint32_t seat)
{
    return e->levels[layout_level(e->sheet->layout, seat)].amount;
}

void event_levels(const struct event *e, struct layout_levels *ret_levels)
{
    ret_levels->count = e->level_count;
    for (size_t i = 0; i < e->level_count; i++)
        ret_levels->ids[i] = e->levels[i].id;
}
