/* Latency histogram with a constant relative error below 1 % (log-linear buckets, after Gil Tene's
 * HdrHistogram): 1 us to 1 h. */
#ifndef HOLDFAST_BASE_HIST_H
#define HOLDFAST_BASE_HIST_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* 256 buckets of 1 us, then 128 for each doubling up to 2^32 us (71 minutes): a bucket is never
 * wider than 1/128 of its values. 26 KiB. */
#define HIST_BUCKETS (256 + 24 * 128)

struct hist {
    uint64_t *counts; /* owned, HIST_BUCKETS of them */
    uint64_t total, max, min;
    double sum;
};

void hist_init(struct hist *h);
void hist_free(struct hist *h);
void hist_record(struct hist *h,
                 uint64_t us); /* microseconds; larger values are counted in the last bucket */
void hist_merge(struct hist *to, const struct hist *from);
void hist_reset(struct hist *h);
/* Sets `ret` (initialised) to what was recorded in `h` since the last call with this `seen`
 * (initialised, empty at first, touched by nobody else). Extremes are those of the buckets. */
void hist_since(const struct hist *h, struct hist *seen, struct hist *ret);
uint64_t hist_quantile(const struct hist *h,
                       double q); /* us, the upper end of the bucket; q in 0..1; 0 when empty */
double hist_mean(const struct hist *h);
/* The percentile distribution in the text form of HdrHistogram (.hgrm), values in milliseconds. */
void hist_write_hgrm(const struct hist *h, struct buf *b);
/* Cumulative count of values <= us, for Prometheus buckets; values of the bucket that holds `us`
 * are all counted. */
uint64_t hist_count_below(const struct hist *h, uint64_t us);

#endif
