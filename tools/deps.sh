#!/bin/sh
# Checks for the host programs that the built-in lab needs. As root on a
# machine with apt-get it installs what is missing; else it prints how.
set -eu

case "$(uname -m)" in
  x86_64) qemu=qemu-system-x86_64 qemu_package=qemu-system-x86 ;;
  aarch64) qemu=qemu-system-aarch64 qemu_package=qemu-system-arm ;;
  *) echo "deps: the built-in lab runs on amd64 and arm64, not on $(uname -m)" >&2; exit 2 ;;
esac

missing=
need() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || missing="$missing $2"
}
need "$qemu" "$qemu_package"
need qemu-img qemu-utils
need mmdebstrap mmdebstrap
need mke2fs e2fsprogs
need sfdisk fdisk

[ -n "$missing" ] || exit 0
command="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "deps: installing$missing" >&2
  apt-get update -qq >&2
  # shellcheck disable=SC2086 # the packages are words of their own
  DEBIAN_FRONTEND=noninteractive $command -qq >&2
else
  echo "deps: missing$missing. As root: $command" >&2
  exit 2
fi
