#!/bin/bash
# The comparator of `bench bookings`: pgbench with the identical single-seat statement on a private, durable PostgreSQL, at the best of several client counts.
#   against_bookings.sh              prints rate=<bookings a second>
#   against_bookings.sh --rate N     prints rate= and p99_us=, from the intended instant, at N a second
set -euo pipefail
rate=0
[ "${1:-}" != --rate ] || rate=$2
here=$(cd "$(dirname "$0")" && pwd)
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
dir=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
unset PGPASSWORD
trap '"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
"${as[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A trust --locale=C -E UTF8 >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w \
    -o "-k $dir -p 5432 -c listen_addresses= -c shared_buffers=256MB -c max_wal_size=4GB" start >/dev/null
for file in "$here"/../../sql/*.sql; do psql -q -v ON_ERROR_STOP=1 -f "$file"; done
psql -q -c "INSERT INTO event (event_id, name, venue, starts_at, currency, has_queue, charge, seat_count)
            VALUES (1, 'x', '{}', now(), 'EUR', false, false, 500000)"

# measure CLIENTS OPTION...
measure() {
    local clients=$1
    shift
    psql -q -c 'TRUNCATE booking, ticket, outbox, event_seat' -c "INSERT INTO event_seat (event_id, seat, price, label)
        SELECT 1, c * 100000 + n, 5000, 'A-1-' || n FROM generate_series(0, $clients - 1) c, generate_series(1, $((640000 / clients))) n" \
        -c 'VACUUM ANALYZE event_seat' -c CHECKPOINT
    (cd "$dir" && "${as[@]}" "$bin/pgbench" -n -D n=0 -M prepared -f "$here/booking_single.sql" -c "$clients" -j 1 -T 3 "$@" 2>/dev/null)
}

best=0 clients=8
for try in 8 16 32; do
    tps=$(measure "$try" | sed -n 's/^tps = \([0-9]*\).*/\1/p')
    if [ "${tps:-0}" -gt "$best" ]; then best=$tps clients=$try; fi
done
if [ "$rate" = 0 ]; then
    echo "rate=$best clients=$clients"
    exit
fi
# Each line of the log: client, number, latency from the intended instant in us, ...
measure "$clients" --rate "$rate" --log --log-prefix=half >/dev/null
cat "$dir"/half.* | awk '{ print $3 }' | sort -n >"$dir/latencies"
count=$(wc -l <"$dir/latencies")
echo "rate=$best p99_us=$(sed -n "$((count * 99 / 100))p" "$dir/latencies") count=$count"
