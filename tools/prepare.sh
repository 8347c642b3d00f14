#!/bin/sh
# Installs what Debian has and a bare machine lacks: for running (run), and for the tests (test). As root it uses
# apt; otherwise it says in one line what to install.
set -eu

missing=""
want() { # want COMMAND PACKAGE...
    command -v "$1" >/dev/null 2>&1 || { shift; missing="$missing $*"; }
}

python="${PYTHON:-python3}"
want "$python" python3
want npm nodejs npm
"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"

if [ "${1:-run}" = test ]; then
    want chromium-headless-shell chromium-headless-shell
    want fiu-run fiu-utils
    fonts=/usr/share/fonts
    [ -n "$(find $fonts -name 'NotoColorEmoji*' 2>/dev/null)" ] || missing="$missing fonts-noto-color-emoji"
    [ -n "$(find $fonts -name 'NotoSansCJK*' 2>/dev/null)" ] || missing="$missing fonts-noto-cjk"
    [ -n "$(find $fonts -name 'NotoSansHebrew*' 2>/dev/null)" ] || missing="$missing fonts-noto-core"
fi

[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Please install these packages, then try again:$missing" >&2
    exit 1
fi
