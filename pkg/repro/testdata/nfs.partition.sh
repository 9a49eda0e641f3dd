#!/bin/sh
# nfs/partition with mount profile default (vers=4.2,hard), by hand.
#
# It repeats what nfsim v0.0.0-synthetic did in run 20010203-040506-abcd, cells/nfs.partition/default/1, with kubectl and ssh. It breaks the machines on
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
NODE_SERVER=${NODE_SERVER:-server}
NODE_A=${NODE_A:-worker2}
NODE_B=${NODE_B:-worker1}
# The NFS server's address, as the workers see it.
SERVER_ADDR=${SERVER_ADDR:-192.168.127.10}
# A new directory on the server, which is exported; it is left there.
EXPORT=${EXPORT:-/srv/nfs-repro-$$}
# Where it is mounted on the workers.
MNT=${MNT:-/mnt/nfs-repro}
# Cuts the power of the machine that is its last argument, and gives it back.
RESET=${RESET:-nfsim lab reset}

tmp=$(mktemp -d)
jobs=''
longest=3600 # s that anything in the background goes on
handle_perl='use Fcntl; use IO::Handle; $| = 1;
my ($path, @flags) = @ARGV;
my %o = (rdonly => O_RDONLY, wronly => O_WRONLY, rdwr => O_RDWR, creat => O_CREAT, excl => O_EXCL, trunc => O_TRUNC, append => O_APPEND, sync => O_SYNC, dsync => O_DSYNC, direct => O_DIRECT);
my ($mode, $every) = (0, 0);
for (@flags) { if (/^every=(.+)/) { $every = $1 } else { $mode |= $o{$_} } }
sysopen(my $h, $path, $mode, 0666) or print("open: $!\n"), exit 1;
sub look { sysseek($h, 0, 0); my $n = sysread($h, my $b, 1 << 20); return "read: $!" unless defined $n; $b =~ s/\0//g; my ($t) = $b =~ /^(.{0,100})/; return "$t ($n bytes)" }
if ($every) { while (print look(), "\n") { select(undef, undef, undef, $every) } }
print "open\n";
while (my $line = <STDIN>) {
  my ($do, @a) = split " ", $line; my $ok = 1; my $said = "";
  if ($do eq "write") { sysseek($h, $a[2] || 0, 0) unless $mode & O_APPEND; $ok = defined syswrite($h, substr("$a[0]\n" x $a[1], 0, $a[1])) }
  elsif ($do eq "read") { $said = look() }
  elsif ($do eq "fsync") { $ok = $h->sync }
  elsif ($do eq "stat") { my @s = stat $h; $ok = @s; $said = "$s[7] bytes, $s[3] links" }
  elsif ($do eq "truncate") { $ok = truncate $h, $a[0] }
  elsif ($do eq "lock" && $a[0] eq "flock") { my %t = (read => 1, write => 2, unlock => 8); $ok = flock $h, $t{$a[1]} | ($a[2] ? 0 : 4) }
  elsif ($do eq "lock") {
    my %t = (read => 0, write => 1, unlock => 2); my $c = ($a[0] eq "ofd" ? 37 : 6) + ($a[2] ? 1 : 0);
    my $l = pack "s s x4 q q l x4", $t{$a[1]}, 0, 0, 0, 0; $ok = fcntl $h, $c, $l
  }
  elsif ($do eq "close") { $ok = close $h }
  print join(" ", $do, @a), ": ", ($ok ? "ok $said" : "$!"), "\n";
}'

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

# over NAME: what was watched for has happened.
over() { [ -s "$tmp/$1.over" ]; }

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
	for job in $jobs; do end "$job"; done
	unmount B "${MNT}"
	unmount A "${MNT}"
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
echo \"${EXPORT} *(rw,sync,fsid=\$(cat /proc/sys/kernel/random/uuid))\" >>/etc/exports.d/nfs-repro.exports
exportfs -a"
on A "mkdir -p '${MNT}' && timeout -k 2 30 mount -t nfs -o vers=3,soft '${SERVER_ADDR}:${EXPORT}' '${MNT}'" # took 1.0 s
show A "grep -F ' ${MNT} ' /proc/1/mountinfo"
on B "mkdir -p '${MNT}' && timeout -k 2 30 mount -t nfs -o vers=3,soft '${SERVER_ADDR}:${EXPORT}' '${MNT}'" # took 1.0 s
show B "grep -F ' ${MNT} ' /proc/1/mountinfo"

say '== write and read' # at 3.0 s of the trial
on SERVER "mkdir -p '${EXPORT}/d'" || :
put A "${MNT}/d/r" a1 8192 || : # took 1.0 s
get B "${MNT}/d/r" || : # took 1.0 s
put A "${MNT}/d/r" a2 8192 conv=notrunc,fsync,nocreat oflag=direct || : # took 1.0 s
on A "mv -T '${MNT}/d/r' '${MNT}/d/s'" || : # took 1.0 s
show B "stat -c '%n: %s bytes, changed %z' '${MNT}/d/r'" || : # failed after 1.0 s: ENOENT
handle f_lock A "${MNT}/d/lock" rdwr creat # took 1.0 s
handle f_lock_2 B "${MNT}/d/lock" rdwr creat # took 1.0 s
tell f_lock lock posix write # took 1.0 s
appender append_worker2_log A worker2 "${MNT}/d/log" 0.4 0 oflag=append conv=notrunc,fsync
appender append_worker2_unflushed A worker2 "${MNT}/d/unflushed" 0.4 20 held
poll reopen_s B 1 "head -c 200 '${MNT}/d/s'"
poll_held read_held_ro_s B 0.05 "${MNT}/d/s" rdonly
more_records 30 3 worker2 "${EXPORT}/d/log" # took 1.0 s
more_rounds 30 1 reopen_s # took 1.0 s
broken A drop-short 60 \
	"nft -f - <<'EOF'
table inet nfsim_x {
	chain output {
		type filter hook output priority -150; policy accept;
		ip daddr ${SERVER_ADDR} tcp dport { 2049 } counter drop
	}
}
EOF" \
	"nft list table inet nfsim_x | grep -E 'counter packets [1-9]'" \
	'nft delete table inet nfsim_x' # took 2.0 s
again 12 0.83 tell f_lock_2 lock posix write & # failed after 10.0 s: EAGAIN
job_f_lock_2=$!
sleep 5
mended A drop-short 60 \
	'nft delete table inet nfsim_x' \
	'! nft list table inet nfsim_x' # took 1.0 s
more_records 100 3 worker2 "${EXPORT}/d/log" || : # failed after 2.0 s: not in time
tell f_lock write end 8192 # took 1.0 s
tell f_lock fsync # took 1.0 s
tell f_lock lock posix unlock # took 1.0 s
stop append_worker2_log
stop reopen_s
another 70 read_held_ro_s # took 1.0 s
tell f_lock close # took 1.0 s
# not repeated, a shell has no mmap(2): store m1 on worker1 # took 1.0 s
reset_machine SERVER 600 # took 20.0 s
by_hand 'do fault link-down, which is seen on SERVER: it was done from outside of the machines' # took 1.0 s
await 60 'fault link-down is in effect' on SERVER 'echo gone'
by_hand 'undo fault link-down: it was undone from outside of the machines'
await 60 'fault link-down is over' on SERVER 'echo back' # took 1.0 s
wait "$job_f_lock_2" || :

cat "$tmp"/*.last >>"$tmp/events" 2>/dev/null || :
say 'what happened, by the time of this script in s:'
sort -n "$tmp/events" | awk -v began="$began" '{t = $1 - began; $1 = ""; printf "%12.1f %s\n", t, $0}'
say 'and what nfsim saw, by the time of its trial:'
cat <<'SEEN'
        17.0  fault drop-short on A
        27.0  fault drop-short on A undone
        33.0  host-unmounted cell-1
        40.0  fault reset on SERVER
        59.0  last record of pod on the server (number 17)
        61.0  fault reset on SERVER undone
        62.0  fault link-down on SERVER
        64.0  fault link-down on SERVER undone
SEEN
