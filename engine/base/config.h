/* Settings from flags, environment and file (INI), in that order of precedence, out of one option
 * table per program. */
#ifndef HOLDFAST_BASE_CONFIG_H
#define HOLDFAST_BASE_CONFIG_H

#include "engine/base/buf.h"

enum config_kind { CONFIG_STR, CONFIG_INT, CONFIG_BOOL };

struct config_option {
    const char *name; /* flag without the dashes: "ops-port"; environment HOLDFAST_OPS_PORT; key in
                         the file: ops-port */
    enum config_kind kind;
    size_t offset;        /* in the program's struct: const char *, int64_t or bool */
    const char *fallback; /* default as text; NULL: none */
    int64_t min, max;     /* CONFIG_INT, inclusive */
    bool secret;          /* masked by --print-config */
    const char *help;     /* one line, with the unit */
};

enum config_verdict {
    CONFIG_RUN,  /* go on */
    CONFIG_DONE, /* --help, --version, --check-config, --print-config was answered on stdout: exit 0
                  */
    CONFIG_WRONG, /* said on stderr: exit 2 */
};

struct config {
    const char *program, *summary; /* for --help */
    const struct config_option *options;
    size_t count;
    void *target; /* the program's struct, zeroed by the caller */
    const char *
        *rest;    /* set by config_load: arguments that are not flags, NULL-terminated; owned */
    char **owned; /* private: every string handed out, until config_free */
    size_t owned_len;
    const char *file; /* private */
};

/* The file is one `key = value` a line, not indented, `#` or `;` comments, at most CONFIG_LINE_MAX
 * bytes a line and CONFIG_FILE_MAX in all; a section, if there is one, is named after the program.
 * A flag is `--name value`, `--name=value`, for CONFIG_BOOL also `--name` and `--no-name`; `--`
 * ends them. A variable that is set to nothing counts as unset. */
#define CONFIG_FILE_MAX (256 * 1024)
#define CONFIG_LINE_MAX 198

/* Unknown flags and keys, malformed and out-of-range values are CONFIG_WRONG, each named with what
 * would be right. Strings put in the target live until config_free. */
enum config_verdict config_load(struct config *c, int argc, char **argv) MUST_CHECK;
/* Reads again into `target` (a second struct); on error the message is in ret_why and `target` must
 * not be used. For SIGHUP. */
enum status config_reload(struct config *c, int argc, char **argv, void *target,
                          struct buf *ret_why) MUST_CHECK;
void config_free(struct config *c);

#endif
