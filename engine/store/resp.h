/* Encodes Redis commands (RESP2, arrays of bulk strings) into a buffer. */
#ifndef HOLDFAST_STORE_RESP_H
#define HOLDFAST_STORE_RESP_H

#include "engine/base/buf.h"

/* TOO_LARGE when the buffer's limit would be passed: then nothing was appended and the buffer is
 * usable as before. */
enum status resp_command(struct buf *b, const struct slice *args, size_t count) MUST_CHECK;
/* EVALSHA sha key_count keys args. */
enum status resp_evalsha(struct buf *b, const char *sha, const struct slice *keys, size_t key_count,
                         const struct slice *args, size_t arg_count) MUST_CHECK;

#endif
