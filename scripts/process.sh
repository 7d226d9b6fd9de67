# shellcheck shell=bash
# Processes that outlive the launcher, each under a supervisor (supervise.sh), known by pid and start time.
#
# A part NAME owns, in .holdfast/run: NAME.sup (its supervisor), NAME.pid (the server itself), NAME.cmd (a fingerprint of what
# was started), NAME.argv (its command line) and NAME.restarts. A pid file holds `PID START BOOT`: the process's start time in clock ticks and the boot it
# belongs to, so that a pid which the kernel has given to somebody else is never signalled.

# The start time of process $1 in REPLY; fails when there is none, or when it is a zombie.
proc_start() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The command in field 2 may hold blanks and parentheses; what follows its last ')' does not.
    read -ra fields <<<"${stat##*) }"
    [ "${fields[0]}" != Z ] || return 1
    REPLY=${fields[19]}
}

boot_id() { read -r REPLY </proc/sys/kernel/random/boot_id; }

# pidfile_write FILE PID
pidfile_write() {
    local start boot
    proc_start "$2" || return 1
    start=$REPLY
    boot_id; boot=$REPLY
    printf '%s %s %s\n' "$2" "$start" "$boot" >"$1.new" && mv -f "$1.new" "$1"
}

# The live process of pid file $1 in REPLY; fails when it is gone or the pid is somebody else's now.
pidfile_alive() {
    local pid start boot
    { read -r pid start boot <"$1"; } 2>/dev/null || return 1
    proc_start "$pid" && [ "$REPLY" = "$start" ] || return 1
    boot_id
    [ "$REPLY" = "$boot" ] || return 1
    REPLY=$pid
}

part_running() { pidfile_alive "$RUN/$1.pid"; }
part_supervised() { pidfile_alive "$RUN/$1.sup"; }

# Starts COMMAND under a supervisor, unless the very same is running already. A part whose command, binary or
# configuration changed is restarted; so is one that lost its supervisor.
# part_start NAME STOP_SIGNAL FINGERPRINT COMMAND...
part_start() {
    local name=$1 signal=$2 print=$3
    shift 3
    print=$(printf '%s\n' "$print" "$@" | cksum)
    if part_supervised "$name" && [ "$(cat "$RUN/$name.cmd" 2>/dev/null)" = "$print" ]; then
        return 0
    fi
    parts_stop "$name"
    printf '%s\n' "$print" >"$RUN/$name.cmd"
    printf '%q ' "$@" >"$RUN/$name.argv"
    rm -f "$RUN/$name.restarts"
    setsid --fork "$ROOT/scripts/supervise.sh" "$RUN" "$LOGS/$name.log" "$name" "$signal" "$@" </dev/null >/dev/null 2>&1 9>&-
    until [ -e "$RUN/$name.sup" ]; do sleep 0.01; done
}

# Stops parts side by side: asks politely, and after 20 s no longer politely. Succeeds when none of them is left.
# parts_stop NAME...
parts_stop() {
    local name deadline left signal
    for name in "$@"; do
        if part_supervised "$name"; then
            kill -TERM "$REPLY" 2>/dev/null
        elif part_running "$name"; then
            signal=TERM
            [ "$name" != postgres ] || signal=INT
            kill -"$signal" "$REPLY" 2>/dev/null
        fi
    done
    deadline=$((SECONDS + 20))
    while :; do
        left=''
        for name in "$@"; do
            if part_supervised "$name" || part_running "$name"; then left+=" $name"; fi
        done
        [ -n "$left" ] || break
        [ "$SECONDS" -lt "$deadline" ] || { parts_kill $left; break; }
        sleep 0.05
    done
    for name in "$@"; do rm -f "$RUN/$name".{pid,sup,cmd,argv,restarts}; done
}

parts_kill() {
    local name
    for name in "$@"; do
        ui_warn "$name did not stop within 20 s: killed"
        if part_supervised "$name"; then kill -KILL "$REPLY" 2>/dev/null; fi
        if part_running "$name"; then kill -KILL "$REPLY" 2>/dev/null; fi
    done
}

# Every part that has left a pid file, running or not.
parts_known() {
    local file name
    for file in "$RUN"/*.sup "$RUN"/*.pid; do
        [ -e "$file" ] || continue
        name=${file##*/}
        printf '%s\n' "${name%.*}"
    done | sort -u
}

# Supervisors of this checkout that no pid file knows, since somebody has removed .holdfast/run while they ran.
strays_stop() {
    local file pid args strays=()
    for file in $(grep -lsaF "$ROOT/scripts/supervise.sh" /proc/[0-9]*/cmdline); do
        { mapfile -d "" -t args <"$file"; } 2>/dev/null || continue
        if [ "${args[1]:-}" != "$ROOT/scripts/supervise.sh" ] || [ "${args[2]:-}" != "$RUN" ]; then continue; fi
        pid=${file//[!0-9]/}
        if part_supervised "${args[4]}" && [ "$REPLY" = "$pid" ]; then continue; fi
        # A supervisor forks to start its server; such a moment's copy is not a stray.
        if part_supervised "${args[4]}" && grep -qs "^PPid:[[:space:]]*$REPLY$" "/proc/$pid/status"; then continue; fi
        kill -TERM "$pid" 2>/dev/null && strays+=("$pid")
    done
    for pid in "${strays[@]}"; do
        while proc_start "$pid"; do sleep 0.05; done
    done
}

# Waits until COMMAND succeeds. A part that keeps dying ends the wait at once, with the end of its log.
# part_wait NAME SECONDS COMMAND...
part_wait() {
    local name=$1 deadline=$((SECONDS + $2)) before
    shift 2
    part_restarts "$name"; before=$REPLY
    until "$@" >/dev/null 2>&1; do
        part_restarts "$name"
        if [ "$REPLY" -ge $((before + 4)) ]; then part_failed "$name" 'keeps dying'; fi
        if [ "$SECONDS" -ge "$deadline" ]; then part_failed "$name" "is not ready: $*"; fi
        sleep 0.03
    done
}

part_restarts() {
    REPLY=0
    [ ! -e "$RUN/$1.restarts" ] || REPLY=$(<"$RUN/$1.restarts")
}

part_failed() {
    ui_clear
    tail -n 15 "$LOGS/$1.log" >&2
    die "$1 $2" "read $LOGS/$1.log; ./holdfast doctor looks for the usual causes"
}

# Whether something accepts connections on 127.0.0.1:$1.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The inode of the socket listening on port $1 in REPLY, from /proc, as a small system has neither ss nor lsof.
port_listener() {
    local hex file
    printf -v hex '%04X' "$1"
    for file in /proc/net/tcp /proc/net/tcp6; do
        REPLY=$(awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' "$file" 2>/dev/null)
        [ -z "$REPLY" ] || return 0
    done
    return 1
}

# Says who owns socket inode $1, as far as this user may look.
socket_owner() {
    local fd pid
    for fd in /proc/[0-9]*/fd/*; do
        [ "$(readlink "$fd" 2>/dev/null)" = "socket:[$1]" ] || continue
        pid=${fd#/proc/}
        pid=${pid%%/*}
        REPLY="process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-100))"
        return 0
    done
    REPLY='a process of another user'
}

# Ends us when one of the ports is somebody else's. PORT:PART pairs; a part that runs already owns its port.
# ports_check PORT:PART...
ports_check() {
    local pair port part inode
    for pair in "$@"; do
        port=${pair%%:*} part=${pair#*:}
        if part_supervised "$part" || part_running "$part"; then continue; fi
        port_listener "$port" || continue
        inode=$REPLY
        socket_owner "$inode"
        die "port $port, wanted for $part, is taken by $REPLY" \
            "stop that process, or use another block of ports: HOLDFAST_PORT_BASE=$((PORT_BASE + 10000)) ./holdfast up"
    done
}
