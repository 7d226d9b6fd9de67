/* report.html: one file that opens anywhere: figures, latency table, and the timeline as inline
 * SVG. */
#ifndef HOLDFAST_BENCH_REPORT_HTML_H
#define HOLDFAST_BENCH_REPORT_HTML_H

#include "bench/scenario.h"

void report_html_write(const struct run *run, const struct scenario *scenario, struct buf *b);

#endif
