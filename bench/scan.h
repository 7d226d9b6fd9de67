/* Members of an answer found by looking for their name, without making a tree of it: a generator
 * has to cost less than what it measures. For answers of our own servers, whose JSON has no blanks
 * and whose ids, tickets and codes hold nothing that JSON escapes. */
#ifndef HOLDFAST_BENCH_SCAN_H
#define HOLDFAST_BENCH_SCAN_H

#include "engine/base/slice.h"

/* The string that is the first member `name` anywhere in the body; SLICE_NONE without one. */
struct slice scan_str(struct slice body, const char *name);
/* The same of an integer. */
int64_t scan_i64(struct slice body, const char *name, int64_t fallback);
/* How many members of that name there are. */
size_t scan_count(struct slice body, const char *name);

#endif
