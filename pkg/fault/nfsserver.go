package fault

// NFSServerUnit is the unit of the kernel's NFS server on Debian.
const NFSServerUnit = "nfs-server.service"

// nfsdThreads sets $threads to the number of nfsd threads, 0 when there is no
// nfsd at all.
const nfsdThreads = `threads=$(cat /proc/fs/nfsd/threads 2>/dev/null || echo 0)
`

// nfsdServes proves that the unit is active (it is a oneshot: no main process)
// and that threads answer.
const nfsdServes = `state=$(systemctl show -p ActiveState --value ` + NFSServerUnit + `)
` + nfsdThreads + `echo "ActiveState=$state threads=$threads"
[ "$state" = active ] && [ "$threads" -gt 0 ]
`

// NFSStop stops the NFS server's unit. Its stop script also withdraws every
// export that is not in /etc/exports or /etc/exports.d; see nfs.ExportSet.
func NFSStop(machine string) Spec {
	return Spec{
		ID: NewID(), Name: "nfs-stop", Machine: machine,
		Inject: "systemctl stop " + NFSServerUnit + "\n",
		Undo:   startUnit(NFSServerUnit),
		Prove: `state=$(systemctl show -p ActiveState --value ` + NFSServerUnit + `)
` + nfsdThreads + `echo "ActiveState=$state threads=$threads"
[ "$state" != active ] && [ "$threads" = 0 ]
`,
		ProveUndone: nfsdServes,
	}
}

// NFSRestart restarts the NFS server's unit once. The effect proven is that
// the unit became active later than before.
func NFSRestart(machine string) Spec {
	id := NewID()
	stamp := "systemctl show -p ActiveEnterTimestampMonotonic --value " + NFSServerUnit
	return Spec{
		ID: id, Name: "nfs-restart", Machine: machine,
		Inject: "set -e\nmkdir -p " + NoteDir + "\n" + stamp + " > " + note(id) + "\nsystemctl restart " + NFSServerUnit + "\n",
		Undo:   startUnit(NFSServerUnit),
		Prove: "before=$(cat " + note(id) + ") || exit 1\nnow=$(" + stamp + `)
echo "active since $now us, before $before us"
[ "$now" -gt "$before" ]
`,
		ProveUndone: nfsdServes,
	}
}

// NFSThreadsZero takes nfsd's threads away without systemd knowing, as an
// administrator's `rpc.nfsd 0` does. The kernel then closes its sockets and
// forgets its NFSv4 state, so this is a restart in disguise. Kernel threads
// ignore SIGSTOP: to freeze a server as a hung machine would, use Partition.
// The undo restarts the unit, because only its scripts know the right number
// of threads.
func NFSThreadsZero(machine string) Spec {
	return Spec{
		ID: NewID(), Name: "nfs-threads-zero", Machine: machine,
		Inject:      "echo 0 > /proc/fs/nfsd/threads\n",
		Undo:        nfsdThreads + "[ \"$threads\" -gt 0 ] || systemctl restart " + NFSServerUnit + "\n",
		Prove:       nfsdThreads + "echo \"threads=$threads\"\n[ \"$threads\" = 0 ]\n",
		ProveUndone: nfsdServes,
	}
}

// NFSHold keeps the NFS server from starting at the machine's next boot, so that
// after a power cut its disk can be read before any client writes to it again.
// The service that runs is left alone. What is on the machine's disk is made
// durable with it: inject it before the load, never between load and power cut.
// The machine's own timer does not outlive the boot; the journal does.
func NFSHold(machine string) Spec {
	const enabled = "state=$(systemctl is-enabled " + NFSServerUnit + ")\n"
	return Spec{
		ID: NewID(), Name: "nfs-hold", Machine: machine,
		Inject:      "set -e\nsystemctl mask " + NFSServerUnit + "\nsync\n",
		Undo:        enabled + "if [ \"$state\" = masked ]; then systemctl unmask " + NFSServerUnit + "; fi\n" + startUnit(NFSServerUnit),
		Prove:       enabled + "echo \"" + NFSServerUnit + " is $state\"\n[ \"$state\" = masked ]\n",
		ProveUndone: nfsdServes,
	}
}
