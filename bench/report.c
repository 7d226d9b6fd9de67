#include "bench/report.h"

#include "bench/hlog.h"
#include "bench/report_html.h"
#include "engine/base/json.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { FILE_LIMIT = 64 * 1024 * 1024 };

static double ms_of(uint64_t us)
{
    return (double)us / 1000;
}

/* ---- stdout ---- */

static void print_figures(const struct run *run)
{
    for (size_t i = 0; i < run->figure_count; i++) {
        const struct run_figure *f = &run->figures[i];
        printf("  %-36s %12.6g %-4s", f->name, f->value, f->unit);
        if (f->rounds)
            printf("  %.6g .. %.6g", f->min, f->max);
        putchar('\n');
    }
}

static void print_step(const struct meter_step *s)
{
    const struct hist *h = &s->latency;

    printf("  %-8s %9llu %8llu %10.2f %10.2f %10.2f %10.2f\n", s->name,
           (unsigned long long)h->total, (unsigned long long)s->failed,
           ms_of(hist_quantile(h, 0.5)), ms_of(hist_quantile(h, 0.9)),
           ms_of(hist_quantile(h, 0.99)), ms_of(h->total ? h->max : 0));
}

static void print_outcomes(const struct meter_step *s)
{
    if (!s->outcome_count)
        return;
    printf("  %-8s", s->name);
    for (size_t i = 0; i < s->outcome_count; i++)
        printf("  %s: %llu", s->outcomes[i].code, (unsigned long long)s->outcomes[i].count);
    putchar('\n');
}

void report_print(const struct run *run, const struct scenario *scenario)
{
    printf("\n%s\n", scenario->name);
    print_figures(run);
    printf("\n  latency from the intended instant, ms\n  %-8s %9s %8s %10s %10s %10s %10s\n",
           "step", "answers", "failed", "p50", "p90", "p99", "max");
    for (size_t i = 0; i < run->meter.step_count; i++)
        print_step(&run->meter.steps[i]);
    printf("\n  answers\n");
    for (size_t i = 0; i < run->meter.step_count; i++)
        print_outcomes(&run->meter.steps[i]);
    fflush(stdout);
}

/* ---- files ---- */

static void put_host(struct json_out *w)
{
    struct utsname name;

    uname(&name);
    json_key(w, "host");
    json_object_begin(w);
    json_put_str(w, "system", slice_str(name.sysname));
    json_put_str(w, "release", slice_str(name.release));
    json_put_str(w, "machine", slice_str(name.machine));
    json_put_int(w, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    json_object_end(w);
}

static void put_config(struct json_out *w, const struct bench_options *o)
{
    json_key(w, "config");
    json_object_begin(w);
    json_put_int(w, "users", o->users);
    json_put_int(w, "rate", o->rate);
    json_put_int(w, "durationSeconds", o->duration_s);
    json_put_int(w, "arriveMs", o->arrive_ms);
    json_put_int(w, "thinkMs", o->think_ms);
    json_put_int(w, "connections", o->connections);
    json_put_int(w, "runs", o->runs);
    json_put_bool(w, "named", o->named);
    json_put_bool(w, "charge", o->charge);
    if (o->event)
        json_put_str(w, "event", slice_str(o->event));
    json_object_end(w);
}

static void put_step(struct json_out *w, const struct meter_step *s)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50Us", 0.5}, {"p90Us", 0.9}, {"p99Us", 0.99}, {"p999Us", 0.999}};

    json_object_begin(w);
    json_put_str(w, "name", slice_str(s->name));
    json_put_int(w, "answers", (int64_t)s->latency.total);
    json_put_int(w, "failed", (int64_t)s->failed);
    for (size_t i = 0; i < array_len(quantiles); i++)
        json_put_int(w, quantiles[i].name, (int64_t)hist_quantile(&s->latency, quantiles[i].q));
    json_put_int(w, "maxUs", s->latency.total ? (int64_t)s->latency.max : 0);
    json_key(w, "outcomes");
    json_object_begin(w);
    for (size_t i = 0; i < s->outcome_count; i++)
        json_put_int(w, s->outcomes[i].code, (int64_t)s->outcomes[i].count);
    json_object_end(w);
    json_object_end(w);
}

static void put_rounds(struct json_out *w, const struct run_figure *f)
{
    if (!f->rounds)
        return;
    json_put_int(w, "rounds", (int64_t)f->rounds);
    json_key(w, "min");
    json_num(w, f->min);
    json_key(w, "max");
    json_num(w, f->max);
}

static void put_summary(const struct run *run, const struct scenario *scenario, struct buf *b)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_put_str(&w, "schema", SLICE_LITERAL("holdfast.bench/2"));
    json_put_str(&w, "scenario", slice_str(scenario->name));
    json_put_str(&w, "commit", slice_str(run->options->commit));
    json_put_time(&w, "finishedAt", loop_wall_ms(run->loop));
    json_put_int(&w, "seed", run->options->seed);
    json_put_bool(&w, "interrupted", run->interrupted);
    put_host(&w);
    put_config(&w, run->options);
    json_key(&w, "figures");
    json_array_begin(&w);
    for (size_t i = 0; i < run->figure_count; i++) {
        json_object_begin(&w);
        json_put_str(&w, "name", slice_str(run->figures[i].name));
        json_key(&w, "value");
        json_num(&w, run->figures[i].value);
        json_put_str(&w, "unit", slice_str(run->figures[i].unit));
        put_rounds(&w, &run->figures[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, "steps");
    json_array_begin(&w);
    for (size_t i = 0; i < run->meter.step_count; i++)
        put_step(&w, &run->meter.steps[i]);
    json_array_end(&w);
    json_object_end(&w);
    buf_append_char(b, '\n');
}

static void put_hgrm(const struct run *run, struct buf *b)
{
    for (size_t i = 0; i < run->meter.step_count; i++) {
        buf_printf(b, "# step %s\n", run->meter.steps[i].name);
        hist_write_hgrm(&run->meter.steps[i].latency, b);
    }
}

static void put_timeline(const struct run *run, struct buf *b)
{
    const struct meter *m = &run->meter;

    buf_append_str(b, "second");
    for (size_t i = 0; i < m->step_count; i++)
        buf_printf(b, ",%s_answers,%s_worst_ms", m->steps[i].name, m->steps[i].name);
    buf_append_char(b, '\n');
    for (size_t n = 0; n < m->second_count; n++) {
        buf_printf(b, "%zu", n);
        for (size_t i = 0; i < m->step_count; i++)
            buf_printf(b, ",%u,%.3f", m->seconds[n].answered[i], ms_of(m->seconds[n].worst_us[i]));
        buf_append_char(b, '\n');
    }
}

static bool write_file(const char *directory, const char *name, const struct buf *b, char *ret_why,
                       size_t why_size)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *f = fopen(path, "we");
    bool good = f && !b->failed && fwrite(b->at, 1, b->len, f) == b->len;
    if (f && fclose(f) != 0)
        good = false;
    if (!good)
        snprintf(ret_why, why_size, "%s: %s", path, strerror(errno));
    return good;
}

static bool make_directory(const char *path)
{
    char part[4096];

    for (size_t i = 1; path[i - 1] && i < sizeof(part); i++) {
        if (path[i] != '/' && path[i])
            continue;
        snprintf(part, sizeof(part), "%.*s", (int)i, path);
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

bool report_write(const struct run *run, const struct scenario *scenario, char *ret_why,
                  size_t why_size)
{
    const char *out = run->options->out;
    struct buf b;
    bool good = make_directory(out);

    if (!good)
        snprintf(ret_why, why_size, "%s: %s", out, strerror(errno));
    buf_init(&b, FILE_LIMIT);
    put_summary(run, scenario, &b);
    good = good && write_file(out, "summary.json", &b, ret_why, why_size);
    buf_clear(&b);
    put_hgrm(run, &b);
    good = good && write_file(out, "latency.hgrm", &b, ret_why, why_size);
    buf_clear(&b);
    hlog_write(run, &b);
    good = good && write_file(out, "latency.hlog", &b, ret_why, why_size);
    buf_clear(&b);
    put_timeline(run, &b);
    good = good && write_file(out, "timeline.csv", &b, ret_why, why_size);
    buf_clear(&b);
    report_html_write(run, scenario, &b);
    good = good && write_file(out, "report.html", &b, ret_why, why_size);
    buf_free(&b);
    if (run->confirmed.len)
        good = good && write_file(out, "confirmed.txt", &run->confirmed, ret_why, why_size);
    return good;
}
