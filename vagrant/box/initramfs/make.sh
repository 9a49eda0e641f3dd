#!/bin/sh
# Runs inside the image and writes /boot/initrd.img: busybox, init and the
# modules that the root disk needs, in the order they are loaded in. Debian's
# initramfs-tools is not used: udev alone in it takes seconds of an emulated
# processor. Arguments: directory of this script, kernel release.
set -eu

here=$1
kernel=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/bin" "$work/modules" "$work/proc" "$work/sys" "$work/dev" "$work/root"
cp /usr/bin/busybox "$work/bin/busybox" 2>/dev/null || cp /bin/busybox "$work/bin/busybox"
for applet in sh cat cut echo head insmod mount poweroff sha256sum switch_root sync usleep chroot ip ifconfig; do
    ln -s busybox "$work/bin/$applet"
done
cp "$here/init" "$work/init"
chmod 0755 "$work/init"

# modprobe prints what a module depends on before the module itself; a built-in
# one is printed as "builtin NAME", one that this kernel has not got as an error.
grep -v -e '^#' -e '^$' "$here/modules.txt" | while read -r module; do
    modprobe --set-version "$kernel" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod //p'
done | awk '!seen[$1]++ { print $1 }' | while read -r file; do
    name=$(basename "$file")
    case $file in
    *.ko.xz) name=${name%.xz} && xz --decompress --stdout "$file" >"$work/modules/$name" ;;
    *.ko.zst) name=${name%.zst} && zstd --decompress --stdout --quiet "$file" >"$work/modules/$name" ;;
    *) cp "$file" "$work/modules/$name" ;;
    esac
    echo "$name" >>"$work/modules/order"
done
[ -e "$work/modules/order" ] || : >"$work/modules/order"

rm -f /boot/initrd.img*
# Not compressed: it is 2 MB, and it is unpacked by the emulated processor.
(cd "$work" && find . | sort | cpio --quiet --create --format=newc --owner=0:0) >/boot/initrd.img
