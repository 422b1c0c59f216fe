#!/usr/bin/env bash
# Gathers the front-end files in static_root/, compressed and with their hash in the name, if any is newer than the last time.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=static_root/.collected
if [ ! -e $stamp ] || [ -n "$(find static .venv/.installed-requirements -newer $stamp -print -quit)" ]; then
    .venv/bin/python manage.py collectstatic --no-input --clear --verbosity 0
    touch $stamp
fi
