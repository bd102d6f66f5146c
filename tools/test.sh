#!/usr/bin/env bash
# Installs isactrack with its development tools and runs the tests; arguments go to pytest, e.g. `-m slow`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/environment.sh
prepare --group dev
say "Running: pytest $*"
QT_QPA_PLATFORM=${QT_QPA_PLATFORM:-offscreen} exec .venv/bin/pytest "$@"
