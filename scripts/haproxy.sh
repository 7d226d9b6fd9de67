# shellcheck shell=bash disable=SC2034 # the template reads these names
# The gateway: one origin in front of the daemons. Routes and limits are in deploy/haproxy.cfg.in.

haproxy_start() {
    haproxy_config
    ports_check "$GATEWAY_PORT:haproxy" "$GATEWAY_OPS_PORT:haproxy"
    part_start haproxy TERM "$(cksum <"$CONF/haproxy.cfg")" haproxy -db -f "$CONF/haproxy.cfg"
}

haproxy_config() {
    local files
    GATEWAY_OPS_PORT=$((PORT_BASE + 1000))
    # Two descriptors a connection; the hard limit is what HAProxy can raise itself to.
    files=$(ulimit -Hn)
    if [ "$files" = unlimited ] || [ "$files" -gt 200000 ]; then files=200000; fi
    GATEWAY_MAXCONN=$(((files - 200) / 2))
    GATEWAY_BIND="${HOLDFAST_GATEWAY_BIND:-127.0.0.1}:$GATEWAY_PORT"
    [ -z "${HOLDFAST_TLS_CERT:-}" ] || GATEWAY_BIND+=" ssl crt $HOLDFAST_TLS_CERT alpn http/1.1"
    # Per client address: requests in 10 s, and connections at once. The fans of the demo all come from one address.
    GATEWAY_RATE=${HOLDFAST_GATEWAY_RATE:-1000000}
    GATEWAY_CONNS=${HOLDFAST_GATEWAY_CONNS:-$GATEWAY_MAXCONN}
    local -A servers=()
    daemons_each haproxy_collect
    WAITROOM_SERVERS=${servers[waitroom]:-} ENGINE_SERVERS=${servers[engine]:-} SEATMAP_SERVERS=${servers[seatmap-ws]:-}
    write_config "$ROOT/deploy/haproxy.cfg.in" "$CONF/haproxy.cfg"
    haproxy -c -q -f "$CONF/haproxy.cfg" >"$LOGS/haproxy-check.log" 2>&1 ||
        { cat "$LOGS/haproxy-check.log" >&2; die 'HAProxy refuses its configuration' "look at $CONF/haproxy.cfg"; }
}

haproxy_collect() { # NAME BINARY PORT OPS_PORT
    local daemon
    for daemon in waitroom engine seatmap-ws; do
        case $1 in "$daemon" | "$daemon"-[0-9]*) servers[$daemon]+="    server $1 127.0.0.1:$3 check port $4"$'\n' ;; esac
    done
}

haproxy_ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$GATEWAY_OPS_PORT/livez"; }

haproxy_wait() { part_wait haproxy 20 haproxy_ready; }
