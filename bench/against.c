#include "bench/against.h"

#include <stdio.h>
#include <stdlib.h>

/* The value of the word `name=`, or `fallback`. */
static double word_value(const char *line, const char *name, double fallback)
{
    size_t len = strlen(name);
    double value = fallback;

    for (const char *at = line; (at = strstr(at, name)); at += len)
        if ((at == line || at[-1] == ' ') && at[len] == '=')
            value = strtod(at + len + 1, NULL);
    return value;
}

static void read_line(const char *line, struct against *a)
{
    const char *name = strstr(line, "name=");
    char word[32];

    a->rate = word_value(line, "rate", a->rate);
    a->p99_us = word_value(line, "p99_us", a->p99_us);
    for (size_t i = 0; i < CPU_PARTS; i++) {
        snprintf(word, sizeof(word), "%s_us", cpu_part_names[i]);
        a->cpu_us[i] = word_value(line, word, a->cpu_us[i]);
    }
    if (name)
        sscanf(name, "name=%31[^ \n]", a->name);
}

bool against_run(const char *command, double rate, struct against *ret, char *ret_why,
                 size_t why_size)
{
    char line[1024], whole[4096];
    FILE *pipe;

    *ret = (struct against){0};
    if (rate > 0)
        snprintf(whole, sizeof(whole), "%s --rate %.0f", command, rate);
    else
        snprintf(whole, sizeof(whole), "%s", command);
    pipe = popen(whole, "re");
    while (pipe && fgets(line, sizeof(line), pipe))
        read_line(line, ret);
    int code = pipe ? pclose(pipe) : -1;
    if (code != 0 || ret->rate <= 0)
        snprintf(ret_why, why_size, "the command '%s' %s", whole,
                 code ? "failed" : "told no rate=");
    return code == 0 && ret->rate > 0;
}
