# shellcheck shell=bash
# What the person at the terminal sees: one line per step, with its time, on stderr. Stdout belongs to results.

if [ -t 2 ]; then
    ui_live=1 ui_bold=$'\e[1m' ui_dim=$'\e[2m' ui_red=$'\e[31m' ui_green=$'\e[32m' ui_yellow=$'\e[33m' ui_off=$'\e[0m'
else
    ui_live='' ui_bold='' ui_dim='' ui_red='' ui_green='' ui_yellow='' ui_off=''
fi

ui_say() { printf '%s\n' "$*" >&2; }
ui_head() { printf '%s%s%s\n' "$ui_bold" "$*" "$ui_off" >&2; }
ui_warn() { printf '  %s!%s %s\n' "$ui_yellow" "$ui_off" "$*" >&2; }

# die MESSAGE [REMEDY]
die() {
    ui_clear
    printf '%sholdfast: %s%s\n' "$ui_red" "$1" "$ui_off" >&2
    [ -z "${2:-}" ] || printf '  remedy: %s\n' "$2" >&2
    exit 1
}

# Microseconds since the epoch. Bash writes EPOCHREALTIME with the locale's decimal sign.
now_us() { REPLY=${EPOCHREALTIME//[.,]/}; }

# Seconds since $1 (from now_us), with one decimal, in REPLY.
seconds_since() {
    local start=$1
    now_us
    local tenths=$(((REPLY - start) / 100000))
    REPLY="$((tenths / 10)).$((tenths % 10)) s"
}

ui_clear() { [ -z "$ui_live" ] || printf '\r\e[K' >&2; }

# ui_done LABEL START_US [DETAIL]
ui_done() {
    seconds_since "$2"
    ui_clear
    printf '  %s✓%s %-12s %s%7s%s  %s\n' "$ui_green" "$ui_off" "$1" "$ui_dim" "$REPLY" "$ui_off" "${3:-}" >&2
}

# A line that the next call overwrites; off a terminal, one every ten seconds is enough.
# ui_progress LABEL START_US DETAIL
ui_heartbeat=0
ui_progress() {
    seconds_since "$2"
    if [ -n "$ui_live" ]; then
        local width=$((${COLUMNS:-80} - 26))
        printf '\r\e[K  … %-12s %s%7s%s  %s' "$1" "$ui_dim" "$REPLY" "$ui_off" "${3:0:width}" >&2
        return
    fi
    local elapsed=${REPLY%%.*}
    if [ "$elapsed" -ge $((ui_heartbeat + 10)) ]; then
        ui_heartbeat=$elapsed
        printf '  … %-12s %7s  %s\n' "$1" "$REPLY" "${3:0:100}" >&2
    fi
}

# Runs a long command with its output in a log and its last line shown live; its failure ends us with the log's end.
# ui_run LABEL LOG REMEDY COMMAND...
ui_run() {
    local label=$1 log=$2 remedy=$3 start pid
    shift 3
    now_us; start=$REPLY
    ui_heartbeat=0
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        ui_progress "$label" "$start" "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r')"
        sleep 0.2
    done
    if ! wait "$pid"; then
        ui_clear
        tail -n "${HOLDFAST_FAIL_LINES:-30}" "$log" >&2
        die "$label failed (the whole output: $log)" "$remedy"
    fi
    ui_clear
}
