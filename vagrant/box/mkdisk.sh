#!/bin/sh
# Root file system as tar on standard input, machine disk as qcow2 on standard
# output. Runs as root, or in a user name space where it is root. Arguments:
# virtual size of the disk (as 8G).
set -eu

size=$1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"

# Device nodes stay out: the root of a user name space may not make them, and
# devtmpfs is mounted over them.
tar --extract --exclude='./dev/*' --numeric-owner --preserve-permissions --xattrs --xattrs-include='*' --directory "$work/root"
# Inode tables and journal are written now, into holes: a kernel that finds
# them lazily initialised writes them in the background, in every machine.
mke2fs -q -t ext4 -L nfsim -m 1 -E lazy_itable_init=0,lazy_journal_init=0 \
    -d "$work/root" "$work/disk.raw" "$size" >&2
rm -rf "$work/root"
qemu-img convert -f raw -O qcow2 "$work/disk.raw" "$work/disk.qcow2" >&2
rm -f "$work/disk.raw"
cat "$work/disk.qcow2"
