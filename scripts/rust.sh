#!/bin/sh
# See to a Rust compiler that is new enough, and what libopus is built with; Debian's where there is none.
# Usage: rust.sh          install what is missing
#        rust.sh --path   print what to put before PATH, with a colon at its end (nothing where PATH will do)
set -eu

wanted=85 # of 1.85: the edition of 2024
whole=88  # of 1.88: from here on dependencies compile without the help of rust-1.85/rustc

minor() { # the x of `rustc 1.x.y`; nothing where there is no rustc
    "$1" --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p'
}

is_new_enough() {
    found=$(minor "$1/rustc")
    [ -x "$1/cargo" ] && [ -n "$found" ] && [ "$found" -ge "$wanted" ]
}

folder_on_path() {
    found=$(command -v cargo 2>/dev/null || true)
    [ -z "$found" ] || dirname "$found"
}

compiler=
for folder in "$(folder_on_path)" "$HOME/.cargo/bin" /usr/bin; do
    if [ -n "$folder" ] && is_new_enough "$folder"; then
        compiler=$folder
        break
    fi
done

here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" = --path ]; then
    if [ -n "$compiler" ]; then
        [ "$(minor "$compiler/rustc")" -ge "$whole" ] || printf '%s:' "$here/rust-1.85"
        printf '%s:' "$compiler"
    fi
    exit 0
fi

[ -n "$compiler" ] || "$here/debian-packages.sh" rustc-web cargo-web
command -v cc >/dev/null 2>&1 || "$here/debian-packages.sh" gcc libc6-dev
command -v make >/dev/null 2>&1 || "$here/debian-packages.sh" make
command -v cmake >/dev/null 2>&1 || "$here/debian-packages.sh" cmake
