/* The comparator of `polls`: a bare epoll server in a process of its own that answers every request
 * with the same bytes and parses nothing but the blank line. */
#ifndef HOLDFAST_BENCH_BARE_H
#define HOLDFAST_BENCH_BARE_H

#include "engine/base/slice.h"

#include <sys/types.h>

struct bare {
    pid_t pid;
    uint16_t port;
};

/* Forks; `answer` (head and body, complete) is what it sends. False with errno. */
bool bare_start(struct bare *b, struct slice answer);
void bare_stop(struct bare *b);
double bare_cpu_seconds(const struct bare *b); /* used so far */

#endif
