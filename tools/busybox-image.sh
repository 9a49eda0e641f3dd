#!/bin/sh
# Writes a container image "busybox:latest" with one static busybox in it to
# standard output, as a docker archive, for labs that reach no registry:
#
#   tools/busybox-image.sh /bin/busybox | nfsim lab ssh worker1 -- ctr -n k8s.io images import -
set -eu

busybox=${1:-/bin/busybox}
if ! [ -x "$busybox" ]; then
	echo "$0: no $busybox; Debian has it in the package busybox-static" >&2
	exit 64
fi
if ldd "$busybox" >/dev/null 2>&1; then
	echo "$0: $busybox is not static; Debian has one that is in the package busybox-static" >&2
	exit 64
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/root/bin" "$tmp/image"
cp "$busybox" "$tmp/root/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$tmp/root/bin/$applet"
done
tar --numeric-owner --owner 0 --group 0 --mtime @0 --sort name -C "$tmp/root" -cf "$tmp/image/layer.tar" .
digest=$(sha256sum "$tmp/image/layer.tar")
case $(uname -m) in
aarch64) arch=arm64 ;;
*) arch=amd64 ;;
esac
cat >"$tmp/image/config.json" <<CONFIG
{"architecture":"$arch","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:${digest%% *}"]}}
CONFIG
cat >"$tmp/image/manifest.json" <<'MANIFEST'
[{"Config":"config.json","RepoTags":["docker.io/library/busybox:latest"],"Layers":["layer.tar"]}]
MANIFEST
tar -C "$tmp/image" -cf - manifest.json config.json layer.tar
