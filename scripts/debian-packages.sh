#!/bin/sh
# Install Debian packages that are missing, where that is allowed; otherwise name them in one line.
# Usage: debian-packages.sh PACKAGE [PACKAGE ...]
set -eu

missing=
for package in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "not a Debian system: please provide what these packages hold:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "missing Debian packages; as root run: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "installing Debian packages:$missing"
case "$missing " in
*" postgresql "*)
    # The tests start a server of their own: Debian need not make one and run it.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        $as_root mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    ;;
esac
# The same for servers, whose services would take ports and processor time.
for service in kamailio rtpengine-daemon janus; do
    case "$missing " in
    *" $service "*)
        if command -v systemctl >/dev/null 2>&1; then
            $as_root systemctl mask "$service" >/dev/null 2>&1 || echo "could not keep Debian from starting $service" >&2
        fi
        ;;
    esac
done
export DEBIAN_FRONTEND=noninteractive
# The lists may be old or absent: try them first, refresh them only when that fails.
# shellcheck disable=SC2086 # the packages are words
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
