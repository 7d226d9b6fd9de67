#!/usr/bin/env bash
# supervise.sh RUN_DIR LOG NAME STOP_SIGNAL COMMAND...
# Keeps COMMAND running: starts it again when it dies, with growing pauses while it dies quickly, and notes that in its log. Ends with
# it on SIGTERM. Does not give up: what a dead PostgreSQL leaves behind, for one, takes a moment to go away.
set -u
run=$1 log=$2 name=$3 signal=$4
shift 4
source "${BASH_SOURCE[0]%/*}/process.sh"

pauses=(0.05 0.2 0.5 1 2 5)
fails=0 restarts=0 child='' stopping=''
log_max=$((16 << 20))

note() { printf 'time=%(%Y-%m-%dT%H:%M:%S%z)T level=warn msg="%s" part=%s %s\n' -1 "$1" "$name" "${2:-}" >>"$log"; }

rotate_log() {
    local size
    size=$(stat -c %s "$log" 2>/dev/null) || return 0
    [ "$size" -lt "$log_max" ] || mv -f "$log" "$log.1"
}

# The trap interrupts wait; the child is waited for again until it is really gone.
stop() {
    stopping=1
    [ -z "$child" ] || kill -"$signal" "$child" 2>/dev/null
}
trap stop TERM

pidfile_write "$run/$name.sup" $$
while [ -z "$stopping" ]; do
    rotate_log
    began=$SECONDS
    "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    pidfile_write "$run/$name.pid" "$child"
    # A stop that came between the start and the line above found no child to signal.
    [ -z "$stopping" ] || kill -"$signal" "$child" 2>/dev/null
    while :; do
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=''
    [ -z "$stopping" ] || break
    if [ $((SECONDS - began)) -ge 10 ]; then fails=0; fi
    pause=${pauses[fails < ${#pauses[@]} ? fails : -1]}
    note 'died, starting again' "exit=$code after_s=$((SECONDS - began)) pause_s=$pause"
    fails=$((fails + 1)) restarts=$((restarts + 1))
    printf '%s\n' "$restarts" >"$run/$name.restarts"
    sleep "$pause" &
    wait $!
done
rm -f "$run/$name.pid" "$run/$name.sup"
