#!/bin/sh
# Makes a machine of nfsim's lab of a Debian 12 or 13 machine. Runs as root on
# the machine, from the Vagrantfile, and may be run again. Arguments: role
# (server or worker), then the Debian packages that the machine must have; those
# that it lacks are installed over the network. The seed is in /var/lib/nfsim-seed.
set -eu

role=$1
shift
seed=/var/lib/nfsim-seed/seed.tar.zst
state=/var/lib/nfsim
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { echo "nfsim: $*"; }

if [ ! -s "$seed" ]; then
    say "no seed in $seed: did the upload fail?" >&2
    exit 1
fi
rm -f "$state/provisioned"

missing=
for package in "$@"; do
    # shellcheck disable=SC2016 # the dollar sign is dpkg-query's
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    say "installing$missing"
    apt-get -qq update
    # shellcheck disable=SC2086 # a list of packages
    apt-get -qq install --yes --no-install-recommends $missing
fi

# What runs with an older seed's files, or with the packages' own, is stopped
# while they are replaced.
units="kubelet containerd nfs-server etcd kube-apiserver kube-controller-manager kube-scheduler"
for unit in $units; do
    systemctl stop "$unit.service" 2>/dev/null || true
done
# Another cluster's state would not fit the new keys. Volumes of its pods may
# still be mounted: they are unmounted, and nothing below a mount is removed.
if [ -e "$state/seed-id" ]; then
    if command -v ctr >/dev/null; then
        systemctl start containerd.service
        ctr --namespace k8s.io tasks list --quiet | while read -r task; do
            ctr --namespace k8s.io tasks kill --signal SIGKILL "$task" || true
        done
        systemctl stop containerd.service
    fi
    awk '$2 ~ "^/var/lib/kubelet/" { print $2 }' /proc/mounts | sort -r | while read -r mount; do
        umount --force --lazy "$mount" || true
    done
    if grep -q ' /var/lib/kubelet/' /proc/mounts; then
        say "volumes are still mounted below /var/lib/kubelet: vagrant reload --provision" >&2
        exit 1
    fi
    find /var/lib/etcd /var/lib/kubelet -xdev -mindepth 1 -delete 2>/dev/null || true
    rm -f "$state/images/imported"
fi

say "unpacking the seed"
tar --extract --zstd --preserve-permissions --numeric-owner --keep-directory-symlink --no-overwrite-dir \
    --file "$seed" --directory /
rm -f "$seed"
hostname "$(cat /etc/hostname)"
systemctl daemon-reload
# sshd takes its new host key; this connection lives on.
systemctl reload ssh.service 2>/dev/null || systemctl restart ssh.service

case $role in
server)
    start="nfsim-network nfs-server etcd kube-apiserver kube-apiserver-ready kube-controller-manager kube-scheduler"
    ;;
worker)
    start="nfsim-network rpc-statd containerd nfsim-images kubelet"
    ;;
*)
    say "role $role is neither server nor worker" >&2
    exit 1
    ;;
esac
for unit in $start; do
    say "starting $unit"
    systemctl restart "$unit.service"
done

# A power cut must find what is running now.
sync
cp "$state/seed-id" "$state/provisioned"
sync
say "provisioned as $role"
