# shellcheck shell=bash
# Keys and tokens, made once per checkout, readable by their owner only.

secrets_ensure() {
    secret_make admin-token openssl rand -hex 24
    secret_make postgres-password openssl rand -hex 16
    secret_make payment-secret openssl rand -hex 24
    secret_make ticket-keys ticket_key_make
    secret_make pass-key.pem openssl genpkey -algorithm ed25519
    ADMIN_TOKEN=$(<"$STATE/admin-token")
    PAYMENT_SECRET=$(<"$STATE/payment-secret")
    POSTGRES_PASSWORD=$(<"$STATE/postgres-password")
}

ticket_key_make() { printf '1 %s\n' "$(openssl rand -hex 32)"; }

# secret_make FILE COMMAND...
secret_make() {
    local file=$STATE/$1
    shift
    [ ! -s "$file" ] || return 0
    (umask 077 && "$@" >"$file.new") || die "cannot make $file" 'the openssl command line tool must work: openssl version'
    mv -f "$file.new" "$file"
}
