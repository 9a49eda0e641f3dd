#!/bin/sh
# Root file system as tar on standard input, Vagrant box for libvirt as tar on
# standard output. Runs as root, or in a user name space where it is root.
# Arguments: virtual size of the disk in GiB.
#
# The disk has a boot loader in front of one ext4 partition. It takes no loop
# device: mke2fs writes the file system into the partition's place.
set -eu

gib=$1
here=$(dirname "$0")
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root" "$work/box"

tar --extract --exclude='./dev/*' --numeric-owner --preserve-permissions --xattrs --xattrs-include='*' --directory "$work/root"
cp "$work/root/boot/grub-bios/boot.img" "$work/root/boot/grub-bios/core.img" "$work"
# Between the partition table and the partition there are 2047 sectors.
[ "$(stat --format=%s "$work/core.img")" -le $((2047 * 512)) ] || { echo "the boot loader does not fit" >&2; exit 1; }

truncate --size "${gib}G" "$work/disk.raw"
echo '2048,,83,*' | sfdisk --quiet --label dos "$work/disk.raw" >&2
# metadata_csum_seed and orphan_file are unknown to the boot loader of Debian 12.
# The file system is as long as the disk less the first MiB.
mke2fs -q -t ext4 -L nfsim -m 1 -O ^metadata_csum_seed,^orphan_file \
    -E offset=1048576,lazy_itable_init=0,lazy_journal_init=0 \
    -d "$work/root" "$work/disk.raw" "$((gib * 1048576 - 1024))k" >&2
rm -rf "$work/root"
# 440 bytes of code: the partition table and the disk's signature follow it.
dd if="$work/boot.img" of="$work/disk.raw" bs=440 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$work/disk.raw" bs=512 seek=1 conv=notrunc status=none

qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$work/disk.raw" "$work/box/box.img" >&2
rm -f "$work/disk.raw"
printf '{"provider":"libvirt","format":"qcow2","virtual_size":%s}\n' "$gib" >"$work/box/metadata.json"
cp "$here/Vagrantfile" "$work/box/Vagrantfile"
tar --create --directory "$work/box" metadata.json Vagrantfile box.img
