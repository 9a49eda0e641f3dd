// Package nfs knows NFS on Linux: the profiles of mount options, what the
// kernel made of them, exports, mounts that cannot hang the caller, statistics
// of client and server, and an observer on the wire that caches nothing.
//
//	p := nfs.Builtin()[0]
//	exp := nfs.Export{Path: "/srv/nfsim/r1/t1", Options: p.Export, FSID: nfs.NewFSID("r1", "t1")}
//	err := nfs.ExportSet{Name: "r1", Exports: []nfs.Export{exp}}.Add(ctx, server)
//	granted, err := nfs.Mounter{}.Mount(ctx, worker, nfs.MountSpec{
//		Server: "192.168.127.10", Path: exp.Path, Target: "/mnt/nfsim/t1", Options: p.Options,
//	})
//	mismatches, err := nfs.Compare(p.Options, granted) // not empty: the trial fails
//	report, err := nfs.Mounter{}.Unmount(ctx, worker, "/mnt/nfsim/t1", nfs.UnmountPlan{})
//
// Nothing here runs for longer than its deadline, nothing stats a path that may
// be a dead mount, and nothing deletes recursively at or above a mount point.
package nfs
