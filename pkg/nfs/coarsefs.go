package nfs

import (
	"fmt"
	"path"
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// CoarseFS is a file system on the server whose timestamps are whole seconds,
// with directories that are exported: ext4 with inodes of 128 bytes, which have
// no room for more (fs/ext4/super.c: s_time_gran is a second then), in a file on
// a loop device. The proof is what stat(2) says on the server: FSINFO's time_delta
// is none, a Linux server says 1 s of every file system (fs/nfsd/nfs3xdr.c
// nfs3svc_time_delta).
type CoarseFS struct {
	// Dir is the mount point, below the root of Exports: made, and removed again.
	Dir string
	// Exports are directories right below Dir, by a set of their own.
	Exports ExportSet
}

// CoarseFSUnavailable is the exit status of the Inject script on a server that
// cannot have one: no mke2fs(8), no loop device, no ext4. What failed is on its
// standard error.
const CoarseFSUnavailable = 3

// coarseBytes is the size of the file system: registers of a few KiB are
// written to it.
const coarseBytes = 16 << 20

// Switch returns the scripts that make the file system with the directories,
// and that withdraw the exports and take it away again, whoever still has
// something open on it. It exports nothing: Exports.Add does, once the file
// system is there.
func (f CoarseFS) Switch() (ServerSwitch, error) {
	set, err := f.Exports.withDefaults()
	if err == nil {
		err = checkBelow(set.Root, f.Dir)
	}
	for _, e := range set.Exports {
		if err == nil && path.Dir(e.Path) != f.Dir {
			err = fmt.Errorf("export %s is not right below %s", e.Path, f.Dir)
		}
	}
	if err != nil {
		return ServerSwitch{}, fmt.Errorf("make a file system of whole seconds: %w", err)
	}
	var (
		dir, image = sshnode.Quote(f.Dir), f.Dir + ".img"
		mounted    = "grep -qF " + sshnode.Quote(" "+f.Dir+" ") + " " + mountTable
		dirs       []string
	)
	for _, e := range set.Exports {
		dirs = append(dirs, e.Path)
	}
	inject := strings.Join([]string{
		"unavailable() { echo \"$1\" >&2; exit " + fmt.Sprint(CoarseFSUnavailable) + "; }",
		"PATH=$PATH:/usr/sbin:/sbin",
		"command -v mke2fs >/dev/null || unavailable 'there is no mke2fs (package e2fsprogs)'",
		"set -e",
		bounded(shortDeadline, "mkdir", "-p", f.Dir),
		refuseLink(f.Dir),
		// A kernel without modules has it built in, or not at all: mount(8) says which.
		"modprobe -q loop 2>/dev/null || :",
		bounded(shortDeadline, "truncate", "-s", fmt.Sprint(coarseBytes), image),
		bounded(shortDeadline, "mke2fs", "-q", "-F", "-t", "ext4", "-I", "128", "-O", "^has_journal", "-m", "0", image) + " || unavailable 'mke2fs makes no ext4 with inodes of 128 bytes'",
		bounded(shortDeadline, "mount", "-t", "ext4", "-o", "loop,noatime", image, f.Dir) + " || unavailable 'no ext4 can be mounted from a loop device'",
		// The loop device keeps it as long as it is needed, and no longer.
		bounded(shortDeadline, "rm", image),
		bounded(shortDeadline, append([]string{"mkdir"}, dirs...)...),
	}, "\n") + "\n"
	undo := strings.Join([]string{
		set.withdrawAll(),
		"if " + mounted + "; then",
		// exportfs -f lets go of what the server has cached. What clients still hold
		// open or locked there, those of a run that was killed say, is revoked (NFSv4
		// state since Linux 6.9), or lives on until they let go of it.
		"	" + bounded(shortDeadline, "exportfs", "-f") + " || :",
		"	" + bounded(shortDeadline, "umount", f.Dir) + " 2>/dev/null || {",
		"		echo " + dir + " > /proc/fs/nfsd/unlock_filesystem || :",
		"		" + bounded(shortDeadline, "umount", f.Dir) + " 2>/dev/null || " + bounded(shortDeadline, "umount", "-l", f.Dir),
		"	}",
		"fi",
		bounded(shortDeadline, "rm", "-f", image),
		"[ ! -d " + dir + " ] || " + bounded(shortDeadline, "rmdir", f.Dir),
	}, "\n") + "\n"
	return ServerSwitch{
		Inject: inject,
		Undo:   undo,
		Prove: mounted + " || exit 1\n" +
			"stamps=$(stat -c %.9Z " + sshnode.Quote(dirs...) + ") || exit 1\n" +
			"echo $stamps\n" +
			"! echo \"$stamps\" | grep -qv '\\.000000000$'\n",
		ProveUndone: "! " + mounted + " || exit 1\n[ ! -e " + dir + " ] && [ ! -e " + sshnode.Quote(image) + " ] || exit 1\necho " + sshnode.Quote(f.Dir+" is gone") + "\n",
	}, nil
}
