#!/usr/bin/env bash
# Installs isactrack and runs the main job on a simulated sensor: a recording, its tracks and a picture, in demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/environment.sh
prepare
say "Running: isactrack demo -o demo"
QT_QPA_PLATFORM=${QT_QPA_PLATFORM:-offscreen} .venv/bin/isactrack demo -o demo "$@"
