#!/usr/bin/env bash
# Runs a command with DATABASE_URL naming a throw-away PostgreSQL that is gone afterwards, whatever happens.
# usage: scripts/with-postgres.sh COMMAND…
# POSTGRES_OPTIONS: options of the server, in place of those for tests. For benchmarks: POSTGRES_OPTIONS=" " leaves all
# as PostgreSQL has them by itself.
set -euo pipefail

bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1) || bin=$(dirname "$(command -v initdb)") || {
    echo "with-postgres: PostgreSQL is not installed: see scripts/system-packages.sh." >&2
    exit 1
}
# Tests empty all tables thousands of times, and each time PostgreSQL makes new files: memory spares a fifth of the time.
# Benchmarks, which set POSTGRES_OPTIONS, measure a disk.
above=${TMPDIR:-/tmp}
free=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1) || free=0
[ -n "${POSTGRES_OPTIONS:-}" ] || [ "${free:-0}" -lt 4000000 ] || [ ! -w /dev/shm ] || above=/dev/shm
folder=$(mktemp -d "$above/marginalia-postgres.XXXXXX")
log=$folder/log

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

fail() {
    echo "with-postgres: $1" >&2
    cat "$log" >&2
    exit 1
}

# Other users of this machine can reach the port, so there is a password.
PGPASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export PGPASSWORD
echo "$PGPASSWORD" >"$folder/password"
touch "$log"
[ "$(id -u)" -ne 0 ] || chown -R postgres "$folder"
as_owner "$bin/initdb" -D "$folder/data" -U marginalia -A scram-sha-256 --pwfile="$folder/password" \
    -E UTF8 --no-locale --no-sync >"$log" 2>&1 || fail "initdb failed."

# No care for power cuts: it is gone in a minute. No statistics gathered either: tests empty the tables all the time, and
# plans made for empty tables took a hundred times longer on the next test's rows, once in a while.
for_tests="-c autovacuum=off -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
options="-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 \
    ${POSTGRES_OPTIONS:-$for_tests}"
start() { # on port $1
    as_owner "$bin/pg_ctl" -D "$folder/data" -l "$log" -w start -o "-p $1 $options" >/dev/null 2>&1
}

for attempt in 1 2 3 4 5; do # until a port is free
    port=$((20000 + RANDOM % 10000))
    start $port && break
    [ "$attempt" -lt 5 ] || fail "the server did not start."
done
as_owner "$bin/createdb" -h 127.0.0.1 -p $port -U marginalia marginalia || fail "createdb failed."

# Where its data lie: pg_ctl restarts it by that.
export PGDATA=$folder/data
export DATABASE_URL="postgres://marginalia:$PGPASSWORD@127.0.0.1:$port/marginalia"
"$@"
