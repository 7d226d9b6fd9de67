/* Metrics in the Prometheus text format (exposition format 0.0.4). A program declares its metrics
 * in one X-macro table, which makes the struct, the /metrics page and the table in the docs:
 *
 *   #define ENGINE_METRICS(X)                                                        \
 *       X(COUNTER, holds_granted, "holds granted")                                   \
 *       X(GAUGE,   pool_requests_in_use, "requests in flight")                       \
 *       X(HISTOGRAM, commit_us, "time from gathering to commit")
 *   METRIC_STRUCT(engine_metrics, ENGINE_METRICS);
 *
 * and in one .c file:
 *
 *   #define METRIC_ROW_TAG engine_metrics
 *   static const struct metric_desc engine_descs[] = {ENGINE_METRICS(METRIC_ROW_)};
 *
 * The name on the wire is holdfast_<name>; histograms are in seconds (_us is dropped, _seconds
 * put). One thread writes. */
#ifndef HOLDFAST_BASE_METRIC_H
#define HOLDFAST_BASE_METRIC_H

#include "engine/base/hist.h"
#include "engine/base/list.h"

struct buf;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_desc {
    enum metric_kind kind;
    const char *name, *help;
    size_t offset; /* of a uint64_t, an int64_t, a struct hist */
};

#define METRIC_TYPE_COUNTER_             uint64_t
#define METRIC_TYPE_GAUGE_               int64_t
#define METRIC_TYPE_HISTOGRAM_           struct hist
#define METRIC_MEMBER_(kind, name, help) METRIC_TYPE_##kind##_ name;
#define METRIC_STRUCT(tag, TABLE)                                                                  \
    struct tag {                                                                                   \
        TABLE(METRIC_MEMBER_)                                                                      \
    }
#define METRIC_ROW_(kind, name, help)                                                              \
    {METRIC_##kind, #name, help, offsetof(struct METRIC_ROW_TAG, name)},

/* One group of metrics that a page shows: values of `descs` in the struct at `base`. Registered
 * groups are borrowed. */
struct metric_group {
    const struct metric_desc *descs;
    size_t count;
    void *base;
    const char *labels; /* e.g. `pool="hold"`, may be NULL */
    struct list link;   /* private */
};

struct metric_page {
    struct list groups;
};

void metric_page_init(struct metric_page *page);
/* Initialises the histograms of the group and links it. */
void metric_page_add(struct metric_page *page, struct metric_group *group);
void metric_group_free(struct metric_group *group); /* unlinks, frees the histograms */
/* Also writes process metrics (cpu seconds, resident bytes, open fds, start time). */
void metric_page_write(const struct metric_page *page, struct buf *b);

#endif
