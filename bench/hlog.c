/* V2 encoding: big-endian header {cookie 0x1c849313, payload length, normalizing offset 0,
 * significant digits, lowest, highest, ratio 1.0 as a double}, then the counts as ZigZag LEB128
 * where a negative number -n stands for n empty buckets; deflated, behind {cookie 0x1c849314,
 * length}, base64.
 *
 * With two significant digits HdrHistogram has 256 sub-buckets: values below 256 have a bucket
 * each; above, each doubling has 128 more. */
#include "bench/hlog.h"

#include "engine/base/encode.h"

#include <arpa/inet.h>
#include <zlib.h>

enum {
    DIGITS = 2,
    SUB_BUCKETS = 256,
    HALF = SUB_BUCKETS / 2,
    BUCKETS_MAX = (33 - 7) * HALF + HALF,
    HEADER = 40
};

#define HIGHEST_US UINT64_C(3600000000)

static size_t bucket_of(uint64_t us)
{
    if (us < SUB_BUCKETS)
        return (size_t)us;
    unsigned shift =
        63 - (unsigned)__builtin_clzll(us) - 7; /* so that us >> shift is in 128..255 */
    return (size_t)(shift * HALF + (us >> shift));
}

static uint64_t bucket_lowest(size_t bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    unsigned shift = (unsigned)(bucket / HALF) - 1;
    return (uint64_t)(bucket - shift * HALF) << shift;
}

/* Our histogram asked bucket by bucket of theirs: counts below each border, differences between
 * them. */
static size_t fill_counts(const struct hist *h, uint64_t counts[BUCKETS_MAX])
{
    size_t last = h->total ? bucket_of(h->max < HIGHEST_US ? h->max : HIGHEST_US) : 0;
    uint64_t below = 0;

    for (size_t i = 0; i < last; i++) {
        uint64_t border = hist_count_below(h, bucket_lowest(i + 1) - 1);
        counts[i] = border > below ? border - below : 0;
        below += counts[i];
    }
    counts[last] = h->total - below;
    return last + 1;
}

static void put_be32(uint8_t *at, uint32_t v)
{
    v = htonl(v);
    memcpy(at, &v, sizeof(v));
}

static void put_be64(uint8_t *at, uint64_t v)
{
    put_be32(at, (uint32_t)(v >> 32));
    put_be32(at + 4, (uint32_t)v);
}

static void put_zigzag(struct buf *b, int64_t value)
{
    uint64_t v = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);

    for (int i = 0; i < 8 && v >= 0x80; i++, v >>= 7)
        buf_append_char(b, (char)(v | 0x80));
    buf_append_char(b, (char)v);
}

static void put_counts(struct buf *b, const uint64_t *counts, size_t len)
{
    int64_t empty = 0;

    for (size_t i = 0; i < len; i++) {
        if (!counts[i]) {
            empty++;
            continue;
        }
        if (empty)
            put_zigzag(b, -empty);
        empty = 0;
        put_zigzag(b, (int64_t)counts[i]);
    }
}

static void put_histogram(struct buf *b, const struct hist *h)
{
    uint64_t counts[BUCKETS_MAX] = {0};
    struct buf plain;
    uint8_t header[HEADER] = {0};

    buf_init(&plain, 1024 * 1024);
    buf_append(&plain, header, HEADER);
    put_counts(&plain, counts, fill_counts(h, counts));
    put_be32(header, 0x1c849313);
    put_be32(header + 4, (uint32_t)(plain.len - HEADER));
    put_be32(header + 12, DIGITS);
    put_be64(header + 16, 1);
    put_be64(header + 24, HIGHEST_US);
    put_be64(header + 32, UINT64_C(0x3ff0000000000000));
    memcpy(plain.at, header, HEADER);

    uLongf size = compressBound(plain.len);
    uint8_t *packed = mem_alloc(size + 8);
    int result = compress2(packed + 8, &size, (const uint8_t *)plain.at, plain.len, 9);
    put_be32(packed, 0x1c849314);
    put_be32(packed + 4, (uint32_t)size);
    if (result == Z_OK)
        base64_append(b, packed, size + 8);
    mem_free(packed);
    buf_free(&plain);
}

void hlog_write(const struct run *run, struct buf *b)
{
    double seconds = (double)(loop_mono_ns(run->loop) - run->meter.begun_ns) / 1e9;

    buf_append_str(b, "#[Histogram log format version 1.3]\n#[values are in microseconds]\n"
                      "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_"
                      "Compressed_Histogram\"\n");
    for (size_t i = 0; i < run->meter.step_count; i++) {
        const struct meter_step *s = &run->meter.steps[i];
        buf_printf(b, "Tag=%s,0.000,%.3f,%.3f,", s->name, seconds,
                   s->latency.total ? (double)s->latency.max : 0.0);
        put_histogram(b, &s->latency);
        buf_append_char(b, '\n');
    }
}
