#!/usr/bin/env bash
# Installs isactrack and runs the main job on a simulated radar: a recording, its tracks and a picture, in demo/. Arguments
# go to the command, e.g. `--sensor bistatic`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/environment.sh
prepare
say "Running: isactrack demo -o demo"
QT_QPA_PLATFORM=${QT_QPA_PLATFORM:-offscreen} .venv/bin/isactrack demo -o demo "$@"
say "With the bistatic radio: .venv/bin/isactrack demo --sensor bistatic -o demo26"
