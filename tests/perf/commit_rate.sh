#!/bin/sh
# Compares the commit alone with pgbench on the same statement, alternating: tests/perf/commit_rate.sh BUILD [ROUNDS]
# A private PostgreSQL is made in a temporary directory, durable (fsync and synchronous_commit on), and removed afterwards.
set -eu
build=$1 rounds=${2:-5}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -n 1)
dir=$(mktemp -d)
as=
[ "$(id -u)" != 0 ] || { chown postgres "$dir"; as="setpriv --reuid=postgres --regid=postgres --init-groups"; }
export PGHOST="$dir" PGUSER=postgres PGDATABASE=postgres
trap '$as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust --locale=C -E UTF8 >/dev/null
$as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o "-k $dir -c listen_addresses= -c shared_buffers=512MB -c max_wal_size=8GB" start >/dev/null
for f in "$root"/sql/*.sql; do psql -q -v ON_ERROR_STOP=1 -f "$f"; done
psql -q -c "INSERT INTO event (event_id, name, venue, starts_at, currency, has_queue, charge, seat_count) VALUES (1, 'x', '{}', now(), 'EUR', false, false, 500000)"

fresh() {
    psql -q -c 'TRUNCATE booking, ticket, outbox, event_seat' -c "INSERT INTO event_seat (event_id, seat, price, label) SELECT 1, n, 5000, 'A-1-' || n FROM generate_series(0, $1 - 1) n" \
        -c 'VACUUM ANALYZE event_seat' -c CHECKPOINT
}
tps() { pgbench -n -D n=0 -M prepared -f "$here/$1" -c "$2" -j 1 -T 5 2>/dev/null | sed -n 's/^tps = \([0-9]*\).*/\1/p'; }

i=0
while [ $i -lt "$rounds" ]; do
    fresh 3300000
    single8=$(tps booking_single.sql 8)
    fresh 3300000
    single32=$(tps booking_single.sql 32)
    fresh 900000
    batch=$(tps booking_64.sql 4)
    fresh 300000
    core=$("$build/tests/perf/commit_rate" "host=$dir user=postgres dbname=postgres" 200000 1024 4)
    echo "single_8=$single8 single_32=$single32 batch64_bookings=$((batch * 64)) core: $core"
    i=$((i + 1))
done
