/* What a run leaves behind: tables on stdout, and in --out DIR summary.json, report.html (one file,
 * no network), latency.hgrm, latency.hlog, timeline.csv,
 * and confirmed.txt, the bookings that clients were told are confirmed. */
#ifndef HOLDFAST_BENCH_REPORT_H
#define HOLDFAST_BENCH_REPORT_H

#include "bench/scenario.h"

void report_print(const struct run *run, const struct scenario *scenario);
/* Makes the directory. False with the path in ret_why when something could not be written. */
bool report_write(const struct run *run, const struct scenario *scenario, char *ret_why,
                  size_t why_size);

#endif
