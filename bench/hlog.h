/* latency.hlog: the histogram log format 1.3 with HdrHistogram V2 compressed encoding
 * (hdrhistogram.org), one tagged line a step, so that the usual viewers read it. */
#ifndef HOLDFAST_BENCH_HLOG_H
#define HOLDFAST_BENCH_HLOG_H

#include "bench/scenario.h"

void hlog_write(const struct run *run, struct buf *b);

#endif
