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

has_lines() { [ "$(wc -l <"$tmp/$2")" -ge "$1" ]; }

# more_rounds SECONDS COUNT NAME: waits until poll NAME has looked so often more.
more_rounds() {
	have=$(wc -l <"$tmp/$3.rounds")
	await "$1" "$2 more looks of $3" has_lines "$((have + $2))" "$3.rounds"
}

# another SECONDS NAME: waits until poll NAME has seen another value than those that were waited for so far.
another() {
	seen=$(($(cat "$tmp/$2.seen" 2>/dev/null || echo 0) + 1))
	echo "$seen" >"$tmp/$2.seen"
	await "$1" "$2 sees another value" has_lines "$seen" "$2.changes"
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

# handle NAME WHERE FILE FLAG...: opens a file there and keeps it open; tell makes calls on it.
handle() {
	name=$1 where=$2 file=$3
	shift 3
	rm -f "$tmp/$name.in"
	mkfifo "$tmp/$name.in"
	: >"$tmp/$name.out"
	echo 1 >"$tmp/$name.told"
	(
		limit=$longest
		on_as_is "$where" "perl -e $(quoted "$handle_perl") $(quoted "$file") $*" <"$tmp/$name.in" >>"$tmp/$name.out" 2>&1
	) &
	jobs="$jobs $!"
	sleep "$longest" >"$tmp/$name.in" &
	jobs="$jobs $!"
	await 90 "$where has $file open ($*)" has_lines 1 "$name.out"
	say "$(tail -n 1 "$tmp/$name.out")"
}

# ask NAME CALL...: has the call made and does not wait.
ask() {
	name=$1
	shift
	echo "$(($(cat "$tmp/$name.told") + 1))" >"$tmp/$name.told"
	echo "$*" >"$tmp/$name.in"
	say "$name: $*"
}

# tell NAME CALL...: has the call made, and says what it returned.
tell() {
	ask "$@"
	await "${patience:-100}" "$* has returned" has_lines "$(cat "$tmp/$1.told")" "$1.out" || return 0
	say "$1: $(sed -n "$(cat "$tmp/$1.told")p" "$tmp/$1.out")"
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

# another_container NAME ID: the pod runs in another container than this.
another_container() { pod_is "$1" Running && [ "$(container "$1")" != "$2" ]; }

container() { kc -n "$NS" get pod "$1" -o 'jsonpath={.status.containerStatuses[0].containerID}' | sed 's,.*//,,'; }

node_not_ready() { [ "$(kc get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" != True ]; }

# pod_of CONTROLLER: the youngest pod of it that is on a node and not on its way out.
pod_of() {
	kc -n "$NS" get pods -l "nfsim.io/controller=$1" --sort-by=.metadata.creationTimestamp \
		-o 'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.metadata.deletionTimestamp}{"\n"}{end}' | awk 'NF == 2 {name = $1} END {print name}'
}

has_pod() { [ -n "$(pod_of "$1")" ]; }

# told says whether a pod's process has said that it was sent SIGTERM.
told() { kc -n "$NS" logs "$1" | grep -q 'SIGTERM ignored'; }

terminating() { [ -n "$(kc -n "$NS" get pod "$1" -o 'jsonpath={.metadata.deletionTimestamp}')" ]; }

# reset_machine WHERE SECONDS: cuts its power and gives it back, and waits until another boot of it answers.
reset_machine() {
	before=$(on "$1" 'cat /proc/sys/kernel/random/boot_id')
	case $1 in
	SERVER) machine=$NODE_SERVER ;;
	A) machine=$NODE_A ;;
	B) machine=$NODE_B ;;
	esac
	happened "power of $1 is cut"
	# shellcheck disable=SC2086 # a command with its arguments
	$RESET "$machine"
	await "$2" "another boot of $1" rebooted "$1" "$before"
}

rebooted() {
	boot=$(on "$1" 'cat /proc/sys/kernel/random/boot_id') && [ -n "$boot" ] && [ "$boot" != "$2" ]
}

# unmount WHERE PATH: never looks at the path, which may be dead.
unmount() {
	on "$1" "grep -qF ' $2 ' /proc/1/mountinfo || exit 0
timeout -k 2 30 umount -i -c '$2' || timeout -k 2 15 umount -i -c -f '$2' || timeout -k 2 15 umount -i -c -l '$2'
rmdir '$2'" || say "still mounted on $1: $2"
}

# appender NAME WHERE WHO FILE SECONDS COUNT HOW...: appends numbered records of WHO there in the background, COUNT of
# them (0: for ever). HOW are operands of dd(1), or "held": one open file, never flushed.
appender() {
	id=$1 where=$2 who=$3 file=$4 every=$5 count=$6
	shift 6
	record="\"$who.\$id \$n \$(date +%s)\""
	one="echo $record | dd of='$file' $* 2>/dev/null"
	[ "$1" != held ] || one="echo $record >&3"
	hold=
	[ "$1" != held ] || hold="exec 3>>'$file'"
	happened "$where appends to $file"
	start "$id" "$where" "id=\$(cut -c 1-8 /proc/sys/kernel/random/uuid); n=1
$hold
while [ $count = 0 ] || [ \$n -le $count ]; do
	$one && n=\$((n + 1)) || echo \"record \$n failed at \$(date)\"
	sleep $every
done"
}

# poll_held NAME WHERE SECONDS FILE FLAG...: poll through one descriptor that stays open.
poll_held() {
	name=$1 where=$2 every=$3 file=$4
	shift 4
	: >"$tmp/$name.rounds"
	: >"$tmp/$name.changes"
	(
		limit=$longest
		on_as_is "$where" "perl -e $(quoted "$handle_perl") $(quoted "$file") $* every=$every" </dev/null 2>&1 | said "$name" "$where"
	) &
	jobs="$jobs $!"
}

renewed() { kc -n kube-node-lease get lease "$1" -o 'jsonpath={.spec.renewTime}'; }

back() { [ "$(renewed "$1")" != "$2" ] && [ "$(kc get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }

# node_back SECONDS NODE: waits until the API has fresh news of the node, and it is Ready.
node_back() { came "$1" node-ready back "$2" "$(renewed "$2")"; }

# end PROCESS: ends it and all that it started.
end() {
	children=$(pgrep -P "$1") || :
	kill "$1" 2>/dev/null || :
	for child in $children; do end "$child"; done
}

# by_hand WHAT: something that no command of this script does.
by_hand() {
	say "BY HAND: $*; then press Enter"
	read -r _ </dev/tty
}
