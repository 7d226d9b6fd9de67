# shellcheck shell=bash
# The whole stack: up, down, status, logs.

usage_up='./holdfast up [--workers N] [--infra-only]
  Installs what is missing, builds, and starts the private stack of this checkout under .holdfast/: PostgreSQL, Redis, Kafka, the payment
  simulator, our daemons and HAProxy, each under a supervisor that restarts it when it dies. What runs already and is up to date is
  left alone. Ends with the KEY=VALUE lines of the stack on stdout, which are also in .holdfast/env.
    --workers N     processes of waitroom, engine and seatmap-ws each (default 1)
    --infra-only    PostgreSQL, Redis and Kafka only; no build
  HOLDFAST_PORT_BASE=N moves all ports (default 8080); a stack remembers its own. Several checkouts run side by side.
  HOLDFAST_GATEWAY_BIND=0.0.0.0 opens the gateway to other machines; HOLDFAST_TLS_CERT=FILE (PEM with key) makes it speak TLS;
  HOLDFAST_GATEWAY_RATE and HOLDFAST_GATEWAY_CONNS bound requests in 10 s and connections per client address.'

usage_down='./holdfast down
  Stops the stack of this checkout. Data stays in .holdfast/.'

usage_status='./holdfast status
  Each part with its pid, port, restarts and whether it is ready, or why not. Exit code 1 unless all of a running stack is ready.'

usage_logs='./holdfast logs [-f] [-n LINES] [NAME...]
  The logs of all parts, or of those named (see ./holdfast status); -f follows.'

stack_lock() {
    state_make
    exec 9>"$STATE/lock"
    flock -w 600 9 || die 'another ./holdfast is at work in this checkout' 'wait for it, or end it'
    strays_stop
}

stack_unlock() { exec 9>&-; }

verb_up() {
    WORKERS=1
    local infra=''
    while [ $# -gt 0 ]; do
        case $1 in
        --workers) WORKERS=${2:-}; shift ;;
        --workers=*) WORKERS=${1#*=} ;;
        --infra-only) infra=1 ;;
        *) usage_error up "$1" ;;
        esac
        shift
    done
    in_range "$WORKERS" 1 "$MAX_WORKERS" ||
        die "--workers is '$WORKERS'" "give a number from 1 to $MAX_WORKERS"
    if [ -n "$infra" ]; then stack_infra_only; else stack_up; fi
    cat "$STATE/env"
}

stack_infra_only() {
    stack_prepare
    infra_up
    env_write
    stack_unlock
}

# Everything up and ready. WORKERS says how many of each daemon.
stack_up() {
    local start
    now_us; start=$REPLY
    stack_prepare
    build_ensure "${BUILD_STACK[@]}"
    infra_up
    database_migrate
    daemons_up
    env_write
    stack_unlock
    seconds_since "$start"
    ui_head "up in $REPLY: $PUBLIC_URL/"
}

stack_prepare() {
    ui_head "holdfast: the stack of $ROOT, ports from $PORT_BASE"
    stack_lock
    packages_ensure stack
    kafka_install
    secrets_ensure
    stack_move
    stack_names
}

# A stack that runs on another block of ports is stopped first.
stack_move() {
    local saved=''
    [ ! -r "$STATE/port-base" ] || saved=$(<"$STATE/port-base")
    if [ -n "$saved" ] && [ "$saved" != "$PORT_BASE" ] && [ -n "$(parts_known)" ]; then
        ui_warn "it runs on ports from $saved and moves to $PORT_BASE"
        stack_down
    fi
    ports_save
}

stack_names() {
    postgres_init
    PUBLIC_URL=http://127.0.0.1:$GATEWAY_PORT
    [ -z "${HOLDFAST_TLS_CERT:-}" ] || PUBLIC_URL=https://127.0.0.1:$GATEWAY_PORT
    DATABASE="host=$POSTGRES_SOCKETS port=$POSTGRES_PORT dbname=holdfast user=holdfast"
}

# The three servers start side by side and are awaited one after the other.
infra_up() {
    local start
    now_us; start=$REPLY
    postgres_start
    redis_start
    kafka_start
    infra_wait PostgreSQL postgres_wait "port $POSTGRES_PORT" "$start"
    infra_wait Redis redis_wait "port $REDIS_PORT" "$start"
    infra_wait Kafka kafka_wait "port $KAFKA_PORT" "$start"
}

# infra_wait LABEL FUNCTION DETAIL START_US
infra_wait() {
    ui_progress "$1" "$4" 'starting'
    "$2"
    ui_done "$1" "$4" "$3"
}

database_migrate() {
    local start
    now_us; start=$REPLY
    built engine/migrate || die "the build has not made $BUILD/engine/migrate" "ninja -C $BUILD"
    ui_run migrations "$LOGS/migrate.log" "look at $LOGS/migrate.log" \
        "$BUILD/engine/migrate" --database "$DATABASE" --sql-dir "$ROOT/sql"
    ui_done migrations "$start" "$(find "$ROOT/sql" -maxdepth 1 -name '[0-9]*.sql' | wc -l) files"
}

daemons_up() {
    local start surplus
    now_us; start=$REPLY
    surplus=$(daemons_surplus)
    # shellcheck disable=SC2086 # names hold no blanks
    [ -z "$surplus" ] || parts_stop $surplus
    daemons_each daemon_check_port
    daemons_each daemon_start
    haproxy_start
    daemons_each daemon_up_wait
    infra_wait gateway haproxy_wait "port $GATEWAY_PORT" "$start"
}

daemon_up_wait() {
    local start
    now_us; start=$REPLY
    ui_progress "$1" "$start" 'starting'
    daemon_wait "$@"
    ui_done "$1" "$start" "port $3, ops $4"
}

env_write() {
    local name offset
    (
        umask 077
        {
            echo "HOLDFAST_URL=$PUBLIC_URL"
            for name in WAITROOM:1 ENGINE:2 SEATMAP:3; do
                offset=${name#*:} name=${name%:*}
                worker_port "$offset" 0
                echo "HOLDFAST_${name}_URL=http://127.0.0.1:$REPLY"
                worker_ops_port "$offset" 0
                echo "HOLDFAST_${name}_OPS_URL=http://127.0.0.1:$REPLY"
            done
            echo "HOLDFAST_ADMIN_TOKEN=$ADMIN_TOKEN"
            echo "HOLDFAST_PUBLIC_URL=$PUBLIC_URL"
            echo "HOLDFAST_TICKET_KEYS=$STATE/ticket-keys"
            echo "HOLDFAST_PAYMENT_SECRET=$PAYMENT_SECRET"
            echo "HOLDFAST_PAYMENT_URL=http://127.0.0.1:$PAYSIM_PORT"
            echo "PGHOST=$POSTGRES_SOCKETS"
            echo "PGPORT=$POSTGRES_PORT"
            echo "PGDATABASE=holdfast"
            echo "PGUSER=holdfast"
            echo "PGPASSWORD=$POSTGRES_PASSWORD"
            echo "HOLDFAST_REDIS_PORT=$REDIS_PORT"
            echo "HOLDFAST_KAFKA=127.0.0.1:$KAFKA_PORT"
        } >"$STATE/env.new"
    )
    mv -f "$STATE/env.new" "$STATE/env"
}

verb_down() {
    [ $# = 0 ] || usage_error down "$1"
    [ -d "$STATE" ] || { ui_say 'nothing is running'; return; }
    stack_lock
    local start
    now_us; start=$REPLY
    stack_down
    seconds_since "$start"
    ui_head "down in $REPLY"
}

# First who takes requests, then who serves them, then the stores.
stack_down() {
    local part daemons=() stores=()
    for part in $(parts_known); do
        case $part in
        postgres | redis | kafka) stores+=("$part") ;;
        haproxy) parts_stop haproxy ;;
        *) daemons+=("$part") ;;
        esac
    done
    parts_stop "${daemons[@]}"
    parts_stop "${stores[@]}"
}

verb_status() {
    [ $# = 0 ] || usage_error status "$1"
    [ -n "$(parts_known 2>/dev/null)" ] || { echo 'down: nothing is running (./holdfast up)'; return 1; }
    WORKERS=$MAX_WORKERS
    STATUS_CODE=0
    postgres_init
    GATEWAY_OPS_PORT=$((PORT_BASE + 1000))
    printf '%-14s %8s %6s %9s  %s\n' PART PID PORT RESTARTS STATE
    status_line postgres "$POSTGRES_PORT" postgres_ready
    status_line redis "$REDIS_PORT" redis_ready
    status_line kafka "$KAFKA_PORT" port_open "$KAFKA_PORT"
    daemons_each status_daemon
    if [ -e "$RUN/haproxy.cmd" ]; then status_line haproxy "$GATEWAY_PORT" haproxy_ready; fi
    return "$STATUS_CODE"
}

status_daemon() {
    [ ! -e "$RUN/$1.cmd" ] || status_line "$1" "$3" daemon_ready "$4"
}

# status_line PART PORT READY_COMMAND...
status_line() {
    local name=$1 port=$2 pid=- state=ready why restarts
    shift 2
    part_restarts "$name"; restarts=$REPLY
    if part_running "$name"; then
        pid=$REPLY
        why=$("$@" 2>&1) || state="not ready: ${why:-no answer on port $port}"
        part_supervised "$name" || state+=' (its supervisor is gone: ./holdfast up)'
    elif part_supervised "$name"; then
        state="dead, being restarted; see ./holdfast logs $name"
    else
        state='down'
    fi
    [ "$state" = ready ] || STATUS_CODE=1
    printf '%-14s %8s %6s %9s  %s\n' "$name" "$pid" "$port" "$restarts" "${state//$'\n'/ }"
}

verb_logs() {
    local follow='' lines='' names=() files=() name
    while [ $# -gt 0 ]; do
        case $1 in
        -f) follow=1 ;;
        -n) lines=${2:-}; shift ;;
        -*) usage_error logs "$1" ;;
        *) names+=("$1") ;;
        esac
        shift
    done
    for name in "${names[@]}"; do
        [ -e "$LOGS/$name.log" ] || die "there is no log of '$name'" "one of: $(cd "$LOGS" 2>/dev/null && echo *.log | sed 's/\.log//g')"
        files+=("$LOGS/$name.log")
    done
    if [ ${#files[@]} = 0 ]; then files=("$LOGS"/*.log); fi
    [ -e "${files[0]}" ] || die 'there are no logs yet' './holdfast up'
    if [ ${#names[@]} = 1 ]; then lines=${lines:-200}; fi
    exec tail -n "${lines:-20}" ${follow:+-F} -- "${files[@]}"
}
