# shellcheck shell=bash
# The private PostgreSQL: durable as in production, on 127.0.0.1 with a password and on a socket that only its owner reaches.

# PostgreSQL refuses to run as root; root lends it the distribution's user.
POSTGRES_AS=()
if [ "$(id -u)" = 0 ]; then
    POSTGRES_AS=(setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all)
fi

# Where data and socket live: in the checkout, unless the postgres user cannot get there (a checkout in /root) or the path is too
# long for a socket's name (107 bytes).
postgres_init() {
    local home=$STATE/postgres tag socket
    tag=$(printf %s "$STATE" | cksum)
    tag=${tag%% *}
    if [ "$(id -u)" = 0 ]; then
        id postgres >/dev/null 2>&1 || die 'there is no user postgres' 'reinstall postgresql-common'
        if ! "${POSTGRES_AS[@]}" test -x "$STATE" 2>/dev/null; then home=/var/lib/holdfast/$tag; fi
    fi
    # Data outside the checkout that this state directory does not know is of one that was deleted.
    if [ "$(cat "$STATE/postgres-home" 2>/dev/null)" != "$home" ]; then
        case $home in "$STATE"/*) ;; *) rm -rf "$home" ;; esac
        printf '%s\n' "$home" >"$STATE/postgres-home"
    fi
    postgres_dir "$home"
    POSTGRES_DATA=$home/data
    POSTGRES_SOCKETS=$home
    socket=$home/.s.PGSQL.$POSTGRES_PORT
    if [ ${#socket} -gt 107 ]; then
        POSTGRES_SOCKETS=/tmp/holdfast-$(id -u)-$tag
        postgres_dir "$POSTGRES_SOCKETS"
    fi
    postgres_version
}

# A directory of the server's user alone; one that somebody else prepared in /tmp is refused.
postgres_dir() {
    mkdir -p "$1"
    chmod 700 "$1" 2>/dev/null
    if [ "$(id -u)" = 0 ]; then chown postgres: "$1"; fi
    "${POSTGRES_AS[@]}" test -O "$1" || die "$1 belongs to another user" "remove it, or run ./holdfast as that user"
}

# The newest installed server, or the one that made the data.
postgres_version() {
    local major
    if [ -e "$POSTGRES_DATA/PG_VERSION" ]; then
        major=$(cat "$POSTGRES_DATA/PG_VERSION")
        POSTGRES_BIN=/usr/lib/postgresql/$major/bin
        [ -x "$POSTGRES_BIN/postgres" ] || die "the data in $POSTGRES_DATA is of PostgreSQL $major, which is not installed" \
            "install postgresql-$major, or start over: ./holdfast down && rm -r $POSTGRES_DATA"
        return
    fi
    POSTGRES_BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [ -x "$POSTGRES_BIN/postgres" ] || die 'PostgreSQL is not installed' 'apt-get install postgresql'
}

postgres_start() {
    postgres_init
    ports_check "$POSTGRES_PORT:postgres"
    [ -e "$POSTGRES_DATA/PG_VERSION" ] || postgres_create
    write_config "$ROOT/deploy/postgresql.conf.in" "$POSTGRES_DATA/postgresql.conf"
    if [ "$(id -u)" = 0 ]; then chown postgres: "$POSTGRES_DATA/postgresql.conf"; fi
    part_supervised postgres || postgres_unlock
    # SIGINT is its fast shutdown: clients are cut, nothing is lost.
    part_start postgres INT "$(cksum <"$POSTGRES_DATA/postgresql.conf")" \
        "${POSTGRES_AS[@]}" "$POSTGRES_BIN/postgres" -D "$POSTGRES_DATA"
}

# Data made in a scratch directory and renamed, so that an interrupted initdb leaves nothing half done.
postgres_create() {
    local scratch=$POSTGRES_DATA.new
    rm -rf "$scratch"
    "${POSTGRES_AS[@]}" "$POSTGRES_BIN/initdb" -D "$scratch" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust \
        --auth-host=scram-sha-256 --no-instructions >"$LOGS/initdb.log" 2>&1 </dev/null ||
        { cat "$LOGS/initdb.log" >&2; die 'initdb failed' "look at $LOGS/initdb.log"; }
    mv "$scratch" "$POSTGRES_DATA"
}

# After a kill -9 the lock files stay. The server steps over them unless their pid lives, and the kernel may have given that pid to
# another program; then they go. A server of this very data that nobody supervises is stopped first.
postgres_unlock() {
    local pid file
    if part_running postgres; then parts_stop postgres; fi
    for file in "$POSTGRES_DATA/postmaster.pid" "$POSTGRES_SOCKETS/.s.PGSQL.$POSTGRES_PORT.lock"; do
        pid=$(head -n 1 "$file" 2>/dev/null) || continue
        if [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$POSTGRES_DATA" ]; then
            kill -INT "$pid"
            while [ -e "/proc/$pid/cwd" ]; do sleep 0.05; done
        fi
        rm -f "$file"
    done
}

postgres_psql() {
    "$POSTGRES_BIN/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$POSTGRES_SOCKETS" -p "$POSTGRES_PORT" "$@"
}

postgres_ready() { postgres_psql -U postgres -d postgres -c 'SELECT 1'; }

postgres_wait() {
    part_wait postgres 60 postgres_ready
    local role
    role=$(postgres_psql -U postgres -d postgres -c \
        "SELECT count(*) FROM pg_database d, pg_roles r WHERE d.datname = 'holdfast' AND r.rolname = 'holdfast'") ||
        part_failed postgres 'does not answer'
    [ "$role" = 1 ] || postgres_populate
}

# The engine's role owns its database and is no superuser.
postgres_populate() {
    postgres_psql -U postgres -d postgres -v password="$POSTGRES_PASSWORD" >"$LOGS/createdb.log" 2>&1 <<'SQL' ||
SELECT 'CREATE ROLE holdfast LOGIN CREATEDB' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast') \gexec
ALTER ROLE holdfast PASSWORD :'password';
SELECT 'CREATE DATABASE holdfast OWNER holdfast' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'holdfast') \gexec
SQL
        { cat "$LOGS/createdb.log" >&2; die 'cannot make the database' "look at $LOGS/createdb.log"; }
}
