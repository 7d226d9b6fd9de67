# shellcheck shell=bash
# Processor time of a server and of the command that loads it, for the sides that are not the harness's own.

# cpu_ticks PART: clock ticks that the processes of HOLDFAST_PROCESSES named PART (and their children) have used.
cpu_ticks() {
    { cat /proc/[0-9]*/stat 2>/dev/null || :; } | awk -v part="$1" -v list="${HOLDFAST_PROCESSES:-}" '
        BEGIN { n = split(list, items, ","); for (i = 1; i <= n; i++) { split(items[i], a, "="); if (a[1] == part) roots[a[2]] = 1 } }
        { pid = $1; sub(/^.*\) /, ""); if (pid in roots) sum += $12 + $13 + $14 + $15; else if ($2 in roots) sum += $12 + $13 }
        END { print sum + 0 }'
}

# cpu_each BEFORE AFTER OPERATIONS: microseconds an operation.
cpu_each() { awk -v a="$1" -v b="$2" -v n="$3" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", (n > 0 ? (b - a) / hz * 1e6 / n : 0) }'; }

# timed FILE COMMAND...: its user and system seconds as one number in FILE; what it says on stderr is shown when it fails.
timed() {
    local file=$1 TIMEFORMAT='%U %S'
    shift
    { time "$@" 2>"$file.said"; } 2>"$file.time" || { cat "$file.said" >&2; return 1; }
    awk 'END { print $1 + $2 }' "$file.time" >"$file"
}
