#!/bin/sh
# gateway-config.sh TEMPLATE: the gateway's configuration for compose.yaml, where one of each daemon shares its network namespace. The launcher fills
# the same template in scripts/haproxy.sh. GATEWAY_RATE and GATEWAY_CONNS bound one client address.
set -eu
server() { printf '    server %s 127.0.0.1:%s check port %s' "$1" "$2" "$3"; }
sed -e "s|@GATEWAY_MAXCONN@|${GATEWAY_MAXCONN:-50000}|" \
    -e "s|@GATEWAY_BIND@|*:8080|" \
    -e "s|@GATEWAY_RATE@|${GATEWAY_RATE:-600}|" \
    -e "s|@GATEWAY_CONNS@|${GATEWAY_CONNS:-200}|" \
    -e "s|@GATEWAY_OPS_PORT@|9080|" \
    -e "s|@WAITROOM_SERVERS@|$(server waitroom 8081 9081)|" \
    -e "s|@ENGINE_SERVERS@|$(server engine 8082 9082)|" \
    -e "s|@SEATMAP_SERVERS@|$(server seatmap-ws 8083 9083)|" "$1"
