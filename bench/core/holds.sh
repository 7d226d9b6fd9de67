#!/usr/bin/env bash
# The sides of `bench holds` that go to Redis without HTTP: holds.sh SIDE FORM [--rate N] prints one line of NAME=VALUE words (bench/against.h).
#
#   core              the booking core's own path: seat store, script, pipelined connection (hold_rate core)
#   redis-benchmark   redis-benchmark -P 64 with the identical EVALSHA, at the best of several client counts; the first call looks for it
#   raw               the identical commands from a plain sender, encoded beforehand, at the best of two windows
#
# All sides place the same number of holds, of four places each, on the same Redis as the engine's, each on an event of its own that was just made; every hold must be
# granted, with an idempotency record, as the API asks for it. FORM is `area` or `named`.
#
# Why an area: redis-benchmark can put nothing but 12-digit random numbers with leading zeros into a command. Lua reads such a number as where to look for free places of
# an area, and grants every call; as a seat's name Redis refuses it (BITFIELD '#000000000012'), and seats by name drawn at random would soon be taken, so that refusals,
# which are cheaper, would be measured. Four seats by name can therefore be compared with `raw` only. Latency at a rate too: redis-benchmark has no rate, so with --rate
# it is `raw` that sends.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/cpu.sh"
side=${1:?} form=${2:?} rate=0
[ "${3:-}" != --rate ] || rate=$4
holds=${HOLDFAST_BENCH_OPERATIONS:-20000}
redis=${HOLDFAST_REDIS:?}
hold_rate=${HOLDFAST_BUILD_DIR:-$here/../../build}/bench/core/hold_rate
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; "$hold_rate" clean "$redis" "$form" "$holds"' EXIT
best_file=${HOLDFAST_BENCH_DIR:-$scratch}/redis-benchmark.clients

stage() { "$hold_rate" stage "$redis" "$form" "$holds"; }

# ours SENDER IN_FLIGHT: a line in LINE
ours() {
    local before after
    stage
    before=$(cpu_ticks redis)
    LINE=$("$hold_rate" "$1" "$redis" "$form" "$holds" "$2" "$rate")
    after=$(cpu_ticks redis)
    LINE+=" redis_us=$(cpu_each "$before" "$after" "$holds")"
}

# theirs CLIENTS: a line in LINE
theirs() {
    local command before after rps held
    stage
    mapfile -t command < <("$hold_rate" print "$redis" "$form" "$holds")
    before=$(cpu_ticks redis)
    timed "$scratch/cpu" redis-benchmark -h "${redis%:*}" -p "${redis##*:}" --csv -n "$holds" -c "$1" -P 64 -r $((holds * 8)) "${command[@]}" >"$scratch/csv"
    after=$(cpu_ticks redis)
    rps=$(awk -F'","' 'END { printf "%d", $(NF - 6) }' "$scratch/csv")
    held=$("$hold_rate" held "$redis" "$form" "$holds")
    # Two random numbers make a hold's id: once in a great while two are the same, and the second call is a replay.
    [ "$held" -ge $((holds - 2)) ] || { echo "redis-benchmark: only $held of $holds holds were granted" >&2; exit 1; }
    LINE="rate=$rps granted=$held clients=$1 generator_us=$(awk -v n="$holds" '{ printf "%.2f", $1 * 1e6 / n }' "$scratch/cpu")"
    LINE+=" redis_us=$(cpu_each "$before" "$after" "$holds")"
}

# best_of FUNCTION ARGUMENTS... -- VALUE...: the line with the highest rate, in LINE; the value in BEST
best_of() {
    local call=() best='' top=0 value
    while [ "$1" != -- ]; do call+=("$1"); shift; done
    shift
    for value in "$@"; do
        "${call[@]}" "$value"
        [[ $LINE =~ rate=([0-9]+) ]]
        if [ "${BASH_REMATCH[1]}" -gt "$top" ]; then top=${BASH_REMATCH[1]} best=$LINE BEST=$value; fi
    done
    LINE=$best
}

case $side in
core) ours core 256 ;;
redis-benchmark)
    if [ "$rate" != 0 ]; then
        ours raw 4096
    elif [ -s "$best_file" ]; then
        theirs "$(cat "$best_file")"
    else
        best_of theirs -- 1 4 16 50
        echo "$BEST" >"$best_file"
    fi
    ;;
raw) if [ "$rate" != 0 ]; then ours raw 4096; else best_of ours raw -- 64 1024; fi ;;
*) echo "holds.sh: there is no side '$side'" >&2; exit 2 ;;
esac
echo "name=$side $LINE"
