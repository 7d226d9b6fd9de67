#include "engine/base/config.h"

#include "engine/base/config_internal.h"
#include "engine/base/mem.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WHY_MAX    4096
#define OUTPUT_MAX (256 * 1024)
#define READ_SIZE  4096

/* One reading of all sources. The first error stays in `why`. */
struct load {
    struct config *c;
    void *target;
    enum config_source *sources; /* of each option */
    struct buf *why;
    const char *file;
    const char **rest; /* where arguments that are not flags go; NULL: nowhere */
    size_t rest_len;
};

/* Always false, so that a failing function can return it. */
__attribute__((format(printf, 2, 3))) static bool wrong(struct load *l, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;

    if (l->why->len > 0)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_append_str(l->why, text);
    return false;
}

static const struct config_option *find_option(const struct config *c, struct slice name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (slice_is(name, c->options[i].name))
            return &c->options[i];
    }
    return NULL;
}

/* ---- one value ---- */

static const char *own(struct config *c, const char *text)
{
    c->owned = mem_resize(c->owned, (c->owned_len + 1) * sizeof(*c->owned));
    c->owned[c->owned_len] = mem_strdup(text);
    return c->owned[c->owned_len++];
}

static bool set_int(struct load *l, const struct config_option *o, const char *where,
                    const char *text)
{
    int64_t value, *to = (void *)((char *)l->target + o->offset);
    bool bounded = o->min != 0 || o->max != 0;

    if (!slice_to_i64(slice_str(text), &value))
        return wrong(l, "%s: \"%s\" is not a whole number", where, text);
    if (bounded && (value < o->min || value > o->max))
        return wrong(l, "%s: %s is not within %" PRId64 " to %" PRId64, where, text, o->min,
                     o->max);
    *to = value;
    return true;
}

static bool set_bool(struct load *l, const struct config_option *o, const char *where,
                     const char *text)
{
    static const char *const words[] = {"true", "yes", "on", "1", "false", "no", "off", "0"};

    for (size_t i = 0; i < array_len(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *(bool *)((char *)l->target + o->offset) = i < array_len(words) / 2;
            return true;
        }
    }
    return wrong(l, "%s: \"%s\" is neither true nor false", where, text);
}

/* `where` names the place for a message: "--port", "HOLDFAST_PORT", "holdfast.ini line 3: port". */
static bool set(struct load *l, const struct config_option *o, enum config_source source,
                const char *where, const char *text)
{
    l->sources[o - l->c->options] = source;
    switch (o->kind) {
    case CONFIG_INT: return set_int(l, o, where, text);
    case CONFIG_BOOL: return set_bool(l, o, where, text);
    case CONFIG_STR: break;
    }
    *(const char **)(void *)((char *)l->target + o->offset) = own(l->c, text);
    return true;
}

/* ---- the sources, weakest first ---- */

static bool read_defaults(struct load *l)
{
    for (size_t i = 0; i < l->c->count; i++) {
        const struct config_option *o = &l->c->options[i];

        if (o->fallback && !set(l, o, CONFIG_FROM_DEFAULT, o->name, o->fallback))
            return false;
    }
    return true;
}

static bool unknown(struct load *l, const char *where, const char *dashes, struct slice name)
{
    const char *nearest = config_nearest(l->c, name);

    if (nearest)
        return wrong(l, "%s %s%.*s is not known; %s%s is", where, dashes, SLICE_ARG(name), dashes,
                     nearest);
    return wrong(l, "%s %s%.*s is not known; see --help", where, dashes, SLICE_ARG(name));
}

/* inih calls it for each line; 0 is an error there. */
static int read_pair(void *user, const char *section, const char *name, const char *value)
{
    struct load *l = user;
    const struct config_option *o = find_option(l->c, slice_str(name));
    char where[256];

    snprintf(where, sizeof(where), "%s: %s", l->file, name);
    if (*section && strcmp(section, l->c->program) != 0)
        return wrong(l, "%s: section [%s] is not for %s", l->file, section, l->c->program);
    if (!o) {
        snprintf(where, sizeof(where), "%s: key", l->file);
        return unknown(l, where, "", slice_str(name));
    }
    return set(l, o, CONFIG_FROM_FILE, where, value);
}

/* inih splits a longer line silently, and takes an indented one for more of the value before it:
 * both are refused here first. */
static bool check_lines(struct load *l, struct slice text)
{
    for (int line = 1; text.at; line++) {
        struct slice s = slice_cut(&text, '\n'), trimmed = slice_trim(s);

        if (s.len > CONFIG_LINE_MAX)
            return wrong(l, "%s line %d: longer than %d bytes", l->file, line, CONFIG_LINE_MAX);
        if (trimmed.len > 0 && trimmed.at != s.at && !strchr("#;\r", trimmed.at[0]))
            return wrong(l, "%s line %d: begins with a space", l->file, line);
    }
    return true;
}

static bool read_whole(struct load *l, struct buf *b)
{
    FILE *f = fopen(l->file, "re");
    bool failed;
    size_t n;

    if (!f)
        return wrong(l, "%s: %s", l->file, strerror(errno));
    do {
        n = fread(buf_reserve(b, READ_SIZE), 1, READ_SIZE, f);
        buf_commit(b, n);
    } while (n > 0 && b->len <= CONFIG_FILE_MAX);
    failed = ferror(f);
    fclose(f);
    if (failed)
        return wrong(l, "%s: %s", l->file, strerror(errno));
    return b->len <= CONFIG_FILE_MAX ||
           wrong(l, "%s: larger than %d bytes", l->file, CONFIG_FILE_MAX);
}

static bool parse_file(struct load *l, struct buf *text)
{
    int line;

    if (text->len > 0 && memchr(text->at, '\0', text->len))
        return wrong(l, "%s: not a text file", l->file);
    if (!check_lines(l, buf_slice(text)))
        return false;
    buf_append_char(text, '\0');
    line = ini_parse_string(text->at, read_pair, l);
    return line == 0 || wrong(l, "%s line %d: neither key = value nor [section]", l->file, line);
}

static bool read_file(struct load *l)
{
    struct buf text;
    bool ok;

    if (!l->file)
        return true;
    buf_init(&text, CONFIG_FILE_MAX + READ_SIZE);
    ok = read_whole(l, &text) && parse_file(l, &text);
    buf_free(&text);
    return ok;
}

static bool read_environment(struct load *l)
{
    for (size_t i = 0; i < l->c->count; i++) {
        const struct config_option *o = &l->c->options[i];
        char env[CONFIG_ENV_SIZE];
        const char *value;

        config_env_name(o->name, env);
        value = getenv(env);
        if (value && *value && !set(l, o, CONFIG_FROM_ENV, env, value))
            return false;
    }
    return true;
}

/* ---- flags ---- */

/* One argument taken apart: --name, --name=value. */
struct flag {
    struct slice name;
    const char *value; /* NULL: none after a '=' */
};

static struct flag split_flag(const char *argument)
{
    struct slice rest = slice_str(argument + 2);
    struct flag flag = {.name = slice_cut(&rest, '=')};

    flag.value = rest.at;
    return flag;
}

static const char *const switches[] = {"help", "version", "check-config", "print-config"};

static bool is_switch(struct slice name)
{
    for (size_t i = 0; i < array_len(switches); i++) {
        if (slice_is(name, switches[i]))
            return true;
    }
    return false;
}

/* --no-name of a CONFIG_BOOL. */
static const struct config_option *find_negated(const struct config *c, struct slice name)
{
    const struct config_option *o;

    if (!slice_starts_with(name, SLICE_LITERAL("no-")))
        return NULL;
    o = find_option(c, slice_of(name.at + 3, name.len - 3));
    return o && o->kind == CONFIG_BOOL ? o : NULL;
}

/* Returns how many arguments were used, 0 when wrong. */
static int read_flag(struct load *l, int left, char **argv)
{
    struct flag flag = split_flag(argv[0]);
    const struct config_option *o = find_option(l->c, flag.name);
    char where[CONFIG_ENV_SIZE];
    int used = 1;

    snprintf(where, sizeof(where), "--%.*s", SLICE_ARG(flag.name));
    if (is_switch(flag.name) && !flag.value)
        return 1;
    if (!o && !flag.value) {
        o = find_negated(l->c, flag.name);
        flag.value = o ? "false" : NULL;
    }
    if (!o && !slice_is(flag.name, "config"))
        return unknown(l, "flag", "--", flag.name);
    if (!flag.value && o && o->kind == CONFIG_BOOL)
        flag.value = "true";
    if (!flag.value && left > 1) {
        flag.value = argv[1];
        used = 2;
    }
    if (!flag.value)
        return wrong(l, "%s: a value is missing", where);
    if (o)
        return set(l, o, CONFIG_FROM_FLAG, where, flag.value) ? used : 0;
    l->file = flag.value;
    return used;
}

static bool read_flags(struct load *l, int argc, char **argv)
{
    bool ended = false;
    int used;

    for (int i = 1; i < argc; i += used) {
        used = 1;
        if (ended || strncmp(argv[i], "--", 2) != 0) {
            if (l->rest)
                l->rest[l->rest_len++] = argv[i];
        } else if (argv[i][2] == '\0') {
            ended = true;
        } else {
            used = read_flag(l, argc - i, argv + i);
            if (used == 0)
                return false;
        }
    }
    return true;
}

/* True when this switch is among the flags. */
static bool switched(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return true;
    }
    return false;
}

/* ---- all together ---- */

/* The flags are read twice: first they may name the file, last they win over it. */
static bool load_all(struct load *l, int argc, char **argv)
{
    const char *env_file = getenv("HOLDFAST_CONFIG");
    const char **rest = l->rest;

    l->file = env_file && *env_file ? env_file : NULL;
    l->rest = NULL;
    if (!read_flags(l, argc, argv))
        return false;
    l->rest = rest;
    return read_defaults(l) && read_file(l) && read_environment(l) && read_flags(l, argc, argv);
}

static enum config_verdict print(const struct buf *b)
{
    fwrite(b->at, 1, b->len, stdout);
    return fflush(stdout) == 0 ? CONFIG_DONE : CONFIG_WRONG;
}

static enum config_verdict print_help(const struct config *c)
{
    struct buf out;
    enum config_verdict verdict;

    buf_init(&out, OUTPUT_MAX);
    config_append_help(c, &out);
    verdict = print(&out);
    buf_free(&out);
    return verdict;
}

static enum config_verdict print_values(const struct load *l)
{
    struct buf out;
    enum config_verdict verdict;

    buf_init(&out, OUTPUT_MAX);
    config_append_values(l->c, l->target, l->sources, &out);
    verdict = print(&out);
    buf_free(&out);
    return verdict;
}

static enum config_verdict answer(const struct load *l, bool ok, int argc, char **argv)
{
    if (!ok) {
        fprintf(stderr, "%s: %.*s\n", l->c->program, SLICE_ARG(buf_slice(l->why)));
        return CONFIG_WRONG;
    }
    if (switched(argc, argv, "print-config"))
        return print_values(l);
    if (switched(argc, argv, "check-config")) {
        printf("%s: the configuration is valid\n", l->c->program);
        return CONFIG_DONE;
    }
    return CONFIG_RUN;
}

enum config_verdict config_load(struct config *c, int argc, char **argv)
{
    struct buf why;
    struct load l = {.c = c, .target = c->target, .why = &why};
    enum config_verdict verdict;
    bool ok;

    if (switched(argc, argv, "help"))
        return print_help(c);
    if (switched(argc, argv, "version")) {
        printf("%s %s\n", c->program, HOLDFAST_VERSION);
        return CONFIG_DONE;
    }
    buf_init(&why, WHY_MAX);
    l.sources = mem_alloc(c->count * sizeof(*l.sources));
    mem_free(c->rest);
    c->rest = l.rest = mem_alloc(((size_t)argc + 1) * sizeof(*c->rest));
    ok = load_all(&l, argc, argv);
    c->file = l.file;
    verdict = answer(&l, ok, argc, argv);
    mem_free(l.sources);
    buf_free(&why);
    return verdict;
}

enum status config_reload(struct config *c, int argc, char **argv, void *target,
                          struct buf *ret_why)
{
    struct load l = {.c = c, .target = target, .why = ret_why};
    bool ok;

    buf_clear(ret_why);
    l.sources = mem_alloc(c->count * sizeof(*l.sources));
    ok = load_all(&l, argc, argv);
    mem_free(l.sources);
    return ok ? STATUS_OK : STATUS_INVALID;
}

void config_free(struct config *c)
{
    for (size_t i = 0; i < c->owned_len; i++)
        mem_free(c->owned[i]);
    mem_free(c->owned);
    mem_free(c->rest);
    c->owned = NULL;
    c->owned_len = 0;
    c->rest = NULL;
}
