#!/bin/sh
# make-keys.sh DIR: the keys of an installation, made once: ticket-keys (HMAC), pass-key.pem (Ed25519).
set -eu
umask 077
cd "$1"
[ -s ticket-keys ] || { printf '1 %s\n' "$(openssl rand -hex 32)" >ticket-keys.new && mv ticket-keys.new ticket-keys; }
[ -s pass-key.pem ] || { openssl genpkey -algorithm ed25519 -out pass-key.new && mv pass-key.new pass-key.pem; }
