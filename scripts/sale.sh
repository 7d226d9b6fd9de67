# shellcheck shell=bash
# What one does with a running stack: seed an event, demo a sale, load it (bench), prove it (audit).

usage_demo='./holdfast demo [--seats N] [--fans N] [--keep]
  The main job: brings everything up, puts a seeded arena on sale behind a waiting room and lets N fans go through draw, queue, hold and payment, while the
  pages are live in your browser. Ends with the funnel, the latencies and the audit; exit code 0 only if every promise holds.
    --seats N       seats of the arena (default 2000)
    --fans N        simulated fans (default 5000)
    --keep          leave the stack running afterwards'

usage_seed='./holdfast seed [--seats N] [--name S] [--no-queue] [--no-charge] [--opens-in SECONDS] [--rate N] [--max-active N]
  Makes a venue, a layout and an event on sale, and prints {"eventId":"..."}.
    --seats N       seats of the generated arena (default 2000)
    --name S        its name
    --no-queue      no waiting room: holds need no pass
    --no-charge     tickets cost nothing: no payment provider is called
    --opens-in S    the on-sale instant (default 0); until then joins gather for the draw
    --rate N        fans let in per minute (default 6000); --max-active N shopping at a time (default 1000)'

usage_bench='./holdfast bench SCENARIO [...]
  Brings the stack up and runs the load harness on it; ./holdfast bench --list and build/bench/bench --help tell its scenarios and options.
  Results go to --out DIR, by default .holdfast/bench/.

  onsale        a whole sale through the gateway, on an event of its own; ends when no seat is held any more, and with the audit
    --seats N --users N     seats, and users who come within --arrive-ms M (3000; 0: all at once), each thinking --think-ms M (700) before a step
    --board                 those who wait watch the public board of the line, instead of asking for their own place; so do more than 20,000 users
  polls         the HTTP layer against a bare epoll server
  holds         capacity of 4-place holds: one engine through HTTP, the booking core without HTTP, and redis-benchmark with the identical EVALSHA
    --named                 four seats by name; the comparator is then a plain sender of the same commands (bench/core/holds.sh tells why)
  bookings      capacity of durable bookings: one engine through HTTP, the core without HTTP, and pgbench with the identical statements
    --charge                every booking is paid for, with the payment simulator in the loop; without core and comparators
  holds and bookings take turns, --runs N rounds (5) of --users N operations (20000), then each runs at half of what it reached, for the latency. --core, --against and
  --against-batch CMD put other commands in the place of those above (bench/against.h tells what they print); none leaves them out.
  --threshold "core/pgbench>=3" and the like: exit code 99 when it does not hold.'

usage_audit='./holdfast audit [EVENT] [...]
  Checks the promises over PostgreSQL, Redis and Kafka; prints the offending rows and exits 98 if one is broken. build/engine/audit --help tells its options.'

# Brings the stack up and remembers whether it was up before, so that stack_return leaves things as they were.
stack_borrow() {
    STACK_WAS_UP=''
    if [ -d "$RUN" ] && [ -n "$(parts_known)" ]; then STACK_WAS_UP=1; fi
    WORKERS=${WORKERS:-1}
    stack_up
}

stack_return() {
    if [ -z "$STACK_WAS_UP" ]; then stack_lock; stack_down; stack_unlock; fi
}

# Strings for JSON: quotes, backslashes and control characters.
json_string() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//[[:cntrl:]]/ }
    REPLY=\"$text\"
}

instant() { REPLY=$(date -u -d "+$1 seconds" +%Y-%m-%dT%H:%M:%S.%3NZ); }

# admin METHOD URL BODY: the answer's body on stdout; a refusal ends us with what the daemon said.
admin() {
    local answer code
    answer=$(curl -sS -m 60 -X "$1" -w '\n%{http_code}' -H 'Content-Type: application/json' \
        -H @<(printf 'Authorization: Bearer %s\n' "$ADMIN_TOKEN") --data-binary "$3" "$2") ||
        die "no answer from $2" './holdfast status'
    code=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    case $code in 2??) printf '%s\n' "$answer" ;; *) die "$1 $2 answered $code: $answer" './holdfast logs' ;; esac
}

# event_create NAME SEATS QUEUE CHARGE [HOLD_SECONDS]: makes the event; its id in REPLY.
event_create() {
    local name starts answer
    json_string "$1"; name=$REPLY
    instant 2592000; starts=$REPLY
    worker_ops_port 2 0
    answer=$(admin POST "http://127.0.0.1:$REPLY/admin/v1/events" "{\"name\":$name,
        \"venue\":{\"name\":\"Holdfast Arena\",\"city\":\"Lisbon\",\"latitude\":38.72,\"longitude\":-9.14},
        \"startsAt\":\"$starts\",\"currency\":\"EUR\",\"type\":\"concert\",\"performers\":[\"The Rivals\"],\"queue\":$3,\"charge\":$4,\"holdSeconds\":${5:-120},
        \"priceLevels\":[{\"id\":\"gold\",\"name\":\"Gold\",\"amount\":12000},{\"id\":\"silver\",\"name\":\"Silver\",\"amount\":8000},
                         {\"id\":\"bronze\",\"name\":\"Bronze\",\"amount\":5000}],
        \"arena\":{\"seats\":$2}}") || exit 1
    REPLY=$(sed -n 's/.*"eventId" *: *"\([^"]*\)".*/\1/p' <<<"$answer")
    [ -n "$REPLY" ] || die "no eventId in: $answer"
}

# queue_create EVENT OPENS_IN RATE MAX_ACTIVE
queue_create() {
    local now opens closes
    instant 0; now=$REPLY
    instant "$2"; opens=$REPLY
    instant 2592000; closes=$REPLY
    worker_ops_port 1 0
    admin PUT "http://127.0.0.1:$REPLY/admin/v1/queues/$1" "{\"ratePerMinute\":$3,\"maxActive\":$4,
        \"prequeueAt\":\"$now\",\"opensAt\":\"$opens\",\"closesAt\":\"$closes\",\"claimSeconds\":60,\"proof\":\"off\"}" >/dev/null || exit 1
}

# A line for so many fans: fast enough to sell out in well under a minute, slow enough to be seen.
# demo_queue EVENT FANS OPENS_IN
demo_queue() { queue_create "$1" "$3" $(($2 * 2 > 600 ? $2 * 2 : 600)) $(($2 / 5 > 100 ? $2 / 5 : 100)); }

verb_seed() {
    local seats=2000 name='An evening at the arena' queue=true charge=true opens=0 rate=6000 active=1000
    while [ $# -gt 0 ]; do
        case $1 in
        --seats) seats=${2:-}; shift ;;
        --name) name=${2:-}; shift ;;
        --no-queue) queue=false ;;
        --no-charge) charge=false ;;
        --opens-in) opens=${2:-}; shift ;;
        --rate) rate=${2:-}; shift ;;
        --max-active) active=${2:-}; shift ;;
        *) usage_error seed "$1" ;;
        esac
        shift
    done
    number --seats "$seats" 1 1000000
    number --opens-in "$opens" 0 31536000
    number --rate "$rate" 1 10000000
    number --max-active "$active" 1 10000000
    stack_ensure
    event_create "$name" "$seats" "$queue" "$charge"
    local event=$REPLY
    [ "$queue" = false ] || queue_create "$event" "$opens" "$rate" "$active"
    printf '{"eventId":"%s"}\n' "$event"
}

# number OPTION VALUE LOW HIGH
number() { in_range "$2" "$3" "$4" || die "$1 is '$2'" "give a number from $3 to $4"; }

# The stack, started if it is not all ready. A running one is not rebuilt: that is for up.
stack_ensure() {
    WORKERS=1
    if (verb_status) >/dev/null 2>&1 && part_running engine && part_running haproxy; then
        secrets_ensure
        stack_names
        return
    fi
    stack_up
}

verb_demo() {
    local seats=2000 fans=5000 keep='' code=0 start event out
    while [ $# -gt 0 ]; do
        case $1 in
        --seats) seats=${2:-}; shift ;;
        --fans) fans=${2:-}; shift ;;
        --keep) keep=1 ;;
        *) usage_error demo "$1" ;;
        esac
        shift
    done
    number --seats "$seats" 1 1000000
    number --fans "$fans" 1 10000000
    stack_borrow
    [ -z "$keep" ] || STACK_WAS_UP=1
    trap 'stack_return; exit 130' INT TERM
    now_us; start=$REPLY
    # Some fans walk away from their seats; those are soon on sale again, so that the demo ends.
    event_create 'Demo: the arena sells out' "$seats" true true 25
    event=$REPLY
    demo_queue "$event" "$fans" "${HOLDFAST_DEMO_OPENS_IN:-10}"
    ui_done arena "$start" "event $event, $seats seats, $fans fans"
    ui_head "open it in a browser: $PUBLIC_URL/?event=$event"
    out=$STATE/bench/$(date +%Y%m%d-%H%M%S)-demo
    harness onsale --event "$event" --users "$fans" --out "$out" || code=$?
    ui_say "results: $out"
    local told=()
    [ ! -e "$out/confirmed.txt" ] || told=(--confirmed "$out/confirmed.txt")
    audit_run "${told[@]}" "$event" || code=$?
    trap - INT TERM
    if [ -z "$STACK_WAS_UP" ]; then ui_say 'stopping the stack (--keep leaves it running)'; fi
    stack_return
    return "$code"
}

# The harness with the stack's addresses in its environment.
harness() {
    local line
    built bench/bench || die "the build has not made $BUILD/bench/bench" "ninja -C $BUILD"
    (
        while IFS= read -r line; do export "${line?}"; done <"$STATE/env"
        export HOLDFAST_DATABASE="$DATABASE" HOLDFAST_REDIS="127.0.0.1:$REDIS_PORT"
        HOLDFAST_COMMIT=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null) && export HOLDFAST_COMMIT
        bench_processes; export HOLDFAST_PROCESSES=$REPLY
        exec "$BUILD/bench/bench" "$@"
    )
}

# Whose processor time the harness reports: PART=PID,... in REPLY.
bench_processes() {
    local name part list=''
    for name in $(parts_known); do
        part=${name%%-[0-9]*}
        [ "$part" != haproxy ] || part=gateway
        case $part in engine | redis | postgres | paysim | kafka | gateway) ;; *) continue ;; esac
        if part_running "$name"; then list+=${list:+,}$part=$REPLY; fi
    done
    REPLY=$list
}

# The sides that take turns with the flood of `holds` and `bookings`, in the harness's environment; flags go before it. BENCH_DIR is where they keep what they have found.
# bench_sides SCENARIO OPTION...
bench_sides() {
    local core=$ROOT/bench/core form=area against=redis-benchmark
    case $1 in holds | bookings) ;; *) return 0 ;; esac
    BENCH_DIR=$(mktemp -d)
    export HOLDFAST_BENCH_DIR=$BENCH_DIR HOLDFAST_BUILD_DIR=$BUILD
    case " $* " in *' --named '*) form=named against=raw ;; esac
    case $1 in
    holds)
        export HOLDFAST_CORE="'$core/holds.sh' core $form" HOLDFAST_AGAINST="'$core/holds.sh' $against $form"
        ;;
    bookings)
        case " $* " in *' --charge '*) return 0 ;; esac
        export HOLDFAST_CORE="'$core/bookings.sh' core" HOLDFAST_AGAINST="'$core/bookings.sh' pgbench" HOLDFAST_AGAINST_BATCH="'$core/bookings.sh' pgbench-64"
        ;;
    esac
    build_ensure "${BUILD_CORE[@]}"
}

bench_sides_end() {
    [ -n "${BENCH_DIR:-}" ] || return 0
    [ ! -e "$BENCH_DIR/database" ] || postgres_psql -U postgres -d postgres -c 'DROP DATABASE IF EXISTS holdfast_bench'
    rm -rf "$BENCH_DIR"
    BENCH_DIR=''
}

# Questions like --list need a build and no stack.
bench_ask() {
    stack_lock
    packages_ensure stack
    build_ensure bench/bench
    stack_unlock
    "$BUILD/bench/bench" "$@"
}

# Some scenarios work on an event, BENCH_EVENT; without --event they get a new one, in ARGV.
bench_event() {
    local scenario=$1 seats=2000 users=1000 i
    ARGV=("$@") BENCH_EVENT=''
    case $scenario in polls | onsale) ;; *) return 0 ;; esac
    for ((i = 2; i <= $#; i++)); do
        case ${!i} in
        --event) BENCH_EVENT=${ARGV[i]:-}; return ;;
        --event=*) BENCH_EVENT=${!i#--event=}; return ;;
        --seats | --users) local -n value=${ARGV[i - 1]#--}; value=${ARGV[i]:-}; unset -n value ;;
        esac
    done
    number --seats "$seats" 1 1000000
    number --users "$users" 1 10000000
    # Some of the users walk away from their seats; those are on sale again soon enough for the run.
    event_create "Bench: $scenario" "$seats" true true 30
    BENCH_EVENT=$REPLY
    ARGV+=(--event "$BENCH_EVENT")
    if [ "$users" -gt 20000 ]; then
        # What two cores can sell to side by side, whoever else waits; and so many people watch the line's board, instead of asking each for his own place.
        ARGV+=(--board)
        queue_create "$BENCH_EVENT" 5 60000 2000
    else
        demo_queue "$BENCH_EVENT" "$users" 5
    fi
}

# A whole sale ends when nothing is held any more, and with the audit of its event.
bench_audit() {
    local told=()
    [ ! -e "$1/confirmed.txt" ] || told=(--confirmed "$1/confirmed.txt")
    audit_run "${told[@]}" "$BENCH_EVENT"
}

verb_bench() {
    local code=0 arg last='' out=''
    [ $# -gt 0 ] || usage_error bench 'no scenario'
    case "$1 $* " in -* | *' --help '* | *' --check-config '* | *' --print-config '*) bench_ask "$@"; return ;; esac
    # What the harness does not understand is refused before anything starts.
    bench_ask "$@" --check-config >/dev/null || return
    stack_borrow
    trap 'bench_sides_end; stack_return; exit 130' INT TERM
    bench_sides "$@"
    bench_event "$@"
    [ "$1" != onsale ] || ARGV+=(--until-settled)
    for arg in "$@"; do
        case $arg in --out=*) out=${arg#--out=} ;; esac
        [ "$last" != --out ] || out=$arg
        last=$arg
    done
    if [ -z "$out" ]; then
        out=$STATE/bench/$(date +%Y%m%d-%H%M%S)-$1
        ARGV+=(--out "$out")
        ui_say "results: $out"
    fi
    harness "${ARGV[@]}" || code=$?
    if [ "$1" = onsale ] && [ "$code" != 2 ] && [ "$code" != 130 ]; then bench_audit "$out" || code=$?; fi
    trap - INT TERM
    bench_sides_end
    stack_return
    return "$code"
}

audit_run() {
    built engine/audit || die "the build has not made $BUILD/engine/audit" "ninja -C $BUILD"
    "$BUILD/engine/audit" --database "$DATABASE" --redis "127.0.0.1:$REDIS_PORT" --kafka "127.0.0.1:$KAFKA_PORT" "$@"
}

# The stores are enough; daemons that are dead stay so.
verb_audit() {
    local code=0
    if part_running postgres && part_running redis && part_running kafka && built engine/audit; then
        secrets_ensure
        stack_names
        audit_run "$@"
        return
    fi
    stack_borrow
    audit_run "$@" || code=$?
    stack_return
    return "$code"
}
