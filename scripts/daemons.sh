# shellcheck shell=bash
# Our own daemons: which there are, with which flags they run (docs/processes.md), when they are ready.

# NAME BINARY PORT_OFFSET SCALES, in the order they start. The ops listener is at the offset + 1000.
DAEMONS='paysim paysim/paysim 4 no
waitroom waitroom/waitroom 1 yes
engine engine/engine 2 yes
seatmap-ws seatmap-ws/seatmap-ws 3 yes'

# Calls FUNCTION NAME BINARY PORT OPS_PORT for each process that is to run.
# daemons_each FUNCTION
daemons_each() {
    local name binary offset scales worker port ops
    while read -r -u 3 name binary offset scales; do
        for ((worker = 0; worker < WORKERS; worker++)); do
            if [ "$scales" = no ] && [ "$worker" -gt 0 ]; then break; fi
            worker_port "$offset" "$worker"; port=$REPLY
            worker_ops_port "$offset" "$worker"; ops=$REPLY
            if [ "$worker" = 0 ]; then "$1" "$name" "$binary" "$port" "$ops"; else "$1" "$name-$((worker + 1))" "$binary" "$port" "$ops"; fi
        done
    done 3<<<"$DAEMONS"
}

daemon_check_port() {
    ports_check "$3:$1" "$4:$1"
}

# The flags of one process, in ARGV. Secrets are files, or in the environment, never on a command line.
daemon_argv() {
    local name=$1 binary=$2 port=$3 ops=$4
    local stores=(--redis "127.0.0.1:$REDIS_PORT" --database "$DATABASE")
    worker_port 1 0; local waitroom=$REPLY
    ARGV=("$BUILD/$binary" --port "$port" --ops-port "$ops")
    case $name in
    paysim) ARGV+=(--webhook-url "http://127.0.0.1:$GATEWAY_PORT/v1/payments/webhooks/sim" --journal "$STATE/paysim.journal") ;;
    waitroom*) ARGV+=("${stores[@]}" --pass-key "$STATE/pass-key.pem" --web-root "$ROOT/web") ;;
    engine*) ARGV+=("${stores[@]}" --kafka "127.0.0.1:$KAFKA_PORT" --jwks-url "http://127.0.0.1:$waitroom/.well-known/jwks.json") ;;
    seatmap-ws*) ARGV+=(--kafka "127.0.0.1:$KAFKA_PORT") ;;
    esac
}

# What all daemons share comes in the environment. A rebuilt binary or a changed key restarts the daemon.
daemon_start() {
    local print
    built "$2" || die "the build has not made $BUILD/$2" "ninja -C $BUILD"
    daemon_argv "$@"
    print="${HOLDFAST_LOG_LEVEL:-} $PUBLIC_URL
$(stat -c '%i %Y %s' "$BUILD/$2" "$STATE/admin-token" "$STATE/payment-secret" "$STATE/ticket-keys" "$STATE/pass-key.pem")"
    HOLDFAST_LOG_LEVEL=${HOLDFAST_LOG_LEVEL:-info} HOLDFAST_PUBLIC_URL=$PUBLIC_URL HOLDFAST_PAYMENT_URL=http://127.0.0.1:$PAYSIM_PORT \
        HOLDFAST_TICKET_KEYS=$STATE/ticket-keys HOLDFAST_ADMIN_TOKEN=$ADMIN_TOKEN HOLDFAST_PAYMENT_SECRET=$PAYMENT_SECRET \
        part_start "$1" TERM "$print" "${ARGV[@]}"
}

daemon_ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$1/readyz"; }

daemon_wait() { part_wait "$1" 30 daemon_ready "$4"; }

# Workers beyond the wanted number, left from an earlier `up --workers`.
daemons_surplus() {
    local known wanted
    wanted=" $(daemons_each daemon_name) "
    for known in $(parts_known); do
        case $known in
        waitroom-* | engine-* | seatmap-ws-*)
            case $wanted in *" $known "*) ;; *) printf '%s ' "$known" ;; esac
            ;;
        esac
    done
}

daemon_name() { printf '%s ' "$1"; }
