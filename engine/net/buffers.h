/* Byte buffers that connections borrow while bytes are in flight: given back ones are kept warm,
 * most recently used first. */
#ifndef HOLDFAST_NET_BUFFERS_H
#define HOLDFAST_NET_BUFFERS_H

#include "engine/base/buf.h"
#include "engine/base/list.h"

/* Kept when free, at most; the rest goes back to the heap. */
#define BUFFERS_KEPT 512
/* A buffer that grew larger gives its memory back when it is given back. */
#define BUFFERS_KEPT_SIZE (64 * 1024)

struct borrowed {
    struct buf buf;
    struct list link; /* free for the borrower's use */
};

struct buffers {
    struct list idle;
    size_t idle_count;
    int64_t lent;
};

void buffers_init(struct buffers *p);
void buffers_free(struct buffers *p); /* asserts that none is lent */

/* Empty, with `limit`. Never NULL. */
struct buf *buffers_borrow(struct buffers *p, size_t limit);
void buffers_return(struct buffers *p, struct buf *b); /* NULL is fine */

#endif
