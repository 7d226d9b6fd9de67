/* What config.c (reading) and config_text.c (--help, --print-config, suggestions) share. */
#ifndef HOLDFAST_BASE_CONFIG_INTERNAL_H
#define HOLDFAST_BASE_CONFIG_INTERNAL_H

#include "engine/base/config.h"

/* Where the value of an option came from. */
enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

#define CONFIG_ENV_SIZE 80 /* bytes of HOLDFAST_<NAME> with the NUL */

/* HOLDFAST_OPS_PORT of "ops-port". */
void config_env_name(const char *option, char ret_env[CONFIG_ENV_SIZE]);
void config_append_help(const struct config *c, struct buf *b);
/* As a file that --config takes; `sources` has one entry an option. */
void config_append_values(const struct config *c, const void *target,
                          const enum config_source *sources, struct buf *b);
/* The known name nearest to a misspelt one, NULL when none is near. */
const char *config_nearest(const struct config *c, struct slice name);

#endif
