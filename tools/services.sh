#!/bin/sh
# Installs what the tests start beside the gateway and no wheel carries: Chromium, MariaDB, Redis.
# `make setup` runs it. As root on Debian it installs them; elsewhere it names the command that does.
set -eu
packages=""
command -v chromium >/dev/null 2>&1 || packages="$packages chromium fonts-noto-cjk"
command -v mariadbd >/dev/null 2>&1 || test -x /usr/sbin/mariadbd || packages="$packages mariadb-server"
command -v redis-server >/dev/null 2>&1 || packages="$packages redis-server"
test -n "$packages" || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    log=$(mktemp)
    # Their servers are started by the tests, on ports of their own: not by the package.
    if { apt-get update && env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install --yes --no-install-recommends $packages; } >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -5 "$log" >&2
    rm -f "$log"
fi
echo "Some tests need what is not installed here; they are skipped until: sudo apt-get install$packages" >&2
