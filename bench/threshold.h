/* Thresholds: 'hold.p99<50ms,book.failed<1,ratio>=0.6' decide whether a run passes. */
#ifndef HOLDFAST_BENCH_THRESHOLD_H
#define HOLDFAST_BENCH_THRESHOLD_H

#include "bench/scenario.h"

/* True when all hold. Each is told on stdout. A left side is
 * <step>.<p50|p90|p99|p999|max|mean|count|failed> or the name of a figure; a right side a number
 * with us, ms, s or nothing. False with ret_bad when the text is not that (nothing is told then).
 */
bool thresholds_hold(const struct run *run, const char *text, bool *ret_bad);
/* Whether the text has this form; whether there is such a figure only the run can tell. */
bool thresholds_readable(const char *text);

#endif
