#include "engine/base/buf.h"
#include "engine/base/metric.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(metric, .fini = assert_no_leaks);

#define SHOP_METRICS(X)                                                                            \
    X(COUNTER, holds_granted, "holds granted")                                                     \
    X(GAUGE, pool_free, "free places")                                                             \
    X(HISTOGRAM, commit_us, "time of a commit")
METRIC_STRUCT(shop_metrics, SHOP_METRICS);

#define METRIC_ROW_TAG shop_metrics
static const struct metric_desc shop_descs[] = {SHOP_METRICS(METRIC_ROW_)};
#undef METRIC_ROW_TAG

#define POOL_METRICS(X) X(COUNTER, taken, "objects taken")
METRIC_STRUCT(pool_metrics, POOL_METRICS);

#define METRIC_ROW_TAG pool_metrics
static const struct metric_desc pool_descs[] = {POOL_METRICS(METRIC_ROW_)};

static struct buf page_text;

/* The page as text, without the metrics of the process. */
static const char *written(const struct metric_page *page)
{
    char *process;

    buf_free(&page_text);
    buf_init(&page_text, 100000);
    metric_page_write(page, &page_text);
    buf_append_char(&page_text, '\0');
    process = strstr(page_text.at, "# HELP process_");
    cr_assert_not_null(process);
    *process = '\0';
    return page_text.at;
}

Test(metric, counters_and_gauges)
{
    struct shop_metrics m = {.holds_granted = UINT64_MAX, .pool_free = -3};
    struct metric_group g = {.descs = shop_descs, .count = 2, .base = &m};
    struct metric_page page;

    metric_page_init(&page);
    metric_page_add(&page, &g);
    cr_assert_str_eq(written(&page), "# HELP holdfast_holds_granted holds granted\n"
                                     "# TYPE holdfast_holds_granted counter\n"
                                     "holdfast_holds_granted 18446744073709551615\n"
                                     "# HELP holdfast_pool_free free places\n"
                                     "# TYPE holdfast_pool_free gauge\n"
                                     "holdfast_pool_free -3\n");
    metric_group_free(&g);
    cr_assert_str_eq(written(&page), "", "a group that has gone is not shown");
    buf_free(&page_text);
}

Test(metric, histograms_are_in_seconds_and_cumulative)
{
    struct shop_metrics m = {0};
    struct metric_group g = {.descs = shop_descs, .count = 3, .base = &m, .labels = "pool=\"a\""};
    struct metric_page page;
    const char *text;

    metric_page_init(&page);
    metric_page_add(&page, &g);
    hist_record(&m.commit_us, 50);
    hist_record(&m.commit_us, 900);
    hist_record(&m.commit_us, 2000000);
    text = written(&page);
    cr_assert_not_null(strstr(text, "# TYPE holdfast_commit_seconds histogram\n"
                                    "holdfast_commit_seconds_bucket{pool=\"a\",le=\"0.0001\"} 1\n"
                                    "holdfast_commit_seconds_bucket{pool=\"a\",le=\"0.00025\"} 1\n"
                                    "holdfast_commit_seconds_bucket{pool=\"a\",le=\"0.0005\"} 1\n"
                                    "holdfast_commit_seconds_bucket{pool=\"a\",le=\"0.001\"} 2\n"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "holdfast_commit_seconds_bucket{pool=\"a\",le=\"30\"} 3\n"
                                    "holdfast_commit_seconds_bucket{pool=\"a\",le=\"+Inf\"} 3\n"
                                    "holdfast_commit_seconds_sum{pool=\"a\"} 2.000950\n"
                                    "holdfast_commit_seconds_count{pool=\"a\"} 3\n"),
                       "%s", text);
    metric_group_free(&g);
    buf_free(&page_text);
}

Test(metric, groups_of_one_table_stand_together)
{
    struct pool_metrics a = {1}, b = {2};
    struct shop_metrics m = {0};
    struct metric_group ga = {.descs = pool_descs, .count = 1, .base = &a, .labels = "pool=\"a\""};
    struct metric_group gm = {.descs = shop_descs, .count = 1, .base = &m};
    struct metric_group gb = {.descs = pool_descs, .count = 1, .base = &b, .labels = "pool=\"b\""};
    struct metric_page page;

    metric_page_init(&page);
    metric_page_add(&page, &ga);
    metric_page_add(&page, &gm);
    metric_page_add(&page, &gb);
    cr_assert_str_eq(written(&page), "# HELP holdfast_taken objects taken\n"
                                     "# TYPE holdfast_taken counter\n"
                                     "holdfast_taken{pool=\"a\"} 1\n"
                                     "holdfast_taken{pool=\"b\"} 2\n"
                                     "# HELP holdfast_holds_granted holds granted\n"
                                     "# TYPE holdfast_holds_granted counter\n"
                                     "holdfast_holds_granted 0\n");
    metric_group_free(&ga);
    metric_group_free(&gm);
    metric_group_free(&gb);
    buf_free(&page_text);
}

Test(metric, a_group_that_was_never_added_is_freed_too)
{
    struct pool_metrics a = {0};
    struct metric_group g = {.descs = pool_descs, .count = 1, .base = &a};

    metric_group_free(&g);
}

/* The value behind "\n<name> ". */
static double value_of(const char *text, const char *name)
{
    char line[100];
    const char *at;

    snprintf(line, sizeof(line), "\n%s ", name);
    at = strstr(text, line);
    cr_assert_not_null(at, "%s", name);
    return strtod(at + strlen(line), NULL);
}

static int count_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

Test(metric, the_process_is_shown)
{
    struct metric_page page;
    struct buf b;

    buf_init(&b, 10000);
    metric_page_init(&page);
    metric_page_write(&page, &b);
    buf_append_char(&b, '\0');
    cr_assert_geq(value_of(b.at, "process_cpu_seconds_total"), 0);
    cr_assert_gt(value_of(b.at, "process_resident_memory_bytes"), 100000);
    cr_assert_gt(value_of(b.at, "process_max_fds"), 10);
    cr_assert_float_eq(value_of(b.at, "process_start_time_seconds"), (double)time(NULL), 60);
    cr_assert_eq(value_of(b.at, "process_open_fds"), count_fds());
    buf_free(&b);
}
