#!/usr/bin/env bash
# The whole way of a Vagrant user, for real: `vagrant up` of all machines with
# libvirt, `nfsim run` on them, halt and up again, `vagrant destroy`. As root, on
# Debian; neither systemd nor KVM is needed. `make test-vagrant` calls it.
#
# Everything runs in name spaces of its own (network, mounts, processes): no
# packet, no file of libvirt and no process is left on the host, however it
# ends. What has to be downloaded is downloaded before.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin"

say() { echo "test-vagrant: $*" >&2; }
fail() { say "$*"; exit 1; }

# timed LABEL COMMAND...: runs it and prints how long it took.
timed() {
  local label=$1 begin=$SECONDS
  shift
  "$@"
  say "$label: $((SECONDS - begin)) s"
}

outer() {
  [ "$(id -u)" -eq 0 ] || fail "root is needed, for name spaces and libvirt: sudo make test-vagrant"
  if ! command -v vagrant >/dev/null || ! command -v libvirtd >/dev/null || ! command -v virsh >/dev/null || ! vagrant plugin list 2>/dev/null | grep -q vagrant-libvirt; then
    say "installing vagrant and libvirt"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends vagrant vagrant-libvirt \
      libvirt-daemon libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients dnsmasq-base iproute2 iptables >/dev/null
  fi
  work=$(mktemp -d -p "${TMPDIR:-/var/tmp}" nfsim-vagrant.XXXXXX)
  trap 'rm -rf --one-file-system "$work"' EXIT
  mkdir "$work/project" "$work/project/bin"
  cp -r Vagrantfile vagrant "$work/project"
  cp bin/nfsim "$work/project/bin"
  say "making what the machines run; later it comes from the cache"
  bin/nfsim lab seed --out "$work/warm" --server server=192.168.56.10 --worker worker1=192.168.56.11 --worker worker2=192.168.56.12
  rm -rf "$work/warm"
  go test -c -tags vm -o "$work/conform.test" ./pkg/lab/vagrant
  # The process name space ends with its first process, and that with us.
  unshare --net --mount --pid --fork --kill-child --mount-proc "$PWD/tools/test-vagrant.sh" inside "$work"
  say "passed"
}

# own_mounts gives libvirt directories of its own, for this name space alone.
own_mounts() {
  mkdir -p "$work"/{lib,log,cache,etc}
  cp -a /etc/libvirt/. "$work/etc/"
  mount -t tmpfs tmpfs /run
  for dir in lib log cache; do
    mkdir -p "/var/$dir/libvirt"
    mount --bind "$work/$dir" "/var/$dir/libvirt"
  done
  mount --bind "$work/etc" /etc/libvirt
  cat >>/etc/libvirt/qemu.conf <<'CONF'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
remember_owner = 0
CONF
}

start_libvirt() {
  ip link set lo up
  virtlogd --daemon
  libvirtd --daemon
  for _ in $(seq 100); do
    virsh --connect qemu:///system version >/dev/null 2>&1 && return
    sleep 0.2
  done
  fail "libvirtd does not answer"
}

inside() {
  own_mounts
  start_libvirt
  export VAGRANT_HOME=$work/vagrant.d VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_DEFAULT_PROVIDER=libvirt
  export LIBVIRT_DEFAULT_URI=qemu:///system
  cd "$work/project"
  timed "vagrant validate" vagrant validate
  timed "vagrant up, from nothing to provisioned" vagrant up --provider=libvirt
  # One scenario of each family that exists, one profile of each. `nfsim run` finds the
  # machines by itself; its exit code is 1 if anything is not as expected.
  timed "nfsim run" bin/nfsim run --scenario close-to-open,kubelet-restart,server-pod-deleted --profile default,hard --runs "$work/runs"
  timed "provider conformance" env NFSIM_VAGRANT_DIR="$PWD" "$work/conform.test" -test.v -test.run TestVagrantLab
  timed "vagrant halt" vagrant halt
  bin/nfsim run --lab vagrant --plan >/dev/null
  if bin/nfsim heal --lab vagrant 2>"$work/said"; then fail "nfsim heal found machines that are halted"; fi
  grep -q 'vagrant up' "$work/said" || fail "nfsim heal does not say what to do: $(cat "$work/said")"
  timed "vagrant up after halt" vagrant up --provider=libvirt
  timed "nfsim run after halt" bin/nfsim run --lab vagrant --scenario close-to-open --profile default --runs "$work/runs"
  timed "vagrant destroy" vagrant destroy --force
  [ -z "$(virsh list --all --name)" ] || fail "vagrant destroy left machines: $(virsh list --all --name)"
  [ ! -e .vagrant/nfsim ] || fail "vagrant destroy left keys in .vagrant/nfsim"
}

case ${1:-} in
inside)
  work=$2
  inside
  ;;
*) outer ;;
esac
