#include "engine/base/metric.h"

#include "engine/base/buf.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Upper ends of the buckets that a histogram shows, microseconds: 0.1 ms to 30 s. */
static const uint64_t bounds_us[] = {100,     250,     500,     1000,     2500,    5000,
                                     10000,   25000,   50000,   100000,   250000,  500000,
                                     1000000, 2500000, 5000000, 10000000, 30000000};

void metric_page_init(struct metric_page *page)
{
    list_init(&page->groups);
}

static void *value_of(const struct metric_group *g, const struct metric_desc *d)
{
    return (char *)g->base + d->offset;
}

void metric_page_add(struct metric_page *page, struct metric_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->descs[i].kind == METRIC_HISTOGRAM)
            hist_init(value_of(group, &group->descs[i]));
    }
    list_push_back(&page->groups, &group->link);
}

void metric_group_free(struct metric_group *group)
{
    if (group->link.next)
        list_remove(&group->link);
    for (size_t i = 0; i < group->count; i++) {
        if (group->descs[i].kind == METRIC_HISTOGRAM)
            hist_free(value_of(group, &group->descs[i]));
    }
}

/* commit_us -> commit_seconds, for histograms. */
static struct slice wire_name(const struct metric_desc *d, const char **ret_suffix)
{
    struct slice name = slice_str(d->name);

    *ret_suffix = "";
    if (d->kind != METRIC_HISTOGRAM)
        return name;
    *ret_suffix = "_seconds";
    if (name.len > 3 && memcmp(name.at + name.len - 3, "_us", 3) == 0)
        name.len -= 3;
    return name;
}

/* holdfast_<name><suffix>{<labels>,<label>} and a space. */
static void write_name(const struct metric_group *g, const struct metric_desc *d, const char *part,
                       const char *label, struct buf *b)
{
    const char *suffix, *labels = g->labels ? g->labels : "";
    struct slice name = wire_name(d, &suffix);

    buf_printf(b, "holdfast_%.*s%s%s", SLICE_ARG(name), suffix, part);
    if (*labels || *label)
        buf_printf(b, "{%s%s%s}", labels, *labels && *label ? "," : "", label);
    buf_append_char(b, ' ');
}

static void write_histogram(const struct metric_group *g, const struct metric_desc *d,
                            const struct hist *h, struct buf *b)
{
    char label[40];

    for (size_t i = 0; i < array_len(bounds_us); i++) {
        snprintf(label, sizeof(label), "le=\"%g\"", (double)bounds_us[i] / 1e6);
        write_name(g, d, "_bucket", label, b);
        buf_append_u64(b, hist_count_below(h, bounds_us[i]));
        buf_append_char(b, '\n');
    }
    write_name(g, d, "_bucket", "le=\"+Inf\"", b);
    buf_append_u64(b, h->total);
    buf_append_char(b, '\n');
    write_name(g, d, "_sum", "", b);
    buf_printf(b, "%.6f\n", h->sum / 1e6);
    write_name(g, d, "_count", "", b);
    buf_append_u64(b, h->total);
    buf_append_char(b, '\n');
}

static void write_value(const struct metric_group *g, const struct metric_desc *d, struct buf *b)
{
    if (d->kind == METRIC_HISTOGRAM) {
        write_histogram(g, d, value_of(g, d), b);
        return;
    }
    write_name(g, d, "", "", b);
    if (d->kind == METRIC_COUNTER)
        buf_append_u64(b, *(uint64_t *)value_of(g, d));
    else
        buf_append_i64(b, *(int64_t *)value_of(g, d));
    buf_append_char(b, '\n');
}

static void write_head(const struct metric_desc *d, struct buf *b)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *suffix;
    struct slice name = wire_name(d, &suffix);

    buf_printf(b, "# HELP holdfast_%.*s%s %s\n", SLICE_ARG(name), suffix, d->help);
    buf_printf(b, "# TYPE holdfast_%.*s%s %s\n", SLICE_ARG(name), suffix, types[d->kind]);
}

static const struct metric_desc *find(const struct metric_group *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->descs[i].name, name) == 0)
            return &g->descs[i];
    }
    return NULL;
}

static bool written_before(const struct metric_page *page, const struct metric_group *group,
                           const char *name)
{
    list_for_each (it, &page->groups) {
        const struct metric_group *g = list_entry(it, struct metric_group, link);

        if (g == group)
            return false;
        if (find(g, name))
            return true;
    }
    return false;
}

/* The format wants all lines of a name together, under one head: all groups that have the name are
 * written with the first of them. */
static void write_metric(const struct metric_page *page, const struct metric_desc *d, struct buf *b)
{
    write_head(d, b);
    list_for_each (it, &page->groups) {
        const struct metric_group *g = list_entry(it, struct metric_group, link);
        const struct metric_desc *same = find(g, d->name);

        if (same)
            write_value(g, same, b);
    }
}

static void write_process_value(struct buf *b, const char *name, const char *type, const char *help,
                                double value)
{
    buf_printf(b, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.10g\n", name, help,
               name, type, name, value);
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    if (fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (!dir)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count - 1; /* without the one of the directory itself */
}

static double max_fds(void)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    return (double)limit.rlim_cur;
}

/* The 22nd field of /proc/self/stat: clock ticks from boot to start. The second field may hold
 * anything, so counting starts behind its ')'. */
static double seconds_from_boot_to_start(void)
{
    char text[1024], *at;
    size_t len;
    unsigned long long ticks = 0;
    FILE *f = fopen("/proc/self/stat", "re");

    if (!f)
        return 0;
    len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[len] = '\0';
    at = strrchr(text, ')');
    if (!at || sscanf(at + 1,
                      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                      "%*d %llu",
                      &ticks) != 1)
        return 0;
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double start_time(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(wall.tv_sec - boot.tv_sec) + seconds_from_boot_to_start();
}

static void write_process(struct buf *b)
{
    write_process_value(b, "cpu_seconds_total", "counter", "CPU time used", cpu_seconds());
    write_process_value(b, "resident_memory_bytes", "gauge", "memory in RAM", resident_bytes());
    write_process_value(b, "open_fds", "gauge", "open file descriptors", open_fds());
    write_process_value(b, "max_fds", "gauge", "limit of open file descriptors", max_fds());
    write_process_value(b, "start_time_seconds", "gauge", "start of the process since 1970",
                        start_time());
}

void metric_page_write(const struct metric_page *page, struct buf *b)
{
    list_for_each (it, &page->groups) {
        const struct metric_group *g = list_entry(it, struct metric_group, link);

        for (size_t i = 0; i < g->count; i++) {
            if (!written_before(page, g, g->descs[i].name))
                write_metric(page, &g->descs[i], b);
        }
    }
    write_process(b);
}
