#include "bench/threshold.h"

#include <stdio.h>
#include <stdlib.h>

static bool step_value(const struct meter_step *s, struct slice what, double *ret_us)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};

    for (size_t i = 0; i < array_len(quantiles); i++) {
        if (slice_is(what, quantiles[i].name)) {
            *ret_us = (double)hist_quantile(&s->latency, quantiles[i].q);
            return true;
        }
    }
    if (slice_is(what, "mean"))
        *ret_us = hist_mean(&s->latency);
    else if (slice_is(what, "count"))
        *ret_us = (double)s->latency.total;
    else if (slice_is(what, "failed"))
        *ret_us = (double)s->failed;
    else
        return false;
    return true;
}

static bool left_value(const struct run *run, struct slice left, double *ret_value)
{
    for (size_t i = 0; i < run->figure_count; i++) {
        if (slice_is(left, run->figures[i].name)) {
            *ret_value = run->figures[i].value;
            return true;
        }
    }
    struct slice what = left, name = slice_cut(&what, '.');
    const struct meter_step *s = meter_find(&run->meter, name);
    return what.at && s && step_value(s, what, ret_value);
}

/* Latencies are compared in microseconds; a bare number is itself. */
static bool right_value(const char *text, double *ret_value)
{
    char *end;

    *ret_value = strtod(text, &end);
    if (end == text)
        return false;
    if (strcmp(end, "ms") == 0)
        *ret_value *= 1e3;
    else if (strcmp(end, "s") == 0)
        *ret_value *= 1e6;
    else
        return *end == 0 || strcmp(end, "us") == 0;
    return true;
}

struct threshold {
    char text[128], left[64];
    bool less, equal;
    double right;
};

static bool read_one(struct slice text, struct threshold *ret_t)
{
    char op[3] = "", right[32];

    if (!slice_to_str(text, ret_t->text, sizeof(ret_t->text)) ||
        sscanf(ret_t->text, "%63[^<>=]%2[<>=]%31s", ret_t->left, op, right) != 3)
        return false;
    ret_t->less = op[0] == '<';
    ret_t->equal = op[1] == '=';
    return (ret_t->less || op[0] == '>') && (!op[1] || ret_t->equal) &&
           right_value(right, &ret_t->right);
}

static bool one_holds(const struct run *run, struct slice text, bool *ret_bad)
{
    struct threshold t;
    double a, b;
    bool holds;

    if (!read_one(text, &t) || !left_value(run, slice_trim(slice_str(t.left)), &a)) {
        *ret_bad = true;
        return false;
    }
    b = t.right;
    holds = t.less ? (t.equal ? a <= b : a < b) : (t.equal ? a >= b : a > b);
    printf("threshold %s: %s (%.6g)\n", t.text, holds ? "holds" : "FAILED", a);
    return holds;
}

bool thresholds_readable(const char *text)
{
    struct slice rest = slice_str(text);
    struct threshold t;

    while (rest.at) {
        if (!read_one(slice_trim(slice_cut(&rest, ',')), &t))
            return false;
    }
    return true;
}

bool thresholds_hold(const struct run *run, const char *text, bool *ret_bad)
{
    struct slice rest = slice_str(text);
    bool all = true;

    *ret_bad = false;
    while (rest.at && !*ret_bad)
        all &= one_holds(run, slice_trim(slice_cut(&rest, ',')), ret_bad);
    return all && !*ret_bad;
}
