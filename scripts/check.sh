#!/bin/sh
# Runs every check, also after one has failed, and fails if any did.
set -u
unset CDPATH
cd -- "$(dirname -- "$0")/.." || exit 1

failed=
check() {
    name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed="$failed, $name"
}

check "format (ruff)" .venv/bin/python -m ruff format --check .
check "lint (ruff)" .venv/bin/python -m ruff check .
check "types (mypy)" .venv/bin/python -m mypy
check "layers (import-linter)" .venv/bin/lint-imports --no-logo
check "requirements" .venv/bin/python -m scripts.check_requirements
check "manifest" .venv/bin/python -m scripts.soar.manifest --check
check "playbooks" .venv/bin/python -m scripts.playbook_pairs --check

if [ -n "$failed" ]; then
    printf 'failed: %s\n' "${failed#, }" >&2
    exit 1
fi
echo "all checks passed"
