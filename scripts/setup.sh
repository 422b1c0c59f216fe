#!/usr/bin/env bash
# Makes .venv hold what requirements.txt and another requirements file name; does nothing when it already does.
# usage: scripts/setup.sh requirements.txt|requirements-dev.txt|…
# PYTHON=… picks the interpreter that .venv is made with.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=$1
venv=.venv
stamp=$venv/.installed-${requirements%.txt}

fail() {
    echo "setup: $*" >&2
    exit 1
}

is_recent() { # whether $1 runs and is Python 3.11 or newer
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    # python3 first: it is the one that the user of this machine has chosen.
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer among: ${PYTHON:-python3 python3.13 python3.12 python3.11}. Install one, or name it: make PYTHON=/path/to/python3 …"
}

make_venv() {
    local python
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv."
    echo "setup: making $venv with $("$python" --version)"
    "$python" -m venv --clear $venv
}

# What an installation depends on: the requirement files, those of the client, and the interpreter that is there now.
checksum() {
    { cat requirements*.txt client/pyproject.toml "$1" && $venv/bin/python -VV; } | cksum
}

is_recent $venv/bin/python || make_venv
if [ -n "${PYTHON:-}" ] && [ "$("$PYTHON" --version)" != "$($venv/bin/python --version)" ]; then
    make_venv
fi
if [ "$(cat "$stamp" 2>/dev/null)" = "$(checksum "$requirements")" ]; then
    exit 0
fi
echo "setup: installing $requirements (minutes the first time: torch is large)"
# The pip that comes with Python 3.11 takes a minute longer to find the versions. Without a newer one it works as well.
$venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip || true
# Compiling is half of pip's time, because it compiles one file after the other, with the tests of all packages.
$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -e client -r requirements.txt -r "$requirements" ||
    fail "pip could not install $requirements: see its message above."
to_compile=("$(echo $venv/lib/python3*/site-packages)")
# Tests never load three quarters of the code that is installed for them, and can store what they compile at an import,
# as a service cannot.
if [ "$requirements" = requirements-dev.txt ]; then
    often=(django numba numpy pandas psycopg rest_framework scipy sklearn sympy torch)
    to_compile=("${often[@]/#/$to_compile/}")
fi
# Files for other versions of Python cannot be compiled, which is no failure.
$venv/bin/python -m compileall -qq -j 0 -x 'site-packages/.*/tests/' "${to_compile[@]}" || true
checksum requirements.txt >$venv/.installed-requirements
checksum "$requirements" >"$stamp"
