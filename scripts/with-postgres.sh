#!/usr/bin/env bash
# Runs a command with DATABASE_URL naming a throw-away PostgreSQL that is gone afterwards, whatever happens.
# usage: scripts/with-postgres.sh COMMAND…
set -euo pipefail

bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1) || bin=$(dirname "$(command -v initdb)") || {
    echo "with-postgres: PostgreSQL is not installed: see scripts/system-packages.sh." >&2
    exit 1
}
# Short and directly below /tmp: the path of a socket may have no more than 107 bytes.
folder=$(mktemp -d /tmp/marginalia-postgres.XXXXXX)

as_owner() { # PostgreSQL refuses to run as root
    if [ "$(id -u)" -eq 0 ]; then
        (cd "$folder" && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
    else
        "$@"
    fi
}

remove() {
    as_owner "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap remove EXIT
# An interrupt ends the command first; then the trap above runs.
trap 'exit 130' INT
trap 'exit 143' TERM

[ "$(id -u)" -ne 0 ] || chown postgres "$folder"
as_owner "$bin/initdb" -D "$folder/data" -U marginalia -A trust -E UTF8 --no-locale --no-sync >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2 && exit 1; }
# No port, only a socket in the folder: nothing to collide with. No care for power cuts: it is gone in a minute.
as_owner "$bin/pg_ctl" -D "$folder/data" -l "$folder/data/server.log" -w start -o \
    "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c synchronous_commit=off -c full_page_writes=off" \
    >/dev/null || { cat "$folder/data/server.log" >&2 && exit 1; }
as_owner "$bin/createdb" -h "$folder" -U marginalia marginalia

export DATABASE_URL="postgres://marginalia@${folder//\//%2F}/marginalia"
"$@"
