#include "engine/net/buffers.h"

#include <assert.h>

void buffers_init(struct buffers *p)
{
    list_init(&p->idle);
    p->idle_count = 0;
    p->lent = 0;
}

static void destroy(struct borrowed *b)
{
    buf_free(&b->buf);
    mem_free(b);
}

void buffers_free(struct buffers *p)
{
    struct list *link;

    assert(p->lent == 0);
    while ((link = list_pop_front(&p->idle)) != NULL)
        destroy(list_entry(link, struct borrowed, link));
    p->idle_count = 0;
}

struct buf *buffers_borrow(struct buffers *p, size_t limit)
{
    struct list *link = list_pop_front(&p->idle);
    struct borrowed *b;

    p->lent++;
    if (link) {
        p->idle_count--;
        b = list_entry(link, struct borrowed, link);
        buf_clear(&b->buf);
        b->buf.limit = limit;
        return &b->buf;
    }
    b = mem_alloc(sizeof(*b));
    list_init(&b->link);
    buf_init(&b->buf, limit);
    return &b->buf;
}

void buffers_return(struct buffers *p, struct buf *buf)
{
    struct borrowed *b;

    if (!buf)
        return;
    b = container_of(buf, struct borrowed, buf);
    p->lent--;
    if (p->idle_count == BUFFERS_KEPT) {
        destroy(b);
        return;
    }
    if (buf->cap > BUFFERS_KEPT_SIZE)
        buf_free(buf);
    list_push_front(&p->idle, &b->link);
    p->idle_count++;
}
