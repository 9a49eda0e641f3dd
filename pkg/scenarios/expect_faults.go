package scenarios

import "slices"

// expectedFaults are the rows of server, network and client faults.
func expectedFaults() []Expectation {
	return slices.Concat(expectedRestart(), expectedServerCrash(), expectedPartition(), expectedClientCrash())
}

// stateless are the profiles of NFSv3 whose POSIX locks are the server's.
func stateless() []string { return []string{"v3", "soft-v3", "nocto", "local_lock"} }

func expectedRestart() []Expectation {
	scenario := "nfs/server-restart"
	return []Expectation{
		{
			Scenario: scenario, Profiles: []string{"nolock"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "RECOVERED_AFTER_GRACE", "TWO_WRITERS", "CLEAN"),
			Why:     "the lock is the client's own affair, so the other client is given one too, restart or not",
			Source:  "nfs(5) lock / nolock, local_lock",
		},
		{
			Scenario: scenario, Modes: []string{modeStopLong}, Profiles: []string{"soft-v3"},
			Allowed: allow("DURABLE", "RECOVERED", "EIO", "LOCK_LOST"),
			Why:     "stopped for longer than timeo x (retrans + 1): calls give up with EIO. Locks as with v3",
			Source:  "nfs(5) soft, timeo, retrans; sm-notify(8)",
		},
		{
			Scenario: scenario, Profiles: stateless(),
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "LOCK_LOST", "CLEAN"),
			Why:     "lockd drops its locks when nfsd stops; clients reclaim them only when sm-notify tells of a reboot, and it runs once per boot, not when the service restarts",
			Source:  "sm-notify(8): once per boot unless -f; fs/lockd/svc.c lockd_down; systemd unit rpc-statd-notify.service (RemainAfterExit)",
		},
		{
			Scenario: scenario, Modes: []string{modeStopLong}, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "RECOVERED_AFTER_GRACE", "EIO", "EXCLUSIVE"),
			Why:     "stopped for longer than the mount's patience: calls give up with EIO; state is reclaimed in the grace period all the same",
			Source:  "nfs(5) soft; RFC 8881 section 8.4.2.1",
		},
		{
			Scenario: scenario, Modes: []string{modeStopLong}, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "RECOVERED_AFTER_GRACE", "ETIMEDOUT", "EXCLUSIVE"),
			Why:     "stopped for longer than the mount's patience: calls give up with ETIMEDOUT; state is reclaimed in the grace period all the same",
			Source:  "nfs(5) softerr; RFC 8881 section 8.4.2.1",
		},
		{
			// Where it was seen; it may come with any v4 profile that has delegations.
			Scenario: scenario, Modes: []string{"?*"}, Profiles: []string{"v4.0", "short-lease"}, Kernel: ">=6.6",
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "RECOVERED_AFTER_GRACE", "EXCLUSIVE", "LOCK_LOST"),
			Why:     "opens and locks are reclaimed in the grace period; whoever reclaims the open of a file first may be given a write delegation with it, and lock by itself before the other has reclaimed its lock",
			Source:  "RFC 8881 section 8.4.2.1; fs/nfsd/nfs4state.c nfs4_open_delegation; docs/findings.md 12",
		},
		{
			Scenario: scenario, Profiles: []string{"*"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "RECOVERED_AFTER_GRACE", "EXCLUSIVE", "CLEAN"),
			Why:     "the server's page cache outlives its service; opens and locks are reclaimed in the grace period, and what is no reclaim waits for its end",
			Source:  "RFC 8881 section 8.4.2.1; RFC 7530 section 9.6.2",
		},
	}
}

func expectedServerCrash() []Expectation {
	scenario := "nfs/server-crash"
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{"?*"}, Profiles: []string{"async"},
			Allowed: allow("ACKED_LOST", "CORRUPT", "RECOVERED", "ESTALE"),
			Why:     "the server answers before anything is on its disk, COMMIT included; what its page cache held is gone, perhaps the file itself; a client that never crashed goes on writing behind it and leaves zeros",
			Source:  "exports(5) async; fs/nfsd/vfs.c nfsd_commit, nfsd_vfs_write (EX_ISSYNC); docs/findings.md 13",
		},
		{
			Scenario: scenario, Modes: []string{"?*"}, Profiles: []string{"soft", "soft-v3"},
			Allowed: allow("DURABLE", "RECOVERED", "EIO"),
			Why:     "a boot takes longer than the mount's patience; what was acknowledged is on the disk",
			Source:  "nfs(5) soft; exports(5) sync",
		},
		{
			Scenario: scenario, Modes: []string{"?*"}, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "RECOVERED", "ETIMEDOUT"),
			Why:     "a boot takes longer than the mount's patience; what was acknowledged is on the disk",
			Source:  "nfs(5) softerr; exports(5) sync",
		},
		{
			Scenario: scenario, Profiles: []string{"*"},
			Allowed: allow("DURABLE", "RECOVERED", "CLEAN"),
			Why:     "stable writes and COMMIT are on the disk before they are answered; what was not committed is sent again when the write verifier changes",
			Source:  "RFC 1813 sections 3.3.7, 3.3.21; RFC 8881 section 18.3; exports(5) sync",
		},
	}
}

func expectedPartition() []Expectation {
	scenario := "nfs/partition"
	long, frozen := []string{"*-long"}, []string{modeFrozen}
	return []Expectation{
		{
			Scenario: scenario, Profiles: []string{"nolock"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "TWO_WRITERS", "CLEAN"),
			Why:     "a hard mount waits; the lock is the client's own affair, so the other client is given one too, cut or not",
			Source:  "nfs(5) hard, nolock, local_lock",
		},
		{
			Scenario: scenario, Modes: frozen, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "EIO", "EXCLUSIVE"),
			Why:     "no answer for longer than the mount's patience: EIO. The server hears its client, and whatever it hears renews the lease",
			Source:  "nfs(5) soft; RFC 8881 section 8.3",
		},
		{
			Scenario: scenario, Modes: frozen, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "ETIMEDOUT", "EXCLUSIVE"),
			Why:     "no answer for longer than the mount's patience: ETIMEDOUT. The server hears its client, and whatever it hears renews the lease",
			Source:  "nfs(5) softerr; RFC 8881 section 8.3",
		},
		{
			Scenario: scenario, Modes: append(frozen, long...), Profiles: []string{"soft-v3"},
			Allowed: allow("DURABLE", "RECOVERED", "EIO", "EXCLUSIVE"),
			Why:     "the cut is longer than timeo x (retrans + 1): EIO; NLM locks have no lease and stay",
			Source:  "nfs(5) soft, timeo, retrans; net/sunrpc/clnt.c rpc_check_timeout",
		},
		{
			Scenario: scenario, Modes: long, Profiles: stateless(),
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "EXCLUSIVE"),
			Why:     "a hard mount waits for as long as it takes; NLM locks have no lease and stay. With nocto an open asks nobody while cached attributes are trusted",
			Source:  "nfs(5) hard, nocto; X/Open XNFS, Network Lock Manager",
		},
		{
			Scenario: scenario, Modes: long, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "EIO", "LOCK_LOST"),
			Why:     "the cut is longer than the mount's patience (EIO) and than the lease: the other client is given the lock",
			Source:  "nfs(5) soft; RFC 8881 sections 8.3, 8.4.3",
		},
		{
			Scenario: scenario, Modes: long, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "ETIMEDOUT", "LOCK_LOST"),
			Why:     "the cut is longer than the mount's patience (ETIMEDOUT) and than the lease: the other client is given the lock",
			Source:  "nfs(5) softerr; RFC 8881 sections 8.3, 8.4.3",
		},
		{
			Scenario: scenario, Modes: long, Profiles: []string{"*"}, Kernel: ">=6.6",
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "LOCK_LOST", "TWO_WRITERS"),
			Why:     "a hard mount waits; the lease has expired, so the server gives the lock to who asks for it (a courteous server keeps it until then). An open under a delegation asks nobody. After an earlier cut the server may not reach a client that has a write delegation: it takes that back unheard, and the client goes on locking by itself",
			Source:  "RFC 8881 sections 8.3, 8.4.3, 10.4; fs/nfsd/nfs4state.c nfs4_laundromat, nfsd4_lm_lock_expirable (Linux 5.19); docs/findings.md 15, 25",
		},
		{
			Scenario: scenario, Modes: long, Profiles: []string{"*"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "LOCK_LOST"),
			Why:     "a hard mount waits; the lease has expired, so the server gives the lock to who asks for it (a courteous server keeps it until then). An open under a delegation asks nobody",
			Source:  "RFC 8881 sections 8.3, 8.4.3, 10.4; fs/nfsd/nfs4state.c nfs4_laundromat, nfsd4_lm_lock_expirable (Linux 5.19)",
		},
		{
			Scenario: scenario, Modes: []string{modeDropShort}, Profiles: []string{"soft-v3"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "EIO", "EXCLUSIVE"),
			Why:     "TCP sends what a silence has swallowed when its own timer is due, which has doubled all the time: up to as long again after the silence. 5 s and more of it may so be longer than the 10 s after which this mount gives up",
			Source:  "RFC 6298 section 5.5; nfs(5) soft, timeo, retrans; docs/findings.md 21",
		},
		{
			Scenario: scenario, Profiles: []string{"*"},
			Allowed: allow("DURABLE", "UNINTERRUPTED", "RECOVERED", "EXCLUSIVE", "CLEAN"),
			Why:     "shorter than every timer and than the lease, or the lease renewed by what the server hears: calls wait, nothing is given up. An open under a delegation asks nobody",
			Source:  "nfs(5) timeo, retrans; RFC 8881 sections 8.3, 10.4",
		},
	}
}

func expectedClientCrash() []Expectation {
	scenario := "nfs/client-crash"
	lock := []string{modeCrashLock}
	return []Expectation{
		{
			Scenario: scenario, Modes: lock, Profiles: []string{"nolock"},
			Allowed: allow("TWO_WRITERS"),
			Why:     "the server knows of no lock",
			Source:  "nfs(5) lock / nolock, local_lock",
		},
		{
			Scenario: scenario, Modes: lock, Profiles: stateless(),
			Allowed: allow("EXCLUSIVE", "RECOVERED"),
			Why:     "NLM locks have no lease: the server drops them when the client has booted and its sm-notify says so",
			Source:  "sm-notify(8); rpc.statd(8)",
		},
		{
			Scenario: scenario, Modes: lock, Profiles: []string{"*"},
			Allowed: allow("EXCLUSIVE", "RECOVERED<=190"),
			Why:     "the lock goes when the lease has expired and somebody asks for it: between one and two leases, of 15 s (quick) or 90 s (full)",
			Source:  "RFC 8881 section 8.4.2.4; fs/nfsd/nfs4state.c nfs4_laundromat",
		},
		{
			Scenario: scenario, Profiles: []string{"*"},
			Allowed: allow("DURABLE", "CLEAN"),
			Why:     "what fsync, close or O_SYNC returned for has reached the server, which did not crash",
			Source:  "nfs(5) sync / async; fs/nfs/file.c nfs_file_fsync, nfs_file_flush",
		},
	}
}
