#!/bin/sh
# Installs what Debian has and a bare machine lacks: for running (run), for the tests (test), and for measuring beside
# other servers (bench). As root it uses apt; otherwise it says in one line what to install.
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
    want chromium chromium
    want fiu-run fiu-utils
    fonts=/usr/share/fonts
    [ -n "$(find $fonts -name 'NotoColorEmoji*' 2>/dev/null)" ] || missing="$missing fonts-noto-color-emoji"
    [ -n "$(find $fonts -name 'NotoSansCJK*' 2>/dev/null)" ] || missing="$missing fonts-noto-cjk"
    [ -n "$(find $fonts -name 'NotoSansHebrew*' 2>/dev/null)" ] || missing="$missing fonts-noto-core"
fi

if [ "${1:-run}" = bench ]; then
    [ -e /usr/sbin/ejabberdctl ] || missing="$missing ejabberd"
    [ -n "$(find /usr/lib/erlang/lib -maxdepth 1 -name 'p1_sqlite3-*' 2>/dev/null)" ] || missing="$missing erlang-p1-sqlite3"
    want prosody prosody
    want gcc gcc
    [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
    [ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
fi

[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    # Debian starts a server that it installs, at once and at each boot; a benchmark starts its own.
    for server in ejabberd prosody; do
        case "$missing " in
        *" $server "*)
            echo "stopping the service $server, which came with the package"
            service "$server" stop >/dev/null 2>&1 || true
            update-rc.d "$server" disable >/dev/null 2>&1 || true
            ;;
        esac
    done
else
    echo "Please install these packages, then try again:$missing" >&2
    exit 1
fi
