# shellcheck shell=bash disable=SC2015  # in `a && b || fail` a failure of any of them is meant
# Sourced by demo.sh and test.sh: makes .venv with isactrack in it, and installs on Debian and Ubuntu what it needs from
# the system. Works in the bash 3.2 of macOS too. Everything may be run again; nothing is done twice.

say() { printf '\n=== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Prints the first Python that is new enough; PYTHON in the environment names the only one to take.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "isactrack needs Python 3.11 or later, found: $("${PYTHON:-python3}" --version 2>/dev/null || echo none)." \
        "Install one (Debian 12: apt-get install python3) or name it: PYTHON=/path/to/python3.11 bash $0"
}

# Prints the Debian packages that are missing: Qt's libraries for drawing without a screen, those for a window on X11,
# a font, and the venv module, which Debian keeps apart. Libraries are looked for by file, because the names of the
# packages differ between releases.
missing_packages() {
    local python=$1 libraries entry
    libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p)
    for entry in libGL.so.1=libgl1 libEGL.so.1=libegl1 libglib-2.0.so.0=libglib2.0-0 libxkbcommon.so.0=libxkbcommon0 \
        libfontconfig.so.1=libfontconfig1 libdbus-1.so.3=libdbus-1-3 libxkbcommon-x11.so.0=libxkbcommon-x11-0 \
        libxcb-cursor.so.0=libxcb-cursor0 libxcb-icccm.so.4=libxcb-icccm4 libxcb-keysyms.so.1=libxcb-keysyms1 \
        libxcb-image.so.0=libxcb-image0 libxcb-randr.so.0=libxcb-randr0 libxcb-shape.so.0=libxcb-shape0 \
        libxcb-render-util.so.0=libxcb-render-util0; do
        case $libraries in *"${entry%%=*} "*) ;; *) printf '%s ' "${entry#*=}" ;; esac
    done
    [ -n "$(find /usr/share/fonts /usr/local/share/fonts -name '*.[to]tf' -print -quit 2>/dev/null)" ] \
        || printf 'fonts-dejavu-core '
    "$python" -c 'import ensurepip, venv' 2>/dev/null \
        || "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

install_system_packages() {
    local missing root=
    [ "$(uname -s)" = Linux ] || return 0
    missing=$(missing_packages "$1")
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        printf 'warning: the viewer may lack libraries that Debian calls: %s\n' "$missing" >&2
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing, ask an administrator to install them: $missing"
        root=sudo
    fi
    say "Installing from the system: $missing"
    # shellcheck disable=SC2086  # one word a package
    $root apt-get update -qq \
        && $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null \
        || fail "apt-get could not install: $missing"
}

# prepare [PIP OPTION...]: .venv holds isactrack with all extras, editable, and what the options add.
prepare() {
    local python stamp wanted
    python=$(find_python) || exit 1
    install_system_packages "$python"
    # What the environment was made from, a file for each set of options: the folder and the project file. It is kept
    # until one of them changes.
    stamp=.venv/made-from$(printf '%s' "$@").txt
    wanted=$(pwd; cat pyproject.toml)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c 'import isactrack' 2>/dev/null; then
        return
    fi
    say "Installing isactrack into .venv with $python (some 340 MB to download, a few minutes)"
    if ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        "$python" -m venv --clear .venv || fail "no virtual environment could be made in $PWD/.venv"
    fi
    # Debian's pip is too old for dependency groups.
    .venv/bin/python -m pip install -qq --upgrade pip \
        && .venv/bin/python -m pip install -qq --editable '.[all]' "$@" \
        || fail "pip could not install isactrack; is a package index reachable? (pip config list)"
    printf '%s\n' "$wanted" >"$stamp"
}
