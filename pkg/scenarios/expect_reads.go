package scenarios

import "slices"

// expectedReads are the rows of what a second client sees: caches and names.
func expectedReads() []Expectation {
	return slices.Concat(
		expectedTrials(), expectedCloseToOpen(), expectedAttrCache(), expectedDirCache(),
		expectedUnflushed(), expectedRenameOver(), expectedUnlinkOpen(), expectedMmap(),
	)
}

// anyProfile is every profile.
func anyProfile() []string { return []string{"*"} }

// statelessProfiles mount NFSv3: the server knows of no opens, and versions are
// told apart by ctime.
func statelessProfiles() []string { return []string{"v3", "soft-v3", "nolock", "local_lock"} }

// Sources that several rows rest on.
const (
	sourceCTO     = "nfs(5) Close-to-open cache consistency; RFC 8881 section 10.3.1; fs/nfs/dir.c nfs_lookup_verify_inode"
	sourceTimeout = "nfs(5) acregmin, acregmax; fs/nfs/inode.c nfs_update_inode, nfs_attribute_cache_expired"
	sourceVerify  = "nfs(5) acdirmin, lookupcache; fs/nfs/dir.c nfs_check_verifier, nfs_neg_need_reval"
	sourceNocto   = "nfs(5) cto / nocto; fs/nfs/dir.c nfs_lookup_verify_inode"
)

// expectedTrials are the trials as a whole: nothing is broken in them.
func expectedTrials() []Expectation {
	var rows []Expectation
	for _, scenario := range []string{"close-to-open", "attr-cache", "dir-cache", "unflushed-write", "rename-over", "unlink-open", "mmap-shared"} {
		rows = append(rows, Expectation{
			Scenario: "nfs/" + scenario, Modes: []string{""}, Profiles: anyProfile(), Allowed: allow("CLEAN"),
			Why:    "nothing is broken: what was mounted can be unmounted, and nothing else is touched",
			Source: "umount(8)",
		})
	}
	return rows
}

func expectedCloseToOpen() []Expectation {
	const scenario = "nfs/close-to-open"
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{modeSameSizeTick}, Profiles: statelessProfiles(),
			Allowed: allow("LINEARIZABLE", "UNBOUNDED_STALE", "DURABLE"),
			Why:     "an NFSv3 client tells versions apart by ctime, mtime and size; two rewrites of one size within a tick of the server's clock (4 ms at HZ=250) look like one, for good. Whether a read comes between the two is chance",
			Source:  "RFC 1813 section 4.11; fs/nfs/inode.c nfs_inode_attrs_cmp; fs/inode.c current_time (coarse before 6.13)",
		},
		{
			Scenario: scenario, Modes: []string{modeSameSizeTick}, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=61000", "UNBOUNDED_STALE", "DURABLE"),
			Why:     "as NFSv3, and an open trusts cached attributes besides",
			Source:  sourceNocto,
		},
		{
			Scenario: scenario, Modes: []string{modeSameSizeSecond}, Profiles: append(statelessProfiles(), "nocto"),
			Allowed: allow("UNBOUNDED_STALE", "DURABLE"),
			Why:     "an NFSv3 client tells versions apart by ctime, mtime and size, and a file system of whole seconds gives both versions the same: what was read between them is taken for good as long as nothing else changes",
			Source:  "RFC 1813 section 4.11; fs/nfs/inode.c nfs_inode_attrs_cmp; fs/ext4/super.c (s_time_gran with inodes of 128 bytes)",
		},
		{
			Scenario: scenario, Modes: []string{modeSameSizeSecond}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "DURABLE"),
			Why:     "the change attribute counts changes, whatever the clock says",
			Source:  "RFC 8881 section 5.8.1.4; fs/nfsd/nfsfh.c nfsd4_change_attribute (i_version)",
		},
		{
			Scenario: scenario, Modes: []string{"odirect"}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "DURABLE"),
			Why:     "O_DIRECT reads go to the server each time",
			Source:  "open(2) O_DIRECT, NFS; fs/nfs/direct.c nfs_file_direct_read",
		},
		{
			Scenario: scenario, Modes: []string{"locked"}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "DURABLE"),
			Why:     "taking a lock throws cached data away, also a lock that stays on the client",
			Source:  "nfs(5) Using file locks with NFS; fs/nfs/file.c do_setlk",
		},
		{
			Scenario: scenario, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=6500", "DURABLE"),
			Why:     "an open sends no GETATTR and trusts attributes for acregmin=3 s, or 6 s when nothing had changed before",
			Source:  sourceNocto,
		},
		{
			Scenario: scenario, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "CLOSE_TO_OPEN", "DURABLE"),
			Why:     "an open revalidates, by the change attribute or (NFSv3) ctime, and close, fsync, O_SYNC and O_DIRECT leave nothing on the writer; one write and one read at a time cannot tell close-to-open from linearizable",
			Source:  sourceCTO,
		},
	}
}

func expectedAttrCache() []Expectation {
	const scenario = "nfs/attr-cache"
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{"held-rw"}, Profiles: anyProfile(),
			Allowed: allow("UNBOUNDED_STALE", "DURABLE"),
			Why:     "while a client has a file open for writing, it takes a change on the server for one of its own writes: what it has cached is thrown away at the next open, whatever the timeouts are",
			Source:  "fs/nfs/inode.c nfs_update_inode (have_writers, NFS_INO_DATA_INVAL_DEFER); docs/findings.md",
		},
		{
			Scenario: scenario, Profiles: []string{"noac"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=100", "DURABLE"),
			Why:     "noac sets all attribute timeouts to 0, so that every stat and read asks the server; only what was on the wire may be old",
			Source:  "nfs(5) ac / noac; fs/nfs/inode.c nfs_attribute_cache_expired",
		},
		{
			Scenario: scenario, Modes: []string{"stat"}, Profiles: []string{"lookupcache=none"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=100", "DURABLE"),
			Why:     "every stat looks the name up on the server, and the LOOKUP brings attributes",
			Source:  "nfs(5) lookupcache; fs/nfs/dir.c nfs_lookup_revalidate_dentry",
		},
		{
			Scenario: scenario, Modes: []string{attrDelegated}, Profiles: []string{"actimeo=1"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=1500", "DURABLE"),
			Why:     "the delegation is recalled before the write's OPEN is answered; afterwards attributes are trusted for 1 s at most",
			Source:  "RFC 8881 section 10.4; nfs(5) actimeo",
		},
		{
			Scenario: scenario, Modes: []string{attrDelegated}, Profiles: []string{"actimeo=60"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=61000", "DURABLE"),
			Why:     "the delegation is recalled before the write's OPEN is answered; attributes that came with its return are trusted for 60 s",
			Source:  "RFC 8881 section 10.4; nfs(5) actimeo; fs/nfs/nfs4proc.c nfs4_delegreturn_release",
		},
		{
			Scenario: scenario, Modes: []string{attrDelegated}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=6500", "DURABLE"),
			Why:     "a reader that was given a delegation has it recalled before the write's OPEN is answered; what attributes it has then, or has without a delegation after 5 s of quiet, are trusted for 3 to 6 s",
			Source:  "RFC 8881 section 10.4; fs/nfs/delegation.c; " + sourceTimeout,
		},
		{
			Scenario: scenario, Modes: []string{"held-ro-quiet*"}, Profiles: []string{"actimeo=1"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=1500", "DURABLE"),
			Why:     "attributes are trusted for 1 s, however quiet it was; a reader that looks twice a second may miss the window altogether",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: scenario, Profiles: []string{"actimeo=1"},
			Allowed: allow("BOUNDED_STALE<=1500", "DURABLE"),
			Why:     "attributes are trusted for 1 s, no less and no more",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: scenario, Profiles: []string{"actimeo=60"},
			Allowed: allow("BOUNDED_STALE<=61000", "DURABLE"),
			Why:     "attributes are trusted for 60 s from when they were fetched",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: scenario, Modes: []string{"held-ro-quiet25"}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=24500", "DURABLE"),
			Why:     "each revalidation that finds no change doubles the timeout: after 3, 9 and 21 s of quiet comes the next at 45 s; where one doubling is missed it comes at 27 s, just after the write, which may so be seen at the next look",
			Source:  sourceTimeout + "; docs/findings.md 11",
		},
		{
			Scenario: scenario, Modes: []string{"held-ro-quiet70"}, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=48500", "DURABLE"),
			Why:     "each revalidation that finds no change doubles the timeout: after 3, 9, 21 and 45 s of quiet comes the next at 93 s",
			Source:  sourceTimeout,
		},
		{
			Scenario: scenario, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=6500", "DURABLE"),
			Why:     "attributes of files are trusted for acregmin=3 s after a change, and for 6 s after one revalidation that found none",
			Source:  sourceTimeout,
		},
	}
}

func expectedDirCache() []Expectation {
	const scenario = "nfs/dir-cache"
	negative := []string{"negative", "negative-*"}
	atOnce := allow("LINEARIZABLE", "BOUNDED_STALE<=100", "DURABLE")
	return []Expectation{
		{
			Scenario: scenario, Profiles: []string{"noac", "lookupcache=none"},
			Allowed: atOnce,
			Why:     "every lookup asks the server: noac trusts no attributes of the directory, lookupcache=none no entry",
			Source:  sourceVerify,
		},
		{
			Scenario: scenario, Modes: negative, Profiles: []string{"lookupcache=pos"},
			Allowed: atOnce,
			Why:     "no negative entry is kept",
			Source:  sourceVerify,
		},
		{
			Scenario: scenario, Modes: []string{"listing", "removed-open"}, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=31000", "DURABLE"),
			Why:     "an open, also of a directory, trusts cached attributes: acregmin=3 s, acdirmin=30 s",
			Source:  sourceNocto,
		},
		{
			Scenario: scenario, Modes: []string{"listing", "removed-open"}, Profiles: anyProfile(),
			Allowed: atOnce,
			Why:     "an open, also of a directory, revalidates; the handle of a removed file is stale, and the name is looked up again",
			Source:  sourceCTO,
		},
		{
			Scenario: scenario, Profiles: []string{"actimeo=1"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=1500", "DURABLE"),
			Why:     "an entry is good as long as the directory's cached attributes: 1 s; a reader none of whose looks fell into that second shows no staleness",
			Source:  sourceVerify + "; docs/findings.md 17",
		},
		{
			Scenario: scenario, Profiles: []string{"actimeo=60"},
			Allowed: allow("BOUNDED_STALE<=61000", "DURABLE"),
			Why:     "an entry is good as long as the directory's cached attributes: 60 s",
			Source:  sourceVerify,
		},
		{
			Scenario: scenario, Modes: []string{"removed-stat"}, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=6500", "DURABLE"),
			Why:     "stat asks for attributes when those of the file are older than acregmin=3 s (6 s after a revalidation); ESTALE makes it look the name up again",
			Source:  "fs/nfs/inode.c nfs_getattr; fs/stat.c vfs_statx (retry_estale)",
		},
		{
			Scenario: scenario, Modes: []string{"negative-quiet70"}, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=61000", "DURABLE"),
			Why:     "after 30 s without a change the directory's timeout doubles to acdirmax=60 s",
			Source:  sourceVerify,
		},
		{
			Scenario: scenario, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=31000", "DURABLE"),
			Why:     "an entry, negative or not, is good as long as the directory's cached attributes: acdirmin=30 s",
			Source:  sourceVerify,
		},
	}
}

func expectedUnflushed() []Expectation {
	const scenario = "nfs/unflushed-write"
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{modeUnflushed}, Profiles: []string{"sync", "noac"},
			Allowed: allow("LINEARIZABLE", "DURABLE"),
			Why:     "every write goes to the server before it returns; noac implies sync",
			Source:  "nfs(5) sync, noac; fs/nfs/super.c; fs/nfs/file.c nfs_file_write",
		},
		{
			Scenario: scenario, Modes: []string{modeUnflushed}, Profiles: []string{"nocto"},
			Allowed: allow("BOUNDED_STALE<=41000", "UNBOUNDED_STALE", "DURABLE"),
			Why:     "dirty pages leave after 30 to 35 s, and a reader that had looked that long trusts its attributes for up to 48 s more",
			Source:  "Documentation/admin-guide/sysctl/vm.rst dirty_expire_centisecs; " + sourceNocto,
		},
		{
			Scenario: scenario, Modes: []string{modeUnflushed}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=37000", "DURABLE"),
			Why:     "nothing asks for the data: dirty pages leave by themselves when they are 30 s old, which the kernel looks for every 5 s; on a mount that has written little they leave at the next such look, which may come right after the write",
			Source:  "nfs(5) sync / async; Documentation/admin-guide/sysctl/vm.rst dirty_expire_centisecs, dirty_writeback_centisecs; fs/fs-writeback.c wb_check_background_flush; docs/findings.md 24",
		},
		{
			Scenario: scenario, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=12500", "DURABLE"),
			Why:     "the data is on the server, and a reader's open trusts attributes for 3 s, and twice as long after each revalidation that finds no change: 6 s, and 12 s if the write came 9 to 21 s after its first look, which is when everybody has looked",
			Source:  sourceNocto + "; docs/findings.md 22",
		},
		{
			Scenario: scenario, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "DURABLE"),
			Why:     "fsync, O_SYNC and O_DIRECT return when the server has the data; an open revalidates",
			Source:  "fsync(2), open(2) O_SYNC, O_DIRECT; " + sourceCTO,
		},
	}
}

func expectedRenameOver() []Expectation {
	const scenario = "nfs/rename-over"
	byName := allow("LINEARIZABLE", "CLOSE_TO_OPEN", "DURABLE")
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{modeHeld}, Profiles: append(statelessProfiles(), "nocto"),
			Allowed: allow("ESTALE", "DURABLE"),
			Why:     "an NFSv3 server knows of no opens: the old file is gone, and the client notices when its attributes time out",
			Source:  "RFC 1813 section 4.6; nfs(5)",
		},
		{
			Scenario: scenario, Modes: []string{modeHeld}, Profiles: anyProfile(),
			Allowed: allow("UNINTERRUPTED", "DURABLE"),
			Why:     "an NFSv4 server keeps an open file until it is closed, whatever its name becomes",
			Source:  "RFC 8881 section 18.16; fs/nfsd/filecache.c",
		},
		{
			Scenario: scenario, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=31000", "DURABLE"),
			Why:     "an open trusts the entry for acdirmin=30 s and the attributes of the old file for 3 to 6 s",
			Source:  sourceNocto,
		},
		{
			Scenario: scenario, Modes: []string{modeReopenHeld}, Profiles: append(statelessProfiles(), "noac", "lookupcache=none", "v4.0"),
			Allowed: byName,
			Why:     "the name is looked up: NFSv3 finds the old handle stale, NFSv4.0 opens by name, noac and lookupcache=none trust no entry",
			Source:  "fs/nfs/nfs4proc.c nfs4_map_atomic_open_claim; " + sourceCTO,
		},
		{
			Scenario: scenario, Modes: []string{modeReopenHeld}, Profiles: []string{"actimeo=1"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=1500", "DURABLE"),
			Why:     "NFSv4.1 opens what the cached entry leads to by its handle, and the old file is alive because it is held; the entry is good for 1 s, which a reader may miss altogether (docs/findings.md 17)",
			Source:  "RFC 8881 section 18.16.1 CLAIM_FH; fs/nfs/nfs4proc.c nfs4_map_atomic_open_claim; fs/nfs/dir.c nfs4_do_lookup_revalidate",
		},
		{
			Scenario: scenario, Modes: []string{modeReopenHeld}, Profiles: []string{"actimeo=60"},
			Allowed: allow("BOUNDED_STALE<=61000", "UNBOUNDED_STALE", "DURABLE"),
			Why:     "as with actimeo=1, but for 60 s: longer than a quick run watches",
			Source:  "RFC 8881 section 18.16.1 CLAIM_FH; fs/nfs/nfs4proc.c nfs4_map_atomic_open_claim; fs/nfs/dir.c nfs4_do_lookup_revalidate",
		},
		{
			Scenario: scenario, Modes: []string{modeReopenHeld}, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=31000", "DURABLE"),
			Why:     "NFSv4.1 opens what the cached entry leads to by its handle, and the old file is alive because it is held; the entry is good for acdirmin=30 s",
			Source:  "RFC 8881 section 18.16.1 CLAIM_FH; fs/nfs/nfs4proc.c nfs4_map_atomic_open_claim; fs/nfs/dir.c nfs4_do_lookup_revalidate",
		},
		{
			Scenario: scenario, Profiles: anyProfile(),
			Allowed: byName,
			Why:     "the handle of the replaced file is stale when nobody holds it, and the name is looked up again; a rename is seen whole or not at all",
			Source:  "rename(2); RFC 1813 section 3.3.14; " + sourceCTO,
		},
	}
}

func expectedUnlinkOpen() []Expectation {
	const scenario = "nfs/unlink-open"
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{modeOtherClient}, Profiles: append(statelessProfiles(), "nocto"),
			Allowed: allow("ESTALE", "UNINTERRUPTED"),
			Why:     "an NFSv3 server knows of no opens of another client: the file is gone; until its cached attributes run out (3 s, and longer after quiet looks) a reader does not ask and is told nothing",
			Source:  "RFC 1813 section 4.6; nfs(5) acregmin, acregmax; docs/findings.md 17",
		},
		{
			Scenario: scenario, Modes: []string{modeOtherClient}, Profiles: anyProfile(),
			Allowed: allow("UNINTERRUPTED"),
			Why:     "an NFSv4 server keeps an open file until it is closed",
			Source:  "RFC 8881 section 18.25; fs/nfsd/filecache.c",
		},
		{
			Scenario: scenario, Modes: []string{modeOwn}, Profiles: anyProfile(),
			Allowed: allow("UNINTERRUPTED", "CLEAN"),
			Why:     "the client renames what it has open itself to .nfsXXXX, and removes that at the last close",
			Source:  "fs/nfs/unlink.c nfs_sillyrename, nfs_complete_unlink",
		},
		{
			Scenario: scenario, Modes: []string{modeOwnKilled}, Profiles: anyProfile(),
			Allowed: allow("CLEAN"),
			Why:     "a process that is killed closes its files: the .nfsXXXX name goes then",
			Source:  "fs/nfs/unlink.c nfs_complete_unlink",
		},
	}
}

func expectedMmap() []Expectation {
	const scenario = "nfs/mmap-shared"
	return []Expectation{
		{
			Scenario: scenario, Modes: []string{modeReopenLarge}, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=6500", "TORN", "DURABLE"),
			Why:     "msync sends several WRITEs and a reader may come between them; an open trusts cached attributes",
			Source:  "nfs(5) wsize, nocto",
		},
		{
			Scenario: scenario, Modes: []string{modeReopenLarge}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "TORN", "DURABLE"),
			Why:     "what is larger than wsize goes in several WRITEs, and a reader may come between them",
			Source:  "nfs(5) wsize; RFC 8881 section 18.32",
		},
		{
			Scenario: scenario, Modes: []string{modeReopen}, Profiles: []string{"nocto"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=6500", "DURABLE"),
			Why:     "msync leaves nothing on the writer, and an open trusts attributes for 3 to 6 s",
			Source:  sourceNocto,
		},
		{
			Scenario: scenario, Modes: []string{modeReopen}, Profiles: anyProfile(),
			Allowed: allow("LINEARIZABLE", "DURABLE"),
			Why:     "msync(MS_SYNC) returns when the server has the pages; an open revalidates",
			Source:  "msync(2); " + sourceCTO,
		},
		{
			Scenario: scenario, Profiles: []string{"noac"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=100", "DURABLE"),
			Why:     "every read asks the server; only what was on the wire may be old",
			Source:  "nfs(5) ac / noac",
		},
		{
			Scenario: scenario, Profiles: []string{"actimeo=1"},
			Allowed: allow("BOUNDED_STALE<=1500", "DURABLE"),
			Why:     "attributes are trusted for 1 s",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: scenario, Profiles: []string{"actimeo=60"},
			Allowed: allow("BOUNDED_STALE<=61000", "UNBOUNDED_STALE", "DURABLE"),
			Why:     "attributes are trusted for 60 s: longer than a quick run watches",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: scenario, Profiles: anyProfile(),
			Allowed: allow("BOUNDED_STALE<=6500", "DURABLE"),
			Why:     "attributes are trusted for acregmin=3 s after a change, and for 6 s after one revalidation that found none",
			Source:  sourceTimeout,
		},
	}
}
