#!/bin/sh
# Runs as root inside the image's root file system after box/provision.sh: makes
# a Vagrant box of it. Arguments: directory of this script inside the image.
set -eu

here=$1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C

# The user that Vagrant logs in as. Its key is public: Vagrant replaces it by one
# of its own at the first start (config.ssh.insert_key). No password fits "*",
# and sshd without PAM takes "!" for a locked user.
useradd --create-home --shell /bin/bash vagrant
usermod --password '*' vagrant
mkdir -p /home/vagrant/.ssh
cp "$here/vagrant.pub" /home/vagrant/.ssh/authorized_keys
chmod 0700 /home/vagrant/.ssh
chmod 0600 /home/vagrant/.ssh/authorized_keys
chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/vagrant
chmod 0440 /etc/sudoers.d/vagrant

# Names are in /etc/hosts. A name server that does not answer would make every
# sudo wait for it.
: >/etc/resolv.conf

ln -sf "$(basename /boot/vmlinuz-*)" /boot/vmlinuz

# The boot loader's core with everything it needs inside: it reads no other
# configuration. mkbox.sh puts it in front of the file system.
cat >/tmp/grub.cfg <<CFG
set root=(hd0,msdos1)
linux /boot/vmlinuz root=/dev/vda1 rw $(cat "$here/kernel-args")
initrd /boot/initrd.img
boot
CFG
mkdir -p /boot/grub-bios
grub-mkimage --format=i386-pc --output=/boot/grub-bios/core.img --prefix='(hd0,msdos1)/boot/grub' --config=/tmp/grub.cfg \
    biosdisk part_msdos ext2 linux boot
cp /usr/lib/grub/i386-pc/boot.img /boot/grub-bios/boot.img
rm -f /tmp/grub.cfg
