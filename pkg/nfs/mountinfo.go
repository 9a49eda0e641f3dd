package nfs

import (
	"fmt"
	"io"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Granted is one line of a mountinfo table (proc(5)): what the kernel made of
// a mount.
type Granted struct {
	Mountpoint string  `json:"mountpoint"`
	Source     string  `json:"source"` // server:/path
	FSType     string  `json:"fstype"` // nfs for NFSv3, nfs4 for NFSv4
	Raw        string  `json:"raw"`    // options of the superblock, as shown
	VFS        string  `json:"vfs"`    // options of the mount, as shown
	Opts       Options `json:"opts"`   // Raw, taken apart
	MajorMinor string  `json:"major_minor"`
	Root       string  `json:"root"`     // path within the filesystem that is the mount's root
	MountID    int     `json:"mount_id"` // unique while the mount exists
}

// IsNFS says whether the mount is a client's NFS mount.
func (g Granted) IsNFS() bool { return g.FSType == "nfs" || g.FSType == "nfs4" }

// ParseMountinfo reads a table in the format of /proc/self/mountinfo. Escapes
// in paths are undone.
func ParseMountinfo(r io.Reader) ([]Granted, error) {
	infos, err := mountinfo.GetMountsFromReader(r, nil)
	if err != nil {
		return nil, fmt.Errorf("parse mountinfo: %w", err)
	}
	mounts := make([]Granted, 0, len(infos))
	for _, info := range infos {
		mounts = append(mounts, Granted{
			Mountpoint: info.Mountpoint,
			Source:     info.Source,
			FSType:     info.FSType,
			Raw:        info.VFSOptions,
			VFS:        info.Options,
			Opts:       shownOptions(info.VFSOptions),
			MajorMinor: fmt.Sprintf("%d:%d", info.Major, info.Minor),
			Root:       info.Root,
			MountID:    info.ID,
		})
	}
	return mounts, nil
}

// shownOptions takes apart what a kernel shows, which may hold anything: it
// never fails.
func shownOptions(s string) Options {
	opts := Options{}
	for word := range strings.SplitSeq(s, ",") {
		if key, value, _ := strings.Cut(word, "="); key != "" {
			opts[key] = value
		}
	}
	return opts
}

// FindMount returns the mount that is on top at a mount point.
func FindMount(mounts []Granted, target string) (Granted, bool) {
	for i := len(mounts) - 1; i >= 0; i-- {
		if mounts[i].Mountpoint == target {
			return mounts[i], true
		}
	}
	return Granted{}, false
}

// MountBelow returns the first NFS mount below a directory.
func MountBelow(mounts []Granted, dir string) (Granted, bool) {
	for _, m := range mounts {
		if m.IsNFS() && strings.HasPrefix(m.Mountpoint, dir+"/") {
			return m, true
		}
	}
	return Granted{}, false
}

// SharedWith returns the other NFS mounts of the same superblock as g: they
// share its options and its caches.
func SharedWith(mounts []Granted, g Granted) []Granted {
	var out []Granted
	for _, m := range mounts {
		if m.IsNFS() && m.MountID != g.MountID && m.MajorMinor == g.MajorMinor {
			out = append(out, m)
		}
	}
	return out
}
