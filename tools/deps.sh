#!/bin/sh
# Checks for the host programs that the built-in lab needs. As root on a
# machine with apt-get it installs what is missing; else it prints how.
#
# Debian 12 has QEMU 7.2, whose TCG takes three to five times the processor
# time of QEMU 10 for a guest that starts processes (docs/labs.md). There, and
# as root only, QEMU comes from Debian's own bookworm-backports; the machine's
# list of package sources is left as it is. NFSIM_QEMU=distribution keeps 7.2.
set -eu

case "$(uname -m)" in
  x86_64) qemu=qemu-system-x86_64 qemu_package=qemu-system-x86 ;;
  aarch64) qemu=qemu-system-aarch64 qemu_package=qemu-system-arm ;;
  *) echo "deps: the built-in lab runs on amd64 and arm64, not on $(uname -m)" >&2; exit 2 ;;
esac

root() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; }

# install OPTIONS AND PACKAGES...
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >&2; }

# newer_qemu: is there reason to take QEMU from backports?
newer_qemu() {
  root || return 1
  [ "${NFSIM_QEMU:-}" != distribution ] || return 1
  ! grep -qwE 'vmx|svm' /proc/cpuinfo || return 1 # KVM will do
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null || true)
  [ "$codename" = bookworm ] || return 1
  ! command -v "$qemu" >/dev/null 2>&1 || "$qemu" --version | grep -q 'version 7\.'
}

# backports installs QEMU from bookworm-backports. Its lists of packages are
# kept in a directory that goes away again.
backports() {
  lists=$(mktemp -d)
  trap 'rm -rf "$lists"' EXIT
  trap 'exit 130' INT TERM
  mkdir -p "$lists/state/partial"
  for suite in bookworm bookworm-updates bookworm-backports; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main"
  done > "$lists/sources.list"
  set -- -o Dir::Etc::SourceList="$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$lists/state" -o APT::Sandbox::User=root
  apt-get update -qq "$@" >&2 && install "$@" --no-remove -t bookworm-backports "$qemu_package" qemu-utils
}

if newer_qemu; then
  echo "deps: installing $qemu_package qemu-utils from bookworm-backports" >&2
  backports || echo "deps: bookworm-backports cannot be had; the distribution's QEMU does too, several times as slowly" >&2
fi

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
if root; then
  echo "deps: installing$missing" >&2
  apt-get update -qq >&2
  # shellcheck disable=SC2086 # the packages are words of their own
  install $missing
else
  echo "deps: missing$missing. As root: apt-get install -y --no-install-recommends$missing" >&2
  exit 2
fi
