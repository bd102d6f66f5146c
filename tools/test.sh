#!/usr/bin/env bash
# Installs isactrack with its development tools and runs the tests, two files at a time. Arguments go to pytest, e.g.
# `-m slow -n 0` for the long ones, one after the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/environment.sh
prepare --group dev
say "Running: pytest $*"
QT_QPA_PLATFORM=${QT_QPA_PLATFORM:-offscreen} exec .venv/bin/pytest -n 2 --dist loadfile "$@"
