#!/bin/sh
# Runs as root inside the image's root file system, packages installed and
# rootfs/ copied. Arguments: directory of the recipe inside the image.
set -eu

recipe=$1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C

# Units. systemctl works offline here: it only makes symbolic links.
grep -v -e '^#' -e '^$' "$recipe/masked.txt" | while read -r unit; do
    systemctl mask --quiet "$unit"
done
systemctl set-default --quiet multi-user.target
systemctl enable --quiet systemd-networkd.service ssh.service rpcbind.socket nfs-client.target \
    nfs-server.service containerd.service nfsim-hostkey.service nfsim-modules.service
systemctl disable --quiet nftables.service rpcbind.service systemd-network-generator.service 2>/dev/null || true

# logind is started when something asks for it, as reboot does, not at boot.
rm -f /usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service \
    /lib/systemd/system/multi-user.target.wants/systemd-logind.service

# Generators run at every start of systemd, each a process; those are kept that
# make units for fstab, for NFS and for SysV scripts.
mkdir -p /etc/systemd/system-generators
for generator in /usr/lib/systemd/system-generators/*; do
    case ${generator##*/} in
    nfs-server-generator | rpc-pipefs-generator | systemd-fstab-generator | systemd-sysv-generator) ;;
    *) ln -sf /dev/null "/etc/systemd/system-generators/${generator##*/}" ;;
    esac
done

# Identity comes from the kernel command line and the seed.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/hostname
rm -f /var/lib/systemd/random-seed /var/lib/nfs/nfs4_unique_id
printf 'nameserver 192.168.127.1\n' >/etc/resolv.conf
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >/etc/hosts
: >/etc/fstab
: >/etc/exports

mkdir -p /srv/nfsim /var/lib/nfsim /root/.ssh
chmod 0700 /root/.ssh

# Unpacked modules load faster than unpacking them in an emulated processor at
# every boot: these and what they depend on.
kernel=$(basename /lib/modules/*)
grep -h -v -e '^#' -e '^$' "$recipe/initramfs/modules.txt" "$recipe/modules-unpacked.txt" | sort -u |
while read -r module; do
    modprobe --set-version "$kernel" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod //p'
done | awk '{ print $1 }' | sort -u | while read -r file; do
    case $file in
    *.ko.xz) xz --decompress --force "$file" ;;
    *.ko.zst) zstd --decompress --rm --force --quiet "$file" ;;
    esac
done
depmod "$kernel"

sh "$recipe/initramfs/make.sh" "$recipe/initramfs" "$kernel"

# shellcheck disable=SC2016 # the dollar signs are dpkg-query's
dpkg-query --show --showformat='${Package} ${Version} ${Architecture}\n' >/usr/share/nfsim-packages.list

ldconfig
journalctl --update-catalog >/dev/null 2>&1 || true
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log /var/log/apt /var/cache/ldconfig/aux-cache
