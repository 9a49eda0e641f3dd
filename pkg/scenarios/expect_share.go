package scenarios

// expectedShare are the rows of family share-server.
func expectedShare() []Expectation {
	const (
		pods = "share-server/server-pod-deleted"
		anew = "share-server/server-cr-deleted"
		kept = "share-server/server-cr-deleted-address-kept"
		defs = "share-server/server-crd-deleted"

		back      = "whoever keeps the server running starts another at the same address, with the recovery directory of the one before; clients reclaim what they had open and locked, and wait for the end of the grace period with what is new. The grace period is over when every client that was known has reclaimed (Enable_NLM off), at the latest after Grace_Period"
		backSays  = "RFC 8881 section 8.4.2; NFS-Ganesha src/SAL/nfs4_recovery.c nfs_try_lift_grace; ganesha-core-config(8) Grace_Period"
		softLater = ". A soft mount gives up when all this takes longer than timeo x (retrans + 1), 15 s"

		dead     = "the new resource's server has another address; no client of NFS looks its server's address up again, so that clients at the old one find nobody there, and the control plane does not know that they do"
		deadSays = "nfs(5) hard, soft, softerr, timeo, retrans; net/sunrpc/xprt.c xprt_connect: the transport's address is the mount's"

		lost     = "the new resource has no recovery directory of the old one's: there is nobody who may reclaim, hence no grace period, and a reclaim is answered with NFS4ERR_NO_GRACE. Opens are done anew, a lock is not: its holder is told EIO when it uses the file (recover_lost_locks is off)"
		lostSays = "RFC 8881 sections 8.4.2.1 and 18.16.3; Linux Documentation/admin-guide/kernel-parameters.txt nfs.recover_lost_locks; fs/nfs/nfs4proc.c nfs4_lock_expired; NFS-Ganesha src/SAL/nfs4_recovery.c nfs4_chk_clid"

		undefined     = "the definition's resources are deleted first, and what they own by the garbage collector; the reconciler has nothing left that asks for a server"
		undefinedSays = "Kubernetes documentation, Delete a CustomResourceDefinition; apiextensions-apiserver pkg/controller/finalizer crd_finalizer.go; Garbage Collection"
	)
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: pods, Modes: serverPodDeleted().Modes, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "RECOVERED", "RECOVERED_AFTER_GRACE", "EIO", "EXCLUSIVE"),
			Why:     back + softLater, Source: backSays + "; nfs(5) soft",
		},
		{
			Scenario: pods, Modes: serverPodDeleted().Modes, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "RECOVERED", "RECOVERED_AFTER_GRACE", "ETIMEDOUT", "EXCLUSIVE"),
			Why:     back + softLater, Source: backSays + "; nfs(5) softerr",
		},
		{
			Scenario: pods, Modes: serverPodDeleted().Modes, Profiles: any,
			Allowed: allow("DURABLE", "RECOVERED", "RECOVERED_AFTER_GRACE", "EXCLUSIVE"),
			Why:     back, Source: backSays,
		},
		{
			Scenario: anew, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "EIO", "CLEAN"),
			Why:     dead + ": a soft mount says so after 15 s", Source: deadSays,
		},
		{
			Scenario: anew, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "ETIMEDOUT", "CLEAN"),
			Why:     dead + ": softerr says so after 15 s", Source: deadSays,
		},
		{
			Scenario: anew, Profiles: any,
			Allowed: allow("DURABLE", "HUNG", "CLEAN"),
			Why:     dead + ": a hard mount waits for ever", Source: deadSays,
		},
		{
			Scenario: kept, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "RECOVERED", "RECOVERED_AFTER_GRACE", "EIO", "LOCK_LOST", "CLEAN"),
			Why:     lost + softLater, Source: lostSays + "; nfs(5) soft",
		},
		{
			Scenario: kept, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "RECOVERED", "RECOVERED_AFTER_GRACE", "ETIMEDOUT", "LOCK_LOST", "CLEAN"),
			Why:     lost + softLater, Source: lostSays + "; nfs(5) softerr",
		},
		{
			Scenario: kept, Profiles: any,
			Allowed: allow("DURABLE", "RECOVERED", "RECOVERED_AFTER_GRACE", "LOCK_LOST", "CLEAN"),
			Why:     lost, Source: lostSays,
		},
		{
			Scenario: defs, Modes: []string{modePlain}, Profiles: []string{"soft"},
			Allowed: allow("DURABLE", "EIO", "NOT_REBUILT"),
			Why:     undefined + "; a soft mount says so after 15 s", Source: undefinedSays + "; nfs(5) soft",
		},
		{
			Scenario: defs, Modes: []string{modePlain}, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "ETIMEDOUT", "NOT_REBUILT"),
			Why:     undefined + "; softerr says so after 15 s", Source: undefinedSays + "; nfs(5) softerr",
		},
		{
			Scenario: defs, Modes: []string{modePlain}, Profiles: any,
			Allowed: allow("DURABLE", "HUNG", "NOT_REBUILT"),
			Why:     undefined + "; a hard mount waits for ever", Source: undefinedSays + "; nfs(5) hard",
		},
		{
			Scenario: defs, Modes: []string{modeFinalizer}, Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "EXCLUSIVE", "TERMINATING_STUCK"),
			Why:     "a finalizer is taken off by whoever put it on; until then resource and definition stay, and so does what they own: the server runs on",
			Source:  "Kubernetes documentation, Finalizers; Garbage Collection",
		},
		{
			Scenario: "share-server/*", Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "the servers are brought back at the addresses that their clients know before these are unmounted, and definition, resources, pods and directories are removed",
			Source:  "docs/scenarios.md, how a trial goes",
		},
	}
}
