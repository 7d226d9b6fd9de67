# shellcheck shell=bash
# What would fail on this machine, and how to mend it.

usage_doctor='./holdfast doctor
  Looks at versions, packages, limits, ports, disk and the running stack. Each line that is not fine says how to mend it. Exit code 1 if one would fail.'

DOCTOR_CODE=0
doctor_ok() { printf '  %s✓%s %-12s %s\n' "$ui_green" "$ui_off" "$1" "$2"; }
doctor_note() { printf '  %s!%s %-12s %s\n' "$ui_yellow" "$ui_off" "$1" "$2"; }
doctor_bad() { # LABEL WHAT REMEDY
    printf '  %s✗%s %-12s %s\n                 remedy: %s\n' "$ui_red" "$ui_off" "$1" "$2" "$3"
    DOCTOR_CODE=1
}

verb_doctor() {
    [ $# = 0 ] || usage_error doctor "$1"
    doctor_system
    doctor_packages
    doctor_versions
    doctor_limits
    doctor_disk
    doctor_ports
    doctor_stack
    return "$DOCTOR_CODE"
}

doctor_system() {
    local name
    name=$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null)
    if command -v apt-get >/dev/null; then
        doctor_ok system "${name:-unknown}, $(nproc) cores, $(awk '/^MemTotal/ { print int($2 / 1048576) }' /proc/meminfo) GiB"
    else
        doctor_bad system "${name:-unknown} has no apt" 'Debian 12 or 13 or Ubuntu 24.04; elsewhere use compose.yaml'
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        doctor_note user 'neither root nor sudo: missing packages cannot be installed from here'
    fi
}

doctor_packages() {
    local group missing remedy
    command -v dpkg-query >/dev/null || return 0
    for group in stack browser; do
        # shellcheck disable=SC2046 # package names hold no blanks
        missing=$(packages_missing $(packages_for "$group"))
        remedy="./holdfast up installs them, or: apt-get install $missing"
        [ "$group" = stack ] || remedy="./holdfast test browser installs them, or: apt-get install $missing"
        if [ -z "$missing" ]; then doctor_ok packages "for $group: all there"; else doctor_note packages "for $group, missing: $missing- $remedy"; fi
    done
}

# NAME MINIMUM VERSION_COMMAND
doctor_versions() {
    doctor_version gcc 10 gcc -dumpfullversion
    doctor_version meson 1.0 meson --version
    doctor_version PostgreSQL 15 doctor_postgres
    doctor_version Redis 7.0 redis-server --version
    doctor_version HAProxy 2.6 haproxy -v
    doctor_version Java 17 java -version
    doctor_version OpenSSL 3.0 openssl version
}

doctor_postgres() { "$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)/postgres" --version; }

doctor_version() {
    local name=$1 minimum=$2 text version
    shift 2
    text=$("$@" 2>&1) || { doctor_note "$name" 'not installed yet'; return; }
    version=$(grep -oE '[0-9]+(\.[0-9]+)*' <<<"$text" | head -n 1)
    if [ "$(printf '%s\n' "$minimum" "$version" | sort -V | head -n 1)" = "$minimum" ]; then
        doctor_ok "$name" "$version"
    else
        doctor_bad "$name" "$version is older than $minimum" 'a newer distribution'
    fi
}

doctor_limits() {
    local hard
    hard=$(ulimit -Hn)
    if [ "$hard" = unlimited ] || [ "$hard" -ge 20000 ]; then
        doctor_ok files "$hard descriptors a process"
    elif [ "$hard" -ge 4096 ]; then
        doctor_note files "$hard descriptors a process: about $((hard / 2)) clients at the gateway; more: nofile in /etc/security/limits.conf"
    else
        doctor_bad files "only $hard descriptors a process" 'raise nofile in /etc/security/limits.conf, or LimitNOFILE of the service'
    fi
}

doctor_disk() {
    local free
    free=$(df -Pk "$ROOT" | awk 'NR == 2 { print int($4 / 1024) }')
    if [ "$free" -ge 3000 ]; then doctor_ok disk "$free MiB free"; else doctor_bad disk "only $free MiB free in $ROOT" 'about 3 GiB are wanted: packages, build, logs of the stores'; fi
    free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
    if [ "$free" -ge 1500 ]; then doctor_ok memory "$free MiB available"; else doctor_bad memory "only $free MiB available" 'the stack wants about 1.5 GiB: 0.5 for Kafka, 0.3 for PostgreSQL'; fi
}

doctor_ports() {
    local offset part inode taken=''
    for offset in {0..4} {10..13} {1000..1004}; do
        port_listener $((PORT_BASE + offset)) || continue
        inode=$REPLY
        part=$(doctor_port_part "$offset")
        if part_running "$part" || part_supervised "$part"; then continue; fi
        socket_owner "$inode"
        taken=1
        doctor_bad ports "$((PORT_BASE + offset)), for $part, is taken by $REPLY" 'stop it, or use another block: HOLDFAST_PORT_BASE=18080 ./holdfast up'
    done
    [ -n "$taken" ] || doctor_ok ports "from $PORT_BASE: free or ours"
}

doctor_port_part() {
    case $1 in
    0 | 1000) echo haproxy ;;
    1 | 1001) echo waitroom ;;
    2 | 1002) echo engine ;;
    3 | 1003) echo seatmap-ws ;;
    4 | 1004) echo paysim ;;
    10) echo postgres ;;
    11) echo redis ;;
    *) echo kafka ;;
    esac
}

doctor_stack() {
    if [ -z "$(parts_known 2>/dev/null)" ]; then doctor_ok stack 'not running'; return; fi
    if verb_status >/dev/null 2>&1; then doctor_ok stack 'running, all ready'; else doctor_bad stack 'running, not all ready' './holdfast status names the part; ./holdfast up mends it'; fi
}
