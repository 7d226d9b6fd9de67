#include "bench/report_html.h"

enum { CHART_W = 720, CHART_H = 160 };

static const char style[] = "body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem "
                            "auto;padding:0 1rem;color:#1b2430;background:#fff}"
                            "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-"
                            "collapse:collapse;width:100%}"
                            "td,th{padding:.25rem .5rem;text-align:right;border-bottom:1px solid "
                            "#d9dee5}td:first-child,th:first-child{text-align:left}"
                            "svg{width:100%;height:auto;background:#f5f7fa;border-radius:6px}path{"
                            "fill:none;stroke:#2563eb;stroke-width:1.5}"
                            "text{font-size:11px;fill:#5b6776}.note{color:#5b6776}"
                            "@media(prefers-color-scheme:dark){body{background:#12161c;color:#"
                            "e5eaf0}td,th{border-color:#2c3440}svg{background:#1a2028}"
                            "path{stroke:#7aa7ff}text,.note{fill:#9aa7b6;color:#9aa7b6}}";

static void put_text(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buf_append_str(b, "&lt;");
        else if (*text == '&')
            buf_append_str(b, "&amp;");
        else
            buf_append_char(b, *text);
    }
}

static void put_figures(const struct run *run, struct buf *b)
{
    buf_append_str(b, "<h2>What happened</h2><table><tr><th></th><th></th><th>lowest .. highest "
                      "round</th></tr>");
    for (size_t i = 0; i < run->figure_count; i++) {
        buf_append_str(b, "<tr><td>");
        put_text(b, run->figures[i].name);
        buf_printf(b, "</td><td>%.6g %s</td><td>", run->figures[i].value, run->figures[i].unit);
        if (run->figures[i].rounds)
            buf_printf(b, "%.6g .. %.6g", run->figures[i].min, run->figures[i].max);
        buf_append_str(b, "</td></tr>");
    }
    buf_append_str(b, "</table>");
}

static void put_latencies(const struct run *run, struct buf *b)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};

    buf_append_str(b, "<h2>Latency from the intended instant, "
                      "ms</h2><table><tr><th>step</th><th>answers</th><th>failed</th>"
                      "<th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>");
    for (size_t i = 0; i < run->meter.step_count; i++) {
        const struct meter_step *s = &run->meter.steps[i];
        buf_printf(b, "<tr><td>%s</td><td>%llu</td><td>%llu</td>", s->name,
                   (unsigned long long)s->latency.total, (unsigned long long)s->failed);
        for (size_t q = 0; q < array_len(quantiles); q++)
            buf_printf(b, "<td>%.2f</td>", (double)hist_quantile(&s->latency, quantiles[q]) / 1000);
        buf_printf(b, "<td>%.2f</td></tr>", s->latency.total ? (double)s->latency.max / 1000 : 0.0);
    }
    buf_append_str(b, "</table>");
}

/* Answers per second of one step over the run. */
static void put_chart(const struct run *run, size_t step, struct buf *b)
{
    const struct meter *m = &run->meter;
    uint32_t top = 1;

    for (size_t n = 0; n < m->second_count; n++)
        if (m->seconds[n].answered[step] > top)
            top = m->seconds[n].answered[step];
    buf_printf(b,
               "<h2>%s: answers a second (most: %u)</h2><svg viewBox=\"0 0 %d %d\" role=\"img\" "
               "aria-label=\"%s per second\"><path d=\"",
               m->steps[step].name, top, CHART_W, CHART_H + 20, m->steps[step].name);
    for (size_t n = 0; n < m->second_count; n++)
        buf_printf(b, "%c%.1f %.1f", n ? 'L' : 'M',
                   (double)n * CHART_W / (double)(m->second_count > 1 ? m->second_count - 1 : 1),
                   CHART_H - (double)m->seconds[n].answered[step] * (CHART_H - 8) / top);
    buf_printf(b,
               "\"/><text x=\"2\" y=\"%d\">0 s</text><text x=\"%d\" y=\"%d\" "
               "text-anchor=\"end\">%zu s</text></svg>",
               CHART_H + 15, CHART_W - 2, CHART_H + 15, m->second_count);
}

void report_html_write(const struct run *run, const struct scenario *scenario, struct buf *b)
{
    char when[CLOCK_TEXT_SIZE];

    clock_format(loop_wall_ms(run->loop), when);
    buf_printf(b,
               "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
               "content=\"width=device-width\">"
               "<title>Holdfast bench: %s</title><style>%s</style><h1>Holdfast bench: %s</h1><p "
               "class=\"note\">",
               scenario->name, style, scenario->name);
    put_text(b, scenario->summary);
    buf_printf(b, ". %s, commit ", when);
    put_text(b, run->options->commit);
    buf_printf(b, ", seed %lld%s.</p>", (long long)run->options->seed,
               run->interrupted ? ", interrupted" : "");
    put_figures(run, b);
    put_latencies(run, b);
    for (size_t i = 0; i < run->meter.step_count; i++)
        if (run->meter.steps[i].latency.total)
            put_chart(run, i, b);
    buf_append_str(b, "</html>\n");
}
