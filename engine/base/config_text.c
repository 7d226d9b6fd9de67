#include "engine/base/config_internal.h"

#include "engine/base/mem.h"

#include <stdio.h>

#define HELP_MAX (64 * 1024)

void config_env_name(const char *option, char ret_env[CONFIG_ENV_SIZE])
{
    size_t len = (size_t)snprintf(ret_env, CONFIG_ENV_SIZE, "HOLDFAST_%s", option);

    for (size_t i = 0; i < len && i < CONFIG_ENV_SIZE - 1; i++) {
        if (ret_env[i] == '-')
            ret_env[i] = '_';
        else if (ret_env[i] >= 'a' && ret_env[i] <= 'z')
            ret_env[i] = (char)(ret_env[i] - 'a' + 'A');
    }
}

/* ---- --help ---- */

/* One line of the table. */
struct row {
    char flag[64], env[CONFIG_ENV_SIZE];
    const char *help, *fallback;
};

static const struct row common_rows[] = {
    {"--config FILE", "HOLDFAST_CONFIG", "settings, one key = value a line", NULL},
    {"--check-config", "", "read all settings, say what is wrong, exit", NULL},
    {"--print-config", "", "show the settings in force (secrets masked), exit", NULL},
    {"--version", "", "show the version, exit", NULL},
    {"--help", "", "show this, exit", NULL},
};

static struct row row_of(const struct config_option *o)
{
    static const char *const values[] = {" TEXT", " N", ""};
    struct row row = {.help = o->help, .fallback = o->fallback};

    snprintf(row.flag, sizeof(row.flag), "--%s%s", o->name, values[o->kind]);
    config_env_name(o->name, row.env);
    return row;
}

static void widen(int *width, const char *text)
{
    int len = (int)strlen(text);

    if (len > *width)
        *width = len;
}

static void append_row(struct buf *b, const struct row *row, int flag_width, int env_width)
{
    buf_printf(b, "  %-*s  %-*s  %s", flag_width, row->flag, env_width, row->env, row->help);
    if (row->fallback && *row->fallback)
        buf_printf(b, " [%s]", row->fallback);
    buf_append_char(b, '\n');
}

void config_append_help(const struct config *c, struct buf *b)
{
    int flag_width = 0, env_width = 0;
    struct row row;

    for (size_t i = 0; i < array_len(common_rows); i++) {
        widen(&flag_width, common_rows[i].flag);
        widen(&env_width, common_rows[i].env);
    }
    for (size_t i = 0; i < c->count; i++) {
        row = row_of(&c->options[i]);
        widen(&flag_width, row.flag);
        widen(&env_width, row.env);
    }
    buf_printf(b, "Usage: %s [options]\n%s\n\n", c->program, c->summary ? c->summary : "");
    buf_append_str(b, "Flags, environment variables and [defaults]; a flag goes before the "
                      "environment, the environment before the file.\n\n");
    for (size_t i = 0; i < c->count; i++) {
        row = row_of(&c->options[i]);
        append_row(b, &row, flag_width, env_width);
    }
    buf_append_char(b, '\n');
    for (size_t i = 0; i < array_len(common_rows); i++)
        append_row(b, &common_rows[i], flag_width, env_width);
}

/* ---- --print-config ---- */

static void append_value(struct buf *b, const struct config_option *o, const void *target)
{
    const char *at = (const char *)target + o->offset;
    const char *text;

    switch (o->kind) {
    case CONFIG_INT: buf_append_i64(b, *(const int64_t *)(const void *)at); break;
    case CONFIG_BOOL: buf_append_str(b, *(const bool *)at ? "true" : "false"); break;
    case CONFIG_STR:
        text = *(const char *const *)(const void *)at;
        buf_append_str(b, o->secret && text && *text ? "********" : text ? text : "");
        break;
    }
}

void config_append_values(const struct config *c, const void *target,
                          const enum config_source *sources, struct buf *b)
{
    static const char *const names[] = {"default", "file", "environment", "flag"};
    int width = 0;

    for (size_t i = 0; i < c->count; i++)
        widen(&width, c->options[i].name);
    for (size_t i = 0; i < c->count; i++) {
        buf_printf(b, "%-*s = ", width, c->options[i].name);
        append_value(b, &c->options[i], target);
        buf_printf(b, "  ; %s\n", names[sources[i]]);
    }
}

/* ---- suggestions ---- */

#define NEAR_MAX 40 /* longer names are not compared */

/* Levenshtein distance, for names up to NEAR_MAX. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[NEAR_MAX + 1];

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = diagonal + (a.at[i - 1] != b.at[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.len];
}

const char *config_nearest(const struct config *c, struct slice name)
{
    const char *nearest = NULL;
    size_t least = 3; /* two slips at most */

    for (size_t i = 0; i < c->count; i++) {
        struct slice known = slice_str(c->options[i].name);
        size_t d;

        if (name.len > NEAR_MAX || known.len > NEAR_MAX)
            continue;
        d = distance(name, known);
        if (d < least) {
            least = d;
            nearest = c->options[i].name;
        }
    }
    return nearest;
}
