#!/bin/sh
# Makes .venv ready: CPython 3.13, the pinned packages, and this project (editable).
#
# Costs nothing when .venv is already what it should be. A stamp in .venv says what it was made from:
# it is removed before anything changes and written last, so an interrupted setup is never taken for
# a finished one. Package index, proxies and certificates are those of the user's pip or uv.
set -eu
unset CDPATH
cd -- "$(dirname -- "$0")/.."

# Settings that would send packages elsewhere than into .venv, or refuse the project itself.
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV
unset PIP_PREFIX PIP_PYTHON PIP_ROOT PIP_TARGET
unset UV_PYTHON UV_REQUIRE_HASHES UV_SYSTEM_PYTHON
# Said outright, since pip's own configuration file may say otherwise.
export PIP_REQUIRE_HASHES=0 PIP_USER=0

requirements=requirements/dev.txt
python=.venv/bin/python
pins_stamp=.venv/.stamp-pins
project_stamp=.venv/.stamp-project
lock=.cache/setup.lock

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# The folder is part of the key: console scripts hold absolute paths, so a moved .venv is no good.
pins_key() { printf '%s\n' "$(pwd -P)"; cksum <"$requirements"; cksum <scripts/setup.sh; }
project_key() { cksum <pyproject.toml; }

is_cpython_313() {
    "$1" -I -c 'import sys, sysconfig
sys.exit(not (sys.version_info[:2] == (3, 13) and sys.implementation.name == "cpython"
              and not sysconfig.get_config_var("Py_GIL_DISABLED")))' </dev/null >/dev/null 2>&1
}
stamped() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
pins_ready() { stamped "$pins_stamp" "$(pins_key)" && is_cpython_313 "$python"; }
ready() { pins_ready && stamped "$project_stamp" "$(project_key)" && [ -x .venv/bin/regsvcs-response ]; }

# Prints the first CPython 3.13 that runs. A name on the PATH proves nothing: a pyenv shim exists and
# fails where no version is selected, hence the last loop. In an active virtual environment, which may
# be the .venv about to be replaced, its base interpreter is meant.
find_python() (
    found() { is_cpython_313 "$1" && "$1" -I -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'; }
    set -f
    IFS=:
    for name in python3.13 python3 python; do
        for folder in $PATH; do
            [ ! -x "${folder:-.}/$name" ] || ! found "${folder:-.}/$name" || return 0
        done
    done
    set +f
    for candidate in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13.*/bin/python3.13; do
        [ ! -x "$candidate" ] || ! found "$candidate" || return 0
    done
)
has_uv() { uv --version >/dev/null 2>&1; }

# One setup at a time: two terminals, two targets. A lock is a link that names its owner's process; one
# whose owner is gone is taken over.
take_lock() {
    mkdir -p .cache
    announced=
    until ln -s "$$" "$lock" 2>/dev/null; do
        owner=$(readlink "$lock") || owner=
        if [ -z "$owner" ]; then
            # Given back just now, or it cannot be made at all.
            ln -s "$$" "$lock" 2>/dev/null && break
            [ -h "$lock" ] || fail "$lock cannot be made: is the disk full, or the folder read-only?"
            continue
        fi
        if ! kill -0 "$owner" 2>/dev/null; then
            rm -f "$lock"
            continue
        fi
        [ -n "$announced" ] || say "Waiting for another setup of this folder (process $owner, $lock)."
        announced=yes
        sleep 1
    done
    trap 'rm -f "$lock"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

make_venv() {
    base=$(find_python)
    if [ -n "$base" ] && "$base" -I -c 'import ensurepip, venv' 2>/dev/null; then
        say "Setting up .venv with $base (once; under a minute on a good connection)."
        rm -rf .venv
        "$base" -I -m venv .venv
    elif has_uv; then
        say "Setting up .venv with uv (once; under a minute on a good connection)."
        rm -rf .venv
        uv venv --quiet --python "${base:-3.13}" .venv ||
            fail "uv has no Python 3.13 and could not get one (the reason is above): install Python 3.13 and run make again."
    elif [ -n "$base" ]; then
        fail "$base cannot make virtual environments: install its venv package (Debian, Ubuntu: python3.13-venv) or uv, and run make again."
    else
        fail "This project needs Python 3.13 or uv, and neither was found on the PATH: install one of them and run make again."
    fi
}

# pip first, since every Python has it; uv where there is no pip, or where only uv knows the way to the index.
install() {
    if "$python" -I -c 'import pip' 2>/dev/null; then
        "$python" -I -m pip --disable-pip-version-check --no-input install --quiet "$@" && return
        has_uv || return 1
        say "pip failed; trying uv."
    elif ! has_uv; then
        say ".venv was made with uv, and uv is no longer on the PATH: bring it back, or remove .venv." >&2
        return 1
    fi
    uv pip install --quiet --python "$python" --compile-bytecode "$@"
}

! ready || exit 0
take_lock
if ! pins_ready; then
    rm -f "$pins_stamp" "$project_stamp"
    make_venv
    install --require-hashes -r "$requirements" ||
        fail "The packages in $requirements could not be installed (the reason is above)."
    pins_key >"$pins_stamp"
fi
if ! ready; then
    rm -f "$project_stamp"
    install --no-deps --no-build-isolation --editable . ||
        fail "The project itself could not be installed into .venv (the reason is above)."
    project_key >"$project_stamp"
    say "Ready: .venv/bin/regsvcs-response"
fi
