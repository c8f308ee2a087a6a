#!/bin/sh
# Try the last commit in a Debian 12 that holds only make, git, ca-certificates and python3: what a user's new machine is.
# Usage: bare_debian.sh [COMMAND [ARGUMENT...]]    in the clone; without one: make check test
# Needs root, some 6 GB below TMPDIR, and debootstrap, which is installed. DEBIAN_MIRROR: where packages come from.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" -eq 0 ] || { echo "bare_debian.sh: needs root, to make a root folder and to enter it" >&2; exit 1; }
command -v debootstrap >/dev/null || "$here/debian-packages.sh" debootstrap
[ $# -gt 0 ] || set -- make check test

root=$(mktemp --directory)
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 1' HUP INT TERM

echo "making a bare Debian 12 in $root"
# without quotes: no mirror is no argument
debootstrap --variant=minbase --include=make,git,ca-certificates,python3 bookworm "$root" ${DEBIAN_MIRROR:-} \
    >"$root.log" 2>&1 || { cat "$root.log" >&2; rm -f "$root.log"; exit 1; }
rm -f "$root.log"

# mktemp's mode would be that of `/`: nobody but root could enter, and PostgreSQL runs as somebody else.
chmod 755 "$root"

# The names and the authorities of this machine: what it reaches, the bare one reaches.
authorities=/etc/ssl/certs/ca-certificates.crt
cp /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -e $authorities ] || cp $authorities "$root$authorities"
git clone --quiet "$here/.." "$root/root/rtc-gateway"

echo "running in it: $*"
# Mounts of a namespace of their own: they end with the command, whatever ends it. And its root, not a chroot: the tests
# make namespaces, which Linux lets nobody do in a chroot.
unshare --mount sh -c '
    root=$1; shift
    mount --bind "$root" "$root"
    mount --types proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mkdir "$root/mnt/outside"
    cd "$root"
    pivot_root . mnt/outside
    umount --lazy /mnt/outside
    exec "$@"
' sh "$root" /usr/bin/env --ignore-environment HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_CERT=$authorities NODE_EXTRA_CA_CERTS=$authorities npm_config_cafile=$authorities \
    /bin/sh -c 'cd /root/rtc-gateway && exec "$@"' sh "$@"
