#!/bin/sh
# kubelet/force-delete-while-down with mount profile default (vers=4.2,hard), by hand.
#
# It repeats what nfsim v0.0.0-synthetic did in run 20010203-040506-abcd, cells/kubelet.force-delete-while-down/default/1, with kubectl and ssh. It breaks the machines on
# purpose: read it, set the variables, and run it where nobody works. It puts back what it broke, also when it fails.
#
# worker2: kernel 0.0.1-synthetic, kubelet v0.0.1
# mount options granted: rw,vers=4.2,hard
# nfsim saw:
#   ZOMBIE_WRITER: records arrived for long
#   m: CLEAN: nothing left
# It stood still for 1 s before fault, for a person to look.
# shellcheck disable=SC2016 # what stands in single quotes is for the machines' own shells
set -eu

# How to run a command as root on each machine: the NFS server; A, which is what breaks if a worker does; B, the other one.
SSH_SERVER=${SSH_SERVER:-ssh -F $(nfsim lab ssh-config) server}
SSH_A=${SSH_A:-ssh -F $(nfsim lab ssh-config) worker2}
SSH_B=${SSH_B:-ssh -F $(nfsim lab ssh-config) worker1}
# Their names as nodes of the cluster, or as RESET knows them.
NODE_A=${NODE_A:-worker2}
# The NFS server's address, as the workers see it.
SERVER_ADDR=${SERVER_ADDR:-192.168.127.10}
# A new directory on the server, which is exported; it is left there.
EXPORT=${EXPORT:-/srv/nfs-repro-$$}
# Where it is mounted on the workers.
MNT=${MNT:-/mnt/nfs-repro}
# KUBECONFIG is kubectl's own.
KUBECTL=${KUBECTL:-kubectl}
NS=${NS:-nfs-repro}
# Any image with a shell and dd.
IMAGE=${IMAGE:-busybox}

tmp=$(mktemp -d)
jobs=''
longest=3600 # s that anything in the background goes on

now() { cut -d' ' -f1 /proc/uptime; }

since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

say() { printf '%8s s  %s\n' "$(since "$began")" "$*"; }

# happened TEXT: notes when, for the list at the end.
happened() {
	say "$*"
	echo "$(now) $*" >>"$tmp/events"
}

quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

# on WHERE [SCRIPT]: runs a shell script as root on SERVER, A or B; without SCRIPT the one on standard input.
on() {
	where=$1
	shift
	script=${1-$(cat)}
	on_as_is "$where" "sh -c $(quoted "$script")" </dev/null
}

# on_as_is WHERE COMMAND: the same for one command, with standard input. What touches NFS can hang for ever, hence timeout.
on_as_is() {
	case $1 in
	SERVER) ssh=$SSH_SERVER ;;
	A) ssh=$SSH_A ;;
	B) ssh=$SSH_B ;;
	esac
	# shellcheck disable=SC2086 # a command with its arguments
	$ssh "timeout -k 5 ${limit:-90} $2"
}

# show WHERE SCRIPT: prints what the script prints there, or that it failed.
show() {
	say "on $1: $2"
	on "$1" "$2" 2>&1 | sed 's/^/              | /'
}

# await SECONDS WHAT COMMAND...: runs a command until it exits 0.
await() {
	within=$1 what=$2 from=$(now) until=$(($(date +%s) + $1))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s)" -gt "$until" ]; then
			say "NOT within $within s: $what"
			return 1
		fi
		sleep 0.2
	done
	say "after $(since "$from") s: $what"
}

# broken WHERE NAME SECONDS INJECT PROOF UNDO: breaks something, and waits until the proof holds. It is undone by mended,
# or at the end of this script.
broken() {
	happened "fault $2 on $1"
	printf '%s\n' "$6" >"$tmp/$1.undo.$2"
	on "$1" "$4"
	await "$3" "fault $2 is in effect" on "$1" "$5"
}

# mended WHERE NAME SECONDS UNDO PROOF
mended() {
	on "$1" "$4"
	await "$3" "fault $2 is over" on "$1" "$5"
	rm -f "$tmp/$1.undo.$2"
	happened "fault $2 on $1 undone"
}

# came SECONDS EVENT COMMAND...: waits for an event, and notes it; that it does not come is a result too.
came() {
	event=$2
	if await "$@"; then happened "$event"; fi
}

# watch NAME WHERE TEST: notes, in the background, when TEST does not hold there any more.
watch() {
	(
		limit=$longest
		on "$2" "while $3; do echo .; sleep 1; done" >/dev/null 2>&1 || exit 0
		now >"$tmp/$1.over"
		happened "$1"
	) &
	jobs="$jobs $!"
}

# over NAME: what was watched for has happened.
over() { [ -s "$tmp/$1.over" ]; }

# follow NAME FILE: notes, in the background, when a file on the server's disk grew last.
follow() {
	(
		limit=$longest
		on SERVER "old=; while :; do new=\$(stat -c %s '$2' 2>&1); [ \"\$new\" = \"\$old\" ] || echo \"\$new\"; old=\$new; sleep 0.5; done" |
			while read -r size; do echo "$(now) last byte in $2 on the server ($size bytes)" >"$tmp/$1.last"; done
	) &
	jobs="$jobs $!"
}

# records NAME FILE: how many records of NAME the file has on the server's disk.
records() { on SERVER "grep -c '^$1[.]' '$2' 2>/dev/null || :"; }

has_records() { [ "$(records "$2" "$3")" -ge "$1" ]; }

# more_records SECONDS COUNT NAME FILE: waits until there are so many more.
more_records() {
	have=$(records "$3" "$4")
	await "$1" "$2 more records of $3 in $4" has_records "$((have + $2))" "$3" "$4"
}

# start NAME WHERE SCRIPT: runs a script there in the background; it dies with stop, or with this script.
start() {
	on "$2" "setsid sh -c $(quoted "$3") >/run/nfs-repro.$1 2>&1 </dev/null & echo \$! >/run/nfs-repro.$1.pid"
	echo "$2" >"$tmp/$1.started"
}

# stop NAME: ends it, or what poll looks at, and shows the end of what it said.
stop() {
	: >"$tmp/$1.stop"
	[ -e "$tmp/$1.started" ] || return 0
	show "$(cat "$tmp/$1.started")" "kill -s KILL -- -\$(cat /run/nfs-repro.$1.pid); tail -n 5 /run/nfs-repro.$1; rm -f /run/nfs-repro.$1 /run/nfs-repro.$1.pid" || :
	rm -f "$tmp/$1.started"
}

# poll NAME WHERE SECONDS LOOK: looks again and again, in the background, and says what changes.
poll() {
	: >"$tmp/$1.rounds"
	: >"$tmp/$1.changes"
	(
		limit=$longest
		on "$2" "while :; do $4 2>&1 | tr -d '\\000' | head -n 1 | cut -c 1-200 | grep . || echo empty; sleep $3; done" | said "$1" "$2"
	) &
	jobs="$jobs $!"
}

# said NAME WHERE: takes what a poll prints, a line a round.
said() {
	old=
	while read -r line; do
		[ ! -e "$tmp/$1.stop" ] || break
		echo "$line" >>"$tmp/$1.rounds"
		[ "$line" = "$old" ] || happened "$1 on $2 sees: $line"
		[ "$line" = "$old" ] || echo "$line" >>"$tmp/$1.changes"
		old=$line
	done
}

# put WHERE FILE TOKEN BYTES [DD-OPERAND...]: writes a file that has nothing but the token in it, in one write(2).
put() {
	where=$1 file=$2 token=$3 bytes=$4
	shift 4
	say "$where writes $token to $file"
	on "$where" "yes '$token' | dd of='$file' bs=$bytes count=1 iflag=fullblock status=none $*"
}

# get WHERE FILE [DD-OPERAND...]: opens, reads and closes a file.
get() {
	where=$1 file=$2
	shift 2
	say "$where reads $file: $(on "$where" "dd if='$file' bs=1M $* 2>&1 | tr -d '\\000' | head -n 1 | cut -c 1-100")"
}

# again TIMES SECONDS COMMAND...
again() {
	times=$1 every=$2
	shift 2
	while [ "$times" -gt 0 ]; do
		"$@"
		times=$((times - 1))
		sleep "$every"
	done
}

kc() {
	# shellcheck disable=SC2086 # a command with its arguments
	$KUBECTL "$@"
}

# in_api KIND NAME: it is there.
in_api() { [ -n "$(kc -n "$NS" get "$1" "$2" -o name --ignore-not-found)" ]; }

not_in_api() { there=$(kc -n "$NS" get "$1" "$2" -o name --ignore-not-found) && [ -z "$there" ]; }

# pod_is NAME PHASE: as said, and with all containers running if the phase is Running.
pod_is() {
	[ "$(kc -n "$NS" get pod "$1" -o 'jsonpath={.status.phase}')" = "$2" ] || return 1
	[ "$2" != Running ] || [ -n "$(kc -n "$NS" get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.running.startedAt}')" ]
}

container() { kc -n "$NS" get pod "$1" -o 'jsonpath={.status.containerStatuses[0].containerID}' | sed 's,.*//,,'; }

# unmount WHERE PATH: never looks at the path, which may be dead.
unmount() {
	on "$1" "grep -qF ' $2 ' /proc/1/mountinfo || exit 0
timeout -k 2 30 umount -i -c '$2' || timeout -k 2 15 umount -i -c -f '$2' || timeout -k 2 15 umount -i -c -l '$2'
rmdir '$2'" || say "still mounted on $1: $2"
}

renewed() { kc -n kube-node-lease get lease "$1" -o 'jsonpath={.spec.renewTime}'; }

back() { [ "$(renewed "$1")" != "$2" ] && [ "$(kc get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }

# end PROCESS: ends it and all that it started.
end() {
	children=$(pgrep -P "$1") || :
	kill "$1" 2>/dev/null || :
	for child in $children; do end "$child"; done
}

# finish puts back what this script changed, whatever came of it.
finish() {
	trap '' EXIT INT TERM
	set +e
	say '== put back'
	for undo in "$tmp"/*.undo.*; do
		[ -e "$undo" ] || continue
		name=${undo##*/}
		on "${name%%.*}" "$(cat "$undo")"
	done
	for started in "$tmp"/*.started; do
		[ ! -e "$started" ] || { name=${started##*/} && stop "${name%.started}"; }
	done
	kc delete namespace "$NS" --ignore-not-found --timeout=180s
	kc delete persistentvolumes "${NS}-cell-1" --ignore-not-found --timeout=60s
	for job in $jobs; do end "$job"; done
	unmount B "${MNT}"
	if [ -n "$exported" ]; then
		on SERVER "mv /etc/exports.d/nfs-repro.exports /run/; for dir in $exported; do exportfs -u \"*:\$dir\"; done"
		say "what was written is left on the server:$exported"
	fi
	rm -rf "$tmp"
}

exported=''
began=$(now)
trap finish EXIT
trap 'exit 130' INT TERM

say '== export'
exported="$exported ${EXPORT}"
on SERVER "mkdir -p ${EXPORT} /etc/exports.d
echo \"${EXPORT} *(rw,sync,no_root_squash,fsid=\$(cat /proc/sys/kernel/random/uuid))\" >>/etc/exports.d/nfs-repro.exports
exportfs -a"

say '== start pods' # at 1.0 s of the trial
kc create -f - <<EOF # it was there already in the trial
apiVersion: v1
kind: Namespace
metadata:
  labels:
    pod-security.kubernetes.io/enforce: privileged
  name: ${NS}
EOF
await 60 'the default service account is there' in_api serviceaccount default
on B "mkdir -p '${MNT}' && timeout -k 2 60 mount -t nfs -o vers=4.2,hard '${SERVER_ADDR}:${EXPORT}' '${MNT}'" # took 1.0 s
show B "grep -F ' ${MNT} ' /proc/1/mountinfo"
kc create -f - <<EOF # took 0.2 s
apiVersion: v1
kind: PersistentVolume
metadata:
  name: ${NS}-cell-1
spec:
  accessModes:
  - ReadWriteMany
  capacity:
    storage: 1Gi
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    name: cell-1
    namespace: ${NS}
  mountOptions:
  - vers=4.2
  - hard
  nfs:
    path: ${EXPORT}
    server: ${SERVER_ADDR}
EOF
kc create -f - <<EOF # took 0.2 s
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: cell-1
  namespace: ${NS}
spec:
  volumeName: ${NS}-cell-1
EOF
kc create -f - <<EOF # took 0.2 s
apiVersion: v1
kind: Pod
metadata:
  name: cell-1
  namespace: ${NS}
spec:
  containers:
  - command:
    - sh
    - -c
    - |
      id=\$(cut -c 1-8 /proc/sys/kernel/random/uuid)
      trap 'exit 0' TERM
      n=1
      while :; do
        echo "pod.\$id \$n \$(date +%s)" | dd of=/data/log oflag=append conv=notrunc,fsync 2>/dev/null && n=\$((n + 1))
        sleep 0.1
      done
    image: ${IMAGE}
    imagePullPolicy: IfNotPresent
    name: writer
    volumeMounts:
    - mountPath: /data
      name: data
  hostNetwork: true
  nodeName: ${NODE_A}
  terminationGracePeriodSeconds: 5
  volumes:
  - name: data
    persistentVolumeClaim:
      claimName: cell-1
EOF
happened 'create pods cell-1'
await 180 'pod cell-1 runs' pod_is cell-1 Running # took 2.0 s
POD_UID_1=$(kc -n "$NS" get pod cell-1 -o 'jsonpath={.metadata.uid}')
CONTAINER_1=$(container cell-1)
PROC_1=/proc/$(on A "cat '/run/containerd/io.containerd.runtime.v2.task/k8s.io/${CONTAINER_1}/init.pid'")/
HOST_1=$(on A "awk -v below='/var/lib/kubelet/pods/${POD_UID_1}/' 'index(\$5, below) == 1 && / - nfs/ {print \$5; exit}' /proc/1/mountinfo")
say "pod cell-1: UID $POD_UID_1, container $CONTAINER_1, process $PROC_1"
show A "grep -F ' ${HOST_1} ' /proc/1/mountinfo"
follow last_log "${EXPORT}/log"
# from here on pod cell-1 appends its records to /data/log
more_records 180 10 pod "${EXPORT}/log" # took 1.0 s
watch host_unmounted_cell_1 A "grep -qF ' ${HOST_1} ' /proc/1/mountinfo"
watch writer_dead_cell_1 A "[ -e $PROC_1 ]"
watch poddir_gone_cell_1 A "[ -e '/var/lib/kubelet/pods/${POD_UID_1}' ]"

say '== fault: kubelet-stop on worker2' # at 10.0 s of the trial
broken A kubelet-stop 60 \
	"systemctl stop 'kubelet.service'" \
	'state=$(systemctl is-active kubelet)
[ "$state" != active ]' \
	"systemctl start 'kubelet.service'" # took 2.0 s

say '== delete with the kubelet down' # at 13.0 s of the trial
happened 'delete pods cell-1 --grace-period=0 --force'
kc -n "${NS}" delete pods cell-1 --wait=false --grace-period=0 --force # took 0.2 s
came 30 'api-gone cell-1' not_in_api pod cell-1 # took 1.0 s
more_records 180 20 pod "${EXPORT}/log" # took 2.0 s
show A "grep ' - nfs' '/proc/1/mountinfo'"
show A "grep ' - nfs' '${PROC_1}mountinfo'"
mended A kubelet-stop 120 \
	"systemctl start 'kubelet.service'" \
	'systemctl is-active kubelet' # took 2.0 s
came 120 kubelet-healthy kc get --raw "/api/v1/nodes/$NODE_A/proxy/healthz" # took 4.0 s
await 180 'host-unmounted of pod cell-1' over host_unmounted_cell_1 || : # took 3.0 s
await 180 'writer-dead of pod cell-1' over writer_dead_cell_1 || : # took 30.0 s
await 180 'poddir-gone of pod cell-1' over poddir_gone_cell_1 || : # took 31.0 s

cat "$tmp"/*.last >>"$tmp/events" 2>/dev/null || :
say 'what happened, by the time of this script in s:'
sort -n "$tmp/events" | awk -v began="$began" '{t = $1 - began; $1 = ""; printf "%12.1f %s\n", t, $0}'
say 'and what nfsim saw, by the time of its trial:'
cat <<'SEEN'
        10.0  fault kubelet-stop on A
        14.0  delete pods cell-1 --grace-period=0 --force
        20.0  fault kubelet-stop on A undone
        33.0  host-unmounted cell-1
        59.0  last record of pod on the server (number 17)
SEEN
