#include "bench/against.h"

#include <stdio.h>
#include <stdlib.h>

static double word_value(const char *line, const char *name)
{
    const char *at = strstr(line, name);

    return at ? strtod(at + strlen(name), NULL) : 0;
}

bool against_run(const char *command, const char *arguments, struct against *ret, char *ret_why,
                 size_t why_size)
{
    char line[1024], whole[4096];
    FILE *pipe;

    *ret = (struct against){0};
    snprintf(whole, sizeof(whole), "%s %s", command, arguments);
    pipe = popen(whole, "re");
    while (pipe && fgets(line, sizeof(line), pipe)) {
        double rate = word_value(line, "rate="), p99_us = word_value(line, "p99_us=");
        ret->rate = rate > 0 ? rate : ret->rate;
        ret->p99_us = p99_us > 0 ? p99_us : ret->p99_us;
    }
    int code = pipe ? pclose(pipe) : -1;
    if (code != 0 || ret->rate <= 0)
        snprintf(ret_why, why_size, "the comparator '%s' %s", whole,
                 code ? "failed" : "told no rate=");
    return code == 0 && ret->rate > 0;
}
