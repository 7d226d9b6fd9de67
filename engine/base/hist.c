#include "engine/base/hist.h"

#include "engine/base/buf.h"
#include "engine/base/mem.h"

#include <math.h>

#define LINEAR 256u /* buckets of width 1 */
#define HALF   128u /* buckets of each doubling after that */

/* The bucket of value v in [2^k, 2^(k+1)), k >= 8, is chosen by the eight highest bits of v; the
 * highest is always set. */
static size_t bucket_of(uint64_t us)
{
    unsigned shift;

    if (us < LINEAR)
        return us;
    if (us > UINT32_MAX)
        return HIST_BUCKETS - 1;
    shift = 24 - (unsigned)__builtin_clz((uint32_t)us);
    return LINEAR + (shift - 1) * HALF + (us >> shift) - HALF;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(size_t bucket)
{
    size_t shift;

    if (bucket < LINEAR)
        return bucket;
    shift = (bucket - LINEAR) / HALF + 1;
    return (((bucket - LINEAR) % HALF + HALF + 1) << shift) - 1;
}

void hist_init(struct hist *h)
{
    *h = (struct hist){.counts = mem_alloc(HIST_BUCKETS * sizeof(*h->counts)), .min = UINT64_MAX};
}

void hist_free(struct hist *h)
{
    mem_free(h->counts);
    *h = (struct hist){0};
}

void hist_reset(struct hist *h)
{
    memset(h->counts, 0, HIST_BUCKETS * sizeof(*h->counts));
    *h = (struct hist){.counts = h->counts, .min = UINT64_MAX};
}

void hist_record(struct hist *h, uint64_t us)
{
    h->counts[bucket_of(us)]++;
    h->total++;
    h->sum += (double)us;
    if (us > h->max)
        h->max = us;
    if (us < h->min)
        h->min = us;
}

void hist_merge(struct hist *to, const struct hist *from)
{
    for (size_t i = 0; i < HIST_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    to->sum += from->sum;
    if (from->max > to->max)
        to->max = from->max;
    if (from->min < to->min)
        to->min = from->min;
}

static void widen(struct hist *h, size_t bucket, uint64_t count)
{
    uint64_t top = bucket_top(bucket);

    h->counts[bucket] = count;
    h->total += count;
    h->sum += (double)top * (double)count;
    if (h->min > top)
        h->min = top;
    h->max = top;
}

void hist_since(const struct hist *h, struct hist *seen, struct hist *ret)
{
    hist_reset(ret);
    if (h->total == seen->total)
        return;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        if (h->counts[i] != seen->counts[i])
            widen(ret, i, h->counts[i] - seen->counts[i]);
        seen->counts[i] = h->counts[i];
    }
    seen->total = h->total;
}

/* What is reported for a value of this bucket. The last one has no upper end but the maximum
 * itself. */
static uint64_t shown(const struct hist *h, size_t bucket)
{
    uint64_t top = bucket_top(bucket);

    return bucket == HIST_BUCKETS - 1 || top > h->max ? h->max : top;
}

/* Walks the buckets until `rank` values are passed. */
struct walk {
    size_t bucket;
    uint64_t passed; /* values up to and including the bucket */
};

static void walk_to(struct walk *w, const struct hist *h, uint64_t rank)
{
    while (w->passed < rank && w->bucket + 1 < HIST_BUCKETS)
        w->passed += h->counts[++w->bucket];
}

static struct walk walk_start(const struct hist *h)
{
    return (struct walk){.bucket = 0, .passed = h->counts[0]};
}

static uint64_t rank_of(const struct hist *h, double q)
{
    /* One step towards zero, because 0.07 * 100 is a little more than 7. */
    double rank = ceil(nextafter(q * (double)h->total, 0));

    if (!(rank >= 1))
        return 1;
    return rank >= (double)h->total ? h->total : (uint64_t)rank;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    struct walk w;

    if (h->total == 0)
        return 0;
    w = walk_start(h);
    walk_to(&w, h, rank_of(h, q));
    return shown(h, w.bucket);
}

double hist_mean(const struct hist *h)
{
    return h->total ? h->sum / (double)h->total : 0;
}

uint64_t hist_count_below(const struct hist *h, uint64_t us)
{
    size_t last = bucket_of(us);
    uint64_t count = 0;

    for (size_t i = 0; i <= last; i++)
        count += h->counts[i];
    return count;
}

static double deviation(const struct hist *h)
{
    double mean = hist_mean(h), squares = 0;

    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        double distance = (double)shown(h, i) - mean;

        if (h->counts[i])
            squares += distance * distance * (double)h->counts[i];
    }
    return h->total ? sqrt(squares / (double)h->total) : 0;
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

static void write_row(const struct hist *h, const struct walk *w, double q, struct buf *b)
{
    buf_printf(b, "%12.3f %2.12f %10llu", ms(shown(h, w->bucket)), q,
               (unsigned long long)w->passed);
    if (q < 1)
        buf_printf(b, " %14.2f", 1 / (1 - q));
    buf_append_char(b, '\n');
}

/* The percentiles that HdrHistogram prints: five steps for each halving of the distance to 100 %.
 */
static double quantile_of_row(int row)
{
    int halvings = row / 5, step = row % 5;

    return 1 - ldexp(1, -halvings) + step * ldexp(0.2, -halvings - 1);
}

void hist_write_hgrm(const struct hist *h, struct buf *b)
{
    struct walk w = walk_start(h);

    buf_append_str(b, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    for (int row = 0; h->total > 0; row++) {
        walk_to(&w, h, rank_of(h, quantile_of_row(row)));
        if (w.passed == h->total)
            break;
        write_row(h, &w, quantile_of_row(row), b);
    }
    if (h->total > 0)
        write_row(h, &w, 1, b);
    buf_printf(b, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hist_mean(h) / 1000,
               deviation(h) / 1000);
    buf_printf(b, "#[Max     = %12.3f, Total count    = %12llu]\n", ms(h->max),
               (unsigned long long)h->total);
    buf_printf(b, "#[Buckets = %12d, SubBuckets     = %12d]\n", 24, (int)LINEAR);
}
