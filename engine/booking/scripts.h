/* Lua scripts put together from the parts they share (lua/common.lua, ending.lua, taking.lua) and
 * their own text. */
#ifndef HOLDFAST_BOOKING_SCRIPTS_H
#define HOLDFAST_BOOKING_SCRIPTS_H

#include "engine/store/kv.h"

struct script {
    struct kv_script kv;
    char *text; /* owned */
};

#define SCRIPT_PARTS_MAX 6

/* The parts in order, ended by NULL. */
void script_init(struct script *s, const char *name, const char *const parts[SCRIPT_PARTS_MAX]);
void script_free(struct script *s);

#endif
