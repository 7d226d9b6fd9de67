#include "bench/probe.h"
#include "bench/scenario.h"

#include <stdio.h>

void run_figure(struct run *r, const char *name, double value, const char *unit)
{
    if (r->figure_count == RUN_FIGURES_MAX)
        return;
    struct run_figure *f = &r->figures[r->figure_count++];
    snprintf(f->name, sizeof(f->name), "%s", name);
    f->value = value;
    f->unit = unit;
}

void run_figure_of(struct run *r, const char *name, double *values, size_t count, const char *unit)
{
    size_t at = r->figure_count;

    run_figure(r, name, probe_median(values, count), unit);
    if (r->figure_count == at)
        return;
    r->figures[at].rounds = count;
    r->figures[at].min = values[0];
    r->figures[at].max = values[count - 1];
}
