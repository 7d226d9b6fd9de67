# shellcheck shell=bash
# The distribution's packages: which are needed for what, and their installation with apt (Debian 12 and 13, Ubuntu 24.04).

packages_for() {
    case $1 in
    build) # what compiles the tree
        echo gcc libc6-dev meson ninja-build pkgconf ca-certificates libuv1-dev libhiredis-dev libpq-dev librdkafka-dev \
            libwslay-dev libjansson-dev libinih-dev libssl-dev libcurl4-openssl-dev libqrencode-dev zlib1g-dev "$(llhttp_package)"
        ;;
    stack) # and what the launcher runs under it
        packages_for build
        echo libcriterion-dev liblua5.1-0-dev curl openssl postgresql redis-server haproxy default-jre-headless maven
        ;;
    sql) pgtap_package ;; # the tests of the SQL functions
    node) echo nodejs ;;
    npm) echo nodejs npm ;;
    browser) echo nodejs npm chromium ;;
    ci) echo clang clang-format clang-tidy shellcheck git ;;
    esac
}

# Debian 12 has the C sources of llhttp only inside a Node module.
llhttp_package() {
    if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then echo node-llhttp; else echo libllhttp-dev; fi
}

# pgTAP is packaged per version of PostgreSQL: of the one that the distribution has, or of the newest that is here.
pgtap_package() {
    local major bins
    case $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null) in
    bookworm) major=15 ;;
    trixie) major=17 ;;
    noble) major=16 ;;
    *)
        bins=(/usr/lib/postgresql/*/bin)
        major=${bins[-1]#/usr/lib/postgresql/}
        major=${major%%/*}
        ;;
    esac
    echo "postgresql-$major-pgtap"
}

# packages_missing NAME...: prints those that are not installed. A tool that came another way counts as installed.
packages_missing() {
    local installed name
    # Names that dpkg has only heard of ("un", "rc") are not installed.
    installed=" $(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | awk '$1 ~ /^.i/ { printf "%s ", $2 }')"
    for name in "$@"; do
        case $installed in *" $name "*) continue ;; esac
        case $name in
        nodejs) command -v node >/dev/null && continue ;;
        npm | chromium | meson | maven) command -v "${name/#maven/mvn}" >/dev/null && continue ;;
        ninja-build) command -v ninja >/dev/null && continue ;;
        default-jre-headless) command -v java >/dev/null && continue ;;
        esac
        printf '%s ' "$name"
    done
}

# as_root COMMAND...: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# packages_ensure GROUP...
packages_ensure() {
    local group start wanted=() missing
    now_us; start=$REPLY
    # shellcheck disable=SC2207 # package names hold no blanks
    for group in "$@"; do wanted+=($(packages_for "$group")); done
    command -v dpkg-query >/dev/null ||
        die 'this system has no dpkg, and the launcher installs with apt only' \
            "install the equivalents of: ${wanted[*]}; then build with meson and see docs/processes.md"
    missing=$(packages_missing "${wanted[@]}")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "packages are missing: $missing" "as root: apt-get install $missing"
        # Asked for here, where a password can be typed; apt runs in the background.
        sudo -v || die "packages are missing: $missing" "as root: apt-get install $missing"
    fi
    # shellcheck disable=SC2086 # a list of words
    ui_run packages "$LOGS/packages.log" "by hand: apt-get update && apt-get install $missing" packages_install $missing
    ui_done packages "$start" "installed: $missing"
}

# Installs without letting a server of the distribution start or a default PostgreSQL cluster come to be: the servers run here are private.
packages_install() {
    local cluster=/etc/postgresql-common/createcluster.conf policy=/usr/sbin/policy-rc.d ours='' code=0
    if [ ! -e "$cluster" ]; then
        as_root mkdir -p "${cluster%/*}"
        printf '# No cluster "main" by itself; set this to true if you want one.\ncreate_main_cluster = false\n' |
            as_root tee "$cluster" >/dev/null
    fi
    if [ ! -e "$policy" ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    apt_install "$@" || code=$?
    [ -z "$ours" ] || as_root rm -f "$policy"
    services_disable "$@"
    # A new Java knows the distribution's authorities only; this adds those that the owner of the machine put in place.
    ! command -v update-ca-certificates >/dev/null || as_root update-ca-certificates
    return "$code"
}

apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
    as_root "${apt[@]}" update && as_root "${apt[@]}" install --no-install-recommends "$@"
}

# What was just installed must not start at the next boot either.
services_disable() {
    local name
    command -v systemctl >/dev/null || return 0
    for name in redis-server haproxy postgresql; do
        case " $* " in *" $name "*) as_root systemctl disable "$name" || true ;; esac
    done
}
