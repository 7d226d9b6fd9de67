#!/usr/bin/env bash
# The sides of `bench bookings` that go to PostgreSQL without HTTP: bookings.sh SIDE [--rate N] prints one line of NAME=VALUE words (bench/against.h).
#
#   core         the booking core's own path: purchases gathered into statements, pipelined connections (commit_rate)
#   pgbench      pgbench with the single-seat statement, booking_single.sql, at the best of several client counts; the first call looks for it
#   pgbench-64   pgbench with 64 bookings in one statement by the function that the core calls, booking_64.sql
#
# All run on the same PostgreSQL as the engine, with its settings and its durability (fsync and synchronous_commit on), in a database of their own, on tables
# emptied and filled with free seats before each measurement, after a checkpoint. A measurement in which a transaction sold nothing fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/cpu.sh"
side=${1:?} rate=0
[ "${2:-}" != --rate ] || rate=$3
bookings=${HOLDFAST_BENCH_OPERATIONS:-20000}
commit_rate=${HOLDFAST_BUILD_DIR:-$here/../../build}/bench/core/commit_rate
: "${PGHOST:?}" "${PGPORT:?}"
export PGUSER=postgres PGDATABASE=holdfast_bench
unset PGPASSWORD
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$bin:$PATH
scratch=$(mktemp -d)
keep=${HOLDFAST_BENCH_DIR:-$scratch}
trap 'rm -rf "$scratch"' EXIT

sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# A database with the schema of this checkout, made by the first call.
prepare() {
    local file
    [ ! -e "$keep/database" ] || return 0
    sql -d postgres -c 'DROP DATABASE IF EXISTS holdfast_bench' -c 'CREATE DATABASE holdfast_bench' 2>/dev/null
    for file in "$here"/../../sql/[0-9]*.sql; do sql -f "$file"; done
    sql -c "INSERT INTO event (event_id, name, venue, starts_at, currency, has_queue, charge, seat_count) VALUES (1, 'x', '{}', now(), 'EUR', false, false, 500000)"
    touch "$keep/database"
}

# fresh SEATS
fresh() {
    sql -c 'TRUNCATE booking, ticket, outbox, event_seat' \
        -c "INSERT INTO event_seat (event_id, seat, price, label) SELECT 1, n, 5000, 'A-1-' || n FROM generate_series(0, $1 - 1) n" \
        -c 'VACUUM ANALYZE event_seat' -c CHECKPOINT
}

# core
core() {
    local count=$((bookings * 5)) before after
    [ "$rate" = 0 ] || count=$bookings
    fresh "$count"
    before=$(cpu_ticks postgres)
    LINE=$("$commit_rate" "host=$PGHOST port=$PGPORT user=postgres dbname=$PGDATABASE" "$count" 1024 4 "$rate")
    after=$(cpu_ticks postgres)
    LINE+=" postgres_us=$(cpu_each "$before" "$after" "$count")"
}

# pg STATEMENT BOOKINGS_EACH SEATS SECONDS CLIENTS OPTION...: a line in LINE
pg() {
    local file=$1 each=$2 seats=$3 seconds=$4 clients=$5 before after ran sold tps
    shift 5
    fresh "$seats"
    before=$(cpu_ticks postgres)
    (cd "$scratch" && timed "$scratch/cpu" pgbench -n -D n=0 -D seats=$((seats / clients)) -M prepared -f "$here/$file" -c "$clients" -j 1 -T "$seconds" "$@") >"$scratch/told"
    after=$(cpu_ticks postgres)
    ran=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$scratch/told")
    tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$scratch/told")
    sold=$(sql -c 'SELECT count(*) FROM ticket')
    [ "$sold" = $((ran * each)) ] || { echo "$side: $((ran * each)) bookings asked for, $sold sold" >&2; exit 1; }
    LINE="rate=$(awk -v t="$tps" -v e="$each" 'BEGIN { printf "%d", t * e }') clients=$clients sold=$sold"
    LINE+=" generator_us=$(awk -v n="$sold" '{ printf "%.2f", $1 * 1e6 / n }' "$scratch/cpu") postgres_us=$(cpu_each "$before" "$after" "$sold")"
}

# best_of BEST_FILE FUNCTION ARGUMENTS... -- CLIENTS...: the line with the highest rate, in LINE; at the counts that were best before, if there were any
best_of() {
    local file=$1 call=() best='' top=0 value
    shift
    while [ "$1" != -- ]; do call+=("$1"); shift; done
    shift
    if [ -s "$file" ]; then set -- "$(cat "$file")"; fi
    for value in "$@"; do
        "${call[@]}" "$value"
        [[ $LINE =~ rate=([0-9]+) ]]
        if [ "${BASH_REMATCH[1]}" -gt "$top" ]; then top=${BASH_REMATCH[1]} best=$LINE; echo "$value" >"$file"; fi
    done
    LINE=$best
}

# Each line of pgbench's log: client, number, latency from the intended instant in us, ...
p99() {
    cat "$scratch"/half.* | awk '{ print $3 }' | sort -n >"$scratch/latencies"
    local count
    count=$(wc -l <"$scratch/latencies")
    LINE+=" p99_us=$(sed -n "$(((count * 99 + 99) / 100))p" "$scratch/latencies")"
}

prepare
case $side in
core) core ;;
pgbench)
    if [ "$rate" = 0 ]; then
        best_of "$keep/pgbench.clients" pg booking_single.sql 1 240000 3 -- 8 16 32 64
    else
        pg booking_single.sql 1 240000 4 "$(cat "$keep/pgbench.clients" 2>/dev/null || echo 16)" --rate "$rate" --log --log-prefix=half
        p99
    fi
    ;;
pgbench-64) best_of "$keep/pgbench-64.clients" pg booking_64.sql 64 640000 2 -- 2 4 8 ;;
*) echo "bookings.sh: there is no side '$side'" >&2; exit 2 ;;
esac
echo "name=$side $LINE"
