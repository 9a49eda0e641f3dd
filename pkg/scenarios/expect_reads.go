package scenarios

// expectedReads are the rows of what a second client sees: caches and names.
func expectedReads() []Expectation {
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: "nfs/close-to-open", Profiles: []string{"v3"},
			Allowed: allow("LINEARIZABLE", "CLOSE_TO_OPEN", "BOUNDED_STALE<=62000", "UNBOUNDED_STALE", "DURABLE", "CLEAN"),
			Why:     "an NFSv3 client tells versions apart by ctime; two rewrites of one size within a tick of the server's clock (4 ms at HZ=250) look like one",
			Source:  "nfs(5) DATA AND METADATA COHERENCE; RFC 1813 section 4.11; fs/nfs/inode.c nfs_update_inode",
		},
		{
			Scenario: "nfs/close-to-open", Profiles: any,
			Allowed: allow("LINEARIZABLE", "CLOSE_TO_OPEN", "DURABLE", "CLEAN"),
			Why:     "open revalidates against the change attribute and close flushes; one open and one close at a time cannot tell close-to-open from linearizable",
			Source:  "nfs(5) Close-to-open cache consistency; RFC 8881 section 10.3.1",
		},
		{
			Scenario: "nfs/attr-cache", Profiles: []string{"noac"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=100", "DURABLE", "CLEAN"),
			Why:     "noac sets all attribute timeouts to 0, so that every stat and read asks the server; only what was on the wire may be old",
			Source:  "nfs(5) ac / noac; fs/nfs/inode.c nfs_attribute_cache_expired",
		},
		{
			Scenario: "nfs/attr-cache", Profiles: []string{"actimeo=1"},
			Allowed: allow("BOUNDED_STALE<=1500", "DURABLE", "CLEAN"),
			Why:     "attributes are trusted for 1 s, no less and no more",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: "nfs/attr-cache", Profiles: any,
			Allowed: allow("BOUNDED_STALE<=61000", "DURABLE", "CLEAN"),
			Why:     "attributes of files are trusted for acregmin=3 to acregmax=60 s; the timeout doubles with every revalidation that finds no change",
			Source:  "nfs(5) acregmin, acregmax; fs/nfs/inode.c nfs_update_inode",
		},
	}
}
