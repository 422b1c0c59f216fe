#!/usr/bin/env bash
# The programs that the tests need and pip cannot install: Chromium, PostgreSQL, nginx and systemd-analyze. Does nothing when they are there.
set -euo pipefail

may_install=false
[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null && may_install=true

missing=()
# The whole Chromium will do, but draws windows that nobody sees.
command -v chromium-headless-shell >/dev/null || { ! $may_install && command -v chromium >/dev/null; } ||
    missing+=(chromium-headless-shell)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx)
command -v openssl >/dev/null || missing+=(openssl)
command -v systemd-analyze >/dev/null || missing+=(systemd)
[ ${#missing[@]} -eq 0 ] && exit 0

if ! $may_install; then
    echo "The tests need ${missing[*]}: install it (on Debian, as root: apt-get install ${missing[*]}), then run this again." >&2
    exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
