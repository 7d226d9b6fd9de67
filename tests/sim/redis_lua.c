/* Scripts, run in Lua 5.1 as Redis runs them: KEYS and ARGV are globals, redis.call converts as
 * https://redis.io/docs/interact/programmability/lua-api tells. */
#include "tests/sim/redis_object.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#define ARGS_MAX    4096
#define SCRIPTS_MAX 64

static lua_State *lua;
static struct redis_model *current;
static struct {
    const char *name;
    char sha[41];
    int ref;
} scripts[SCRIPTS_MAX];

/* ---- redis.call ---- */

static void push_reply(lua_State *L, const struct kv_reply *r)
{
    switch (r->kind) {
    case KV_NIL: lua_pushboolean(L, 0); return;
    case KV_INT: lua_pushnumber(L, (lua_Number)r->integer); return;
    case KV_STR: lua_pushlstring(L, r->str.at, r->str.len); return;
    case KV_ARRAY:
        lua_createtable(L, (int)r->count, 0);
        for (size_t i = 0; i < r->count; i++) {
            push_reply(L, &r->elements[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
        return;
    case KV_ERROR: lua_pushlstring(L, r->str.at, r->str.len); lua_error(L);
    }
}

/* Numbers become text as Redis 7.0 writes them: "%.17g". */
static int call(lua_State *L)
{
    static struct slice args[ARGS_MAX];
    static char digits[ARGS_MAX][32];
    int count = lua_gettop(L);

    assert(count > 0 && count <= ARGS_MAX);
    for (int i = 0; i < count; i++) {
        size_t len = 0;
        const char *at;

        if (lua_type(L, i + 1) == LUA_TNUMBER) {
            len = (size_t)snprintf(digits[i], sizeof(digits[i]), "%.17g", lua_tonumber(L, i + 1));
            at = digits[i];
        } else {
            at = lua_tolstring(L, i + 1, &len);
        }
        assert(at);
        args[i] = slice_of(at, len);
    }
    push_reply(L, redis_dispatch(current, args, (size_t)count));
    return 1;
}

static int error_reply(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "err");
    return 1;
}

static void open_lua(void)
{
    lua = luaL_newstate();
    assert(lua);
    luaL_openlibs(lua);
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, call);
    lua_setfield(lua, -2, "call");
    lua_pushcfunction(lua, error_reply);
    lua_setfield(lua, -2, "error_reply");
    lua_setglobal(lua, "redis");
}

/* ---- scripts ---- */

static _Noreturn void broken(const char *what)
{
    fprintf(stderr, "script: %s: %s\n", what, lua_tostring(lua, -1));
    abort();
}

static void push_script(const struct kv_script *script)
{
    size_t i = 0;

    while (i < SCRIPTS_MAX && scripts[i].name && strcmp(scripts[i].sha, script->sha) != 0)
        i++;
    assert(i < SCRIPTS_MAX);
    if (!scripts[i].name) {
        scripts[i].name = script->name;
        memcpy(scripts[i].sha, script->sha, sizeof(scripts[i].sha));
        if (luaL_loadbuffer(lua, script->source, strlen(script->source), script->name))
            broken(script->name);
        scripts[i].ref = luaL_ref(lua, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX, scripts[i].ref);
}

static void set_list(const char *global, const struct slice *list, size_t count)
{
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(lua, list[i].at ? list[i].at : "", list[i].len);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_setglobal(lua, global);
}

static struct slice lua_text(int index)
{
    size_t len;
    const char *at = lua_tolstring(lua, index, &len);

    return slice_of(at, len);
}

static struct kv_reply *read_result(struct redis_model *m)
{
    struct kv_reply *r;

    switch (lua_type(lua, -1)) {
    case LUA_TSTRING: return reply_str(m, lua_text(-1));
    case LUA_TNUMBER: return reply_int(m, (int64_t)lua_tonumber(lua, -1));
    case LUA_TTABLE: break;
    default: return lua_toboolean(lua, -1) ? reply_int(m, 1) : reply_nil(m);
    }
    lua_getfield(lua, -1, "err");
    if (lua_isstring(lua, -1)) {
        r = reply_error(m, lua_text(-1));
        lua_pop(lua, 1);
        return r;
    }
    lua_pop(lua, 1);
    r = reply_array(m, lua_objlen(lua, -1));
    for (size_t i = 0; i < r->count; i++) {
        lua_rawgeti(lua, -1, (int)i + 1);
        *reply_slot(r, i) = *read_result(m);
        lua_pop(lua, 1);
    }
    return r;
}

const struct kv_reply *redis_eval(struct redis_model *m, const struct kv_script *script,
                                  const struct slice *keys, size_t key_count,
                                  const struct slice *args, size_t arg_count)
{
    struct kv_reply *r;
    int failed;

    if (!lua)
        open_lua();
    arena_reset(&m->arena);
    current = m;
    push_script(script);
    set_list("KEYS", keys, key_count);
    set_list("ARGV", args, arg_count);
    failed = lua_pcall(lua, 0, 1, 0);
    r = failed ? reply_error(m, lua_text(-1)) : read_result(m);
    lua_pop(lua, 1);
    return r;
}
