package scenarios

// expectedWriters are the rows of several writers at once: appends and locks.
func expectedWriters() []Expectation {
	return append(expectedAppends(), expectedLocks()...)
}

func expectedAppends() []Expectation {
	const scenario = "nfs/append-race"
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "nothing is broken, so nothing is left behind",
			Source:  "docs/scenarios.md, how a trial goes",
		},
		{
			Scenario: scenario, Modes: []string{modeAlternating}, Profiles: []string{"nocto"},
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT"),
			Why:     "without close-to-open an open need not learn how long the file has become, and an append goes to the end that the client knows",
			Source:  "nfs(5) cto / nocto; fs/nfs/file.c nfs_file_write: only a size known to be old is asked for",
		},
		{
			Scenario: scenario, Modes: []string{modeAlternating}, Profiles: any,
			Allowed: allow("DURABLE"),
			Why:     "each append begins with an open, which learns the file's size, and ends with a close, which has flushed it",
			Source:  "nfs(5) Close-to-open cache consistency",
		},
		{
			Scenario: scenario, Modes: []string{modeRacing}, Profiles: any,
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT"),
			Why:     "NFS has no append: the client writes at the end that it knows, and two clients may know the same one; open(2) says that the file may be corrupted",
			Source:  "open(2) O_APPEND; RFC 1813 section 4.11; fs/nfs/file.c nfs_file_write",
		},
		{
			Scenario: scenario, Modes: []string{modeLocked}, Profiles: localPOSIX(),
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT"),
			Why:     "the locks never leave the client, so that they keep nobody out on the other one",
			Source:  "nfs(5) nolock",
		},
		{
			Scenario: scenario, Modes: []string{modeFlock}, Profiles: localFlock(),
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT"),
			Why:     "flock locks never leave the client, so that they keep nobody out on the other one",
			Source:  "nfs(5) local_lock, nolock",
		},
		{
			Scenario: scenario, Modes: []string{modeLocked, modeFlock}, Profiles: any,
			Allowed: allow("DURABLE"),
			Why:     "a lock that is given drops what the client had cached, and an unlock flushes: nothing that was appended under a lock is lost",
			Source:  "nfs(5) Using file locks with NFS; fs/nfs/file.c do_setlk, do_unlk",
		},
		{
			Scenario: scenario, Modes: []string{modeDisjoint}, Profiles: any,
			Allowed: allow("DURABLE", "LOST_UPDATE"),
			Why:     "without a lock a client extends a write to the whole page when it takes its copy for up to date, and so puts old bytes over what the other side has just written; noalignwrite turns that off",
			Source:  "fs/nfs/write.c nfs_can_extend_write; nfs(5) alignwrite / noalignwrite",
		},
		{
			Scenario: scenario, Modes: []string{modeDisjointOSync}, Profiles: any,
			Allowed: allow("DURABLE"),
			Why:     "a descriptor with O_DSYNC or O_SYNC has no write extended, and a WRITE changes nothing but its own bytes",
			Source:  "fs/nfs/write.c nfs_can_extend_write; RFC 8881 section 18.32",
		},
	}
}

func expectedLocks() []Expectation {
	const scenario = "nfs/lock-handover"
	any := []string{"*"}
	twoWriters := allow("TWO_WRITERS", "LOST_UPDATE", "LINEARIZABLE", "BOUNDED_STALE", "UNBOUNDED_STALE", "TORN", "DURABLE")
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "nothing is broken, so nothing is left behind",
			Source:  "docs/scenarios.md, how a trial goes",
		},
		{
			Scenario: scenario, Modes: []string{"posix", "ofd"}, Profiles: localPOSIX(),
			Allowed: twoWriters,
			Why:     "the locks never leave the client: both sides hold one at once, and rewrite what they read at the same time",
			Source:  "nfs(5) nolock",
		},
		{
			Scenario: scenario, Modes: []string{"flock"}, Profiles: localFlock(),
			Allowed: twoWriters,
			Why:     "flock locks never leave the client: both sides hold one at once, and rewrite what they read at the same time",
			Source:  "nfs(5) local_lock, nolock",
		},
		{
			Scenario: scenario, Modes: lockKinds(), Profiles: any,
			Allowed: allow("EXCLUSIVE", "LINEARIZABLE", "DURABLE"),
			Why:     "the server gives a lock to one client at a time, flock and open file description locks as byte-range locks too; a lock that is given drops the cache, an unlock flushes",
			Source:  "nfs(5) Using file locks with NFS, local_lock; flock(2) NFS details; RFC 8881 section 9; fs/nfs/file.c do_setlk, do_unlk",
		},
	}
}

// localPOSIX are the profiles whose fcntl locks stay on the client, localFlock
// those whose flock locks do.
func localPOSIX() []string { return []string{"nolock"} }
func localFlock() []string { return []string{"nolock", "local_lock"} }
