#!/bin/sh
# Stands for the go command in tests: it answers from the directory of the link
# that it was called by, and its build writes a file for each package.
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case "$1 $2" in
"env GOVERSION") echo go1.99.0 ;;
"env GOCACHE") printf '%s\n%s\n' "$here" "$here" ;;
"list -m")
    [ -e "$here/offline" ] && { echo "dial tcp: no such host" >&2; exit 1; }
    cat "$here/listed" ;;
"mod download") printf '{"GoMod": "%s/upstream.mod"}\n' "$here" ;;
"build -v")
    [ -e "$here/broken" ] && { echo "k8s.io/api"; echo "./x.go:1:1: undefined: y" ; exit 1; } >&2
    cp go.mod "$here/wrapper.mod"
    for out; do [ "$prev" = -o ] && to=$out; prev=$out; done
    for pkg; do case $pkg in
        k8s.io/kubernetes/cmd/*) echo "$pkg" >&2; echo "$GOOS $GOARCH $CGO_ENABLED $GOTOOLCHAIN" >"$to${pkg##*/}" ;;
        go.etcd.io/*) echo "$GOARCH" >"$to" ;;
    esac; done ;;
*) echo "unexpected: $*" >&2; exit 2 ;;
esac
