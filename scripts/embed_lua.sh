#!/bin/sh
# Embeds Lua scripts in C: lua/NAME.lua becomes `const char lua_NAME[]`, so that a program carries its scripts with it.
#
#   scripts/embed_lua.sh OUTPUT.c OUTPUT.h SCRIPT.lua...
#
# Every byte is kept: the SHA-1 by which Redis knows a script is the SHA-1 of its file. POSIX sh and sed, nothing else.
# From meson, where `embed_lua` is this script (engine/store/meson.build):
#
#   booking_lua = custom_target('booking_lua',
#     input: files('lua/hold_place.lua', 'lua/hold_release.lua'),
#     output: ['booking_lua.c', 'booking_lua.h'],
#     command: [embed_lua, '@OUTPUT0@', '@OUTPUT1@', '@INPUT@'])
#   booking_lib = static_library('booking', 'hold.c', booking_lua, ...)
#
# and then in C:
#
#   #include "engine/booking/booking_lua.h"
#   static struct kv_script hold_place = {.name = "hold_place", .source = lua_hold_place};
set -eu

if [ $# -lt 3 ]; then
    echo "usage: embed_lua.sh OUTPUT.c OUTPUT.h SCRIPT.lua..." >&2
    exit 2
fi
source=$1
header=$2
shift 2
note="/* Generated from Lua by scripts/embed_lua.sh; edit the scripts. */"

name_of()
{
    name=$(basename "$1" .lua)
    case $name in
    '' | *[!a-z0-9_]*)
        echo "embed_lua.sh: $1: the name must be [a-z0-9_]+.lua" >&2
        exit 1
        ;;
    esac
    if [ "$(tail -c 1 "$1" | od -An -tx1)" != " 0a" ]; then
        echo "embed_lua.sh: $1: must end with a newline" >&2
        exit 1
    fi
}

{
    printf '%s\n#pragma once\n' "$note"
    for script in "$@"; do
        name_of "$script"
        printf 'extern const char lua_%s[];\n' "$name"
    done
} >"$header"

{
    printf '%s\n#include "%s"\n' "$note" "$(basename "$header")"
    for script in "$@"; do
        name_of "$script"
        printf '\nconst char lua_%s[] =\n' "$name"
        LC_ALL=C sed -e 's/[\\"?]/\\&/g' -e 's/.*/    "&\\n"/' "$script"
        echo '    ;'
    done
} >"$source"
