# shellcheck shell=bash disable=SC2034 # what is set here is used by the other parts
# Where things are: directories, the block of ports, the limits of this machine. docs/processes.md has the port layout.

STATE=$(realpath -m -- "${HOLDFAST_STATE:-$ROOT/.holdfast}")
BUILD=${HOLDFAST_BUILD_DIR:-$ROOT/build}
RUN=$STATE/run
LOGS=$STATE/log
CONF=$STATE/conf
MAX_WORKERS=16

# Topics, as NAME:PARTITIONS[:compact]. The key is the event, so partitions bound how many events are pumped side by side.
KAFKA_TOPICS='holdfast.seat-changes:8 holdfast.seat-snapshots:8:compact holdfast.bookings:8 holdfast.queues:8'

state_make() {
    mkdir -p "$STATE" "$RUN" "$LOGS" "$CONF"
    # PostgreSQL, which refuses to run as root, must get through; the secrets in here are mode 600 each.
    chmod 711 "$STATE"
    chmod 700 "$RUN" "$LOGS" "$CONF"
}

# The block of ports: what the caller says, else what this checkout used last, else 8080. Who only looks wants the ports in use.
# ports_init VERB
ports_init() {
    local saved=''
    [ ! -r "$STATE/port-base" ] || saved=$(<"$STATE/port-base")
    case $1 in
    status | logs | down) [ -z "$saved" ] || HOLDFAST_PORT_BASE=$saved ;;
    esac
    PORT_BASE=${HOLDFAST_PORT_BASE:-${saved:-8080}}
    if [ "$PORT_BASE" = auto ]; then PORT_BASE=$saved; [ -n "$saved" ] || ports_find; fi
    in_range "$PORT_BASE" 1024 64000 ||
        die "HOLDFAST_PORT_BASE is '$PORT_BASE'" 'give a number from 1024 to 64000'
    GATEWAY_PORT=$PORT_BASE
    PAYSIM_PORT=$((PORT_BASE + 4))
    POSTGRES_PORT=$((PORT_BASE + 10))
    REDIS_PORT=$((PORT_BASE + 11))
    KAFKA_PORT=$((PORT_BASE + 12))
    KAFKA_CONTROLLER_PORT=$((PORT_BASE + 13))
}

# A block of which every port that one worker each would use is free, below the range from which the kernel takes its own.
ports_find() {
    local taken offset tries
    taken=" $(awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null | sed 's/.*://' | tr '\n' ' ')"
    for ((tries = 0; tries < 200; tries++)); do
        PORT_BASE=$((12000 + 20 * (RANDOM % 900)))
        for offset in {0..4} {10..13} {1000..1004}; do
            case $taken in *" $(printf %04X $((PORT_BASE + offset))) "*) continue 2 ;; esac
        done
        return
    done
    die 'no free block of ports' 'give one with HOLDFAST_PORT_BASE'
}

# in_range VALUE LOW HIGH
in_range() { [[ $1 =~ ^[0-9]{1,9}$ ]] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }

ports_save() { printf '%s\n' "$PORT_BASE" >"$STATE/port-base"; }

# Worker 0 has the documented ports; each further worker of a daemon sits 20 higher.
# worker_port OFFSET WORKER; worker_ops_port OFFSET WORKER
worker_port() { REPLY=$((PORT_BASE + $1 + 20 * $2)); }
worker_ops_port() { REPLY=$((PORT_BASE + 1000 + $1 + 20 * $2)); }

# Prints file $1 with every @NAME@ replaced by the variable NAME.
template() {
    local text name
    text=$(<"$1")
    while [[ $text =~ @([A-Z][A-Z0-9_]*)@ ]]; do
        name=${BASH_REMATCH[1]}
        [ -n "${!name+set}" ] || die "$1 wants @$name@, which nothing sets"
        text=${text//@$name@/"${!name}"}
    done
    printf '%s\n' "$text"
}

# write_config TEMPLATE TARGET: replaces TARGET in one step, readable by its owner only.
write_config() {
    (umask 077 && template "$1" >"$2.new") || exit 1
    mv -f "$2.new" "$2"
}
