#!/usr/bin/env bash
# check_includes.sh: holds the layers apart. Prints every include that points the wrong way and exits 1 if there is one.
#
#   base <- net <- store <- {engine/booking, waitroom, seatmap-ws};  bench and paysim stand on base and net;
#   bench/core, programs that measure the booking core alone, on engine/booking
#
# A library's header appears only in the files that wrap it; an implementation's header only beside it, in a program (a file with
# main) and in tests; includes of ours are spelled from the root.
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2

git ls-files --cached --others --exclude-standard '*.c' '*.h' | awk '
    BEGIN {
        allowed["engine/base"] = "engine/base"
        allowed["engine/net"] = "engine/base engine/net"
        allowed["engine/store"] = "engine/base engine/net engine/store"
        allowed["engine/booking"] = allowed["engine/store"] " engine/booking"
        allowed["engine"] = allowed["engine/booking"] " engine"
        allowed["waitroom"] = allowed["engine/store"] " waitroom"
        allowed["seatmap-ws"] = allowed["engine/store"] " seatmap-ws"
        allowed["bench"] = "engine/base engine/net bench"
        allowed["bench/core"] = allowed["engine/booking"] " bench bench/core"
        allowed["paysim"] = "engine/base engine/net paysim"
        # header pattern -> files that may have it
        wrapped["^hiredis/"] = "^engine/store/kv_redis[a-z_]*\\.c$"
        wrapped["^(postgresql/)?libpq-fe\\.h$"] = "^engine/store/(db_pq[a-z_]*|migrate)\\.[ch]$"
        wrapped["^librdkafka/"] = "^engine/store/bus_[a-z_]*\\.[ch]$"
        wrapped["^wslay/"] = "^engine/net/ws[a-z_]*\\.[ch]$"
        wrapped["^llhttp\\.h$"] = "^(engine/net/http_[a-z_]*|bench/client)\\.[ch]$"
        wrapped["^curl/"] = "^engine/net/http_client[a-z_]*\\.[ch]$"
        chosen = "^engine/store/(kv_redis|db_pq|bus_rdkafka)\\.h$"
    }
    function complain(what) { printf "%s:%d: %s\n", file, line, what; bad++ }
    function layer_of(path) {
        sub(/\/[^\/]*$/, "", path)
        while (!(path in allowed) && path ~ /\//) sub(/\/[^\/]*$/, "", path)
        return path
    }
    function check_ours(header,    mine, theirs, list, n, i) {
        if (header ~ /^\.\.?\// || header !~ /\//) { complain("\"" header "\" is not spelled from the root"); return }
        if (header ~ chosen && mine_layer != "engine/store" && !program) complain(header ": only a main picks an implementation")
        theirs = layer_of(header)
        n = split(allowed[mine_layer], list, " ")
        for (i = 1; i <= n; i++) if (list[i] == theirs) return
        complain(mine_layer " must not include " header)
    }
    function check_library(header,    pattern) {
        for (pattern in wrapped) if (header ~ pattern && file !~ wrapped[pattern]) complain("<" header "> belongs behind its wrapper")
        if (header == "uv.h" && mine_layer == "engine/base") complain("<uv.h> begins with engine/net")
    }
    {
        file = $0
        if (file ~ /^tests\//) next
        mine_layer = layer_of(file)
        if (!(mine_layer in allowed)) { line = 1; complain("no layer is known for this folder"); next }
        program = 0; line = 0; count = 0
        while ((getline text < file) > 0) {
            count++
            if (text ~ /^int main\(/) program = 1
            if (text ~ /^#[ \t]*include/) { at[count] = text }
        }
        close(file)
        for (line = 1; line <= count; line++) {
            if (!(line in at)) continue
            if (match(at[line], /"[^"]+"/)) check_ours(substr(at[line], RSTART + 1, RLENGTH - 2))
            else if (match(at[line], /<[^>]+>/)) check_library(substr(at[line], RSTART + 1, RLENGTH - 2))
        }
        delete at
    }
    END { exit bad > 0 }'
