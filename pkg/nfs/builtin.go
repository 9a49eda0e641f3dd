package nfs

// Builtin lists the profiles that nfsim knows by itself, the default first.
//
// timeo is in tenths of a second. On NFSv3 over TCP a call has its major
// timeout after timeo x (retrans + 1) (net/sunrpc/clnt.c, linear back-off): 50
// and 1 make 10 s, 50 and 2 make 15 s. That is long enough for a slow fsync on
// an emulated server, and short enough for a trial.
func Builtin() []Profile {
	list := []Profile{
		{Name: "default", Options: "vers=4.2", Doc: "NFSv4.2, hard, attributes cached for 3 to 60 s (files) and 30 to 60 s (directories)"},
		{Name: "v4.1", Options: "vers=4.1", Doc: "NFSv4.1: sessions, as 4.2 without its newer operations"},
		{Name: "v4.0", Options: "vers=4.0", Doc: "NFSv4.0: no sessions, callbacks on a connection of their own"},
		{Name: "v3", Options: "vers=3", Doc: "NFSv3: stateless, changes noticed by ctime, locks by NLM"},
		{Name: "noac", Options: "vers=4.2,noac", Doc: "no attribute cache, and every write synchronous; the data cache stays"},
		{Name: "actimeo=1", Options: "vers=4.2,actimeo=1", Doc: "attributes cached for 1 s"},
		{Name: "actimeo=60", Options: "vers=4.2,actimeo=60", Doc: "attributes cached for 60 s from the first look on"},
		{Name: "lookupcache=none", Options: "vers=4.2,lookupcache=none", Doc: "names are looked up on the server every time"},
		{Name: "lookupcache=pos", Options: "vers=4.2,lookupcache=pos", Doc: "names that were not there are looked up again every time"},
		{Name: "nocto", Options: "vers=3,nocto", Doc: "NFSv3 without close-to-open: an open trusts cached attributes and sends no GETATTR"},
		{Name: "sync", Options: "vers=4.2,sync", Doc: "every write is on the server's disk before it returns; attributes cached as by default"},
		{Name: "soft", Options: "vers=4.2,soft,timeo=50,retrans=2", Doc: "calls give up with EIO after about 15 s without an answer"},
		{Name: "softerr", Options: "vers=4.2,softerr,timeo=50,retrans=2", Doc: "calls give up with ETIMEDOUT after about 15 s; cached attributes serve meanwhile (softreval)"},
		{Name: "soft-v3", Options: "vers=3,soft,timeo=50,retrans=1", Doc: "NFSv3: calls give up with EIO after timeo x (retrans + 1) = 10 s"},
		{Name: "nolock", Options: "vers=3,nolock", Doc: "NFSv3 with flock and fcntl locks that stay on the client"},
		{Name: "local_lock", Options: "vers=3,local_lock=flock", Doc: "NFSv3 with flock locks that stay on the client and fcntl locks that do not"},
		{Name: "nosharecache", Options: "vers=4.2,nosharecache", Doc: "a superblock, and so caches, of each mount's own"},
		{Name: "async", Options: "vers=4.2", Export: "rw,async,no_subtree_check,no_root_squash,insecure", Doc: "the server acknowledges before data is on its disk (export option, not the mount's)"},
		{Name: "nconnect=4", Options: "vers=4.2,nconnect=4", Doc: "four connections to the server, shared by all mounts of the version: a batch of its own"},
		{Name: "nodeleg", Options: "vers=4.2", Server: ServerSetting{NoDelegations: true}, Doc: "a server that gives no delegations (fs.leases-enable=0): a batch of its own"},
		{Name: "short-lease", Options: "vers=4.2", Server: ServerSetting{LeaseSeconds: MinLeaseSeconds}, Doc: "a server with the shortest NFSv4 lease and grace time, 10 s: a batch of its own"},
	}
	for i := range list {
		if list[i].Export == "" {
			list[i].Export = DefaultExport
		}
	}
	return list
}
