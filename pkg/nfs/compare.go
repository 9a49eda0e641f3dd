package nfs

import (
	"fmt"
	"slices"
	"strings"
)

// Mismatch is one option that is not as it was asked for, or that nobody asked
// for.
type Mismatch struct {
	Option  string `json:"option"`
	Asked   string `json:"asked"`
	Granted string `json:"granted"`
	Why     string `json:"why,omitempty"`
}

func (m Mismatch) String() string {
	s := fmt.Sprintf("%s: asked %s, granted %s", m.Option, m.Asked, m.Granted)
	if m.Why != "" {
		s += " (" + m.Why + ")"
	}
	return s
}

// traits is the meaning of a set of options in one spelling: every trait has a
// value, defaults included. The asked and the granted side are both brought to
// it, and then compared.
type traits map[string]string

// defaultTraits is the meaning of no options at all on a current Linux over
// TCP: NFS_DEF_AC* in include/linux/nfs_fs.h, NFS_DEF_TCP_TIMEO and
// NFS_DEF_TCP_RETRANS in fs/nfs/internal.h. Traits that have no fixed default
// (vers, rsize, sec...) are missing and are compared only when asked for.
func defaultTraits() traits {
	return traits{
		"acregmin": "3", "acregmax": "60", "acdirmin": "30", "acdirmax": "60",
		"recovery": "hard", "softreval": "no", "ac": "yes", "cto": "yes", "sync": "no",
		"lookupcache": "all", "write": "lazy", "lock": "yes", "local_lock": "none",
		"acl": "yes", "rdirplus": "yes", "sharecache": "yes", "resvport": "yes", "fsc": "no",
		"nconnect": "1", "max_connect": "1", "timeo": "600", "retrans": "2", "ro": "no",
	}
}

// flagTraits are options without a value that mean the same on both sides.
var flagTraits = map[string]option{
	"ac": {"ac", "yes"}, "noac": {"ac", "no"},
	"hard": {"recovery", "hard"}, "soft": {"recovery", "soft"}, "softerr": {"recovery", "softerr"},
	"softreval": {"softreval", "yes"}, "nosoftreval": {"softreval", "no"},
	"cto": {"cto", "yes"}, "nocto": {"cto", "no"},
	"sync": {"sync", "yes"}, "async": {"sync", "no"},
	"lock": {"lock", "yes"}, "nolock": {"lock", "no"},
	"acl": {"acl", "yes"}, "noacl": {"acl", "no"},
	"rdirplus": {"rdirplus", "yes"}, "nordirplus": {"rdirplus", "no"},
	"sharecache": {"sharecache", "yes"}, "nosharecache": {"sharecache", "no"},
	"resvport": {"resvport", "yes"}, "noresvport": {"resvport", "no"},
	"fsc": {"fsc", "yes"}, "nofsc": {"fsc", "no"},
	"ro": {"ro", "yes"}, "rw": {"ro", "no"},
	"tcp": {"proto", "tcp"}, "udp": {"proto", "udp"}, "rdma": {"proto", "rdma"},
	"v3": {"vers", "3"}, "v4": {"vers", "4"}, "v4.0": {"vers", "4.0"}, "v4.1": {"vers", "4.1"}, "v4.2": {"vers", "4.2"},
}

// valueTraits are options with a value that keep their name.
var valueTraits = []string{
	"acregmin", "acregmax", "acdirmin", "acdirmax", "lookupcache", "write", "local_lock", "rdirplus",
	"nconnect", "max_connect", "timeo", "retrans", "proto", "port", "sec", "rsize", "wsize", "vers", "fsc",
	"xprtsec", "clientaddr",
}

// notShown are options that mount(8), mount.nfs(8) or the mount point's flags
// take care of and that the superblock does not show.
var notShown = []string{
	"bg", "fg", "retry", "defaults", "auto", "noauto", "user", "nouser", "_netdev", "nofail", "comment",
	"intr", "nointr", "mountport", "mountvers", "mountproto", "mounthost", "mountaddr", "addr", "minorversion",
	"dev", "suid", "exec", "atime", "diratime",
}

// vfsFlags are options of the mount, not of the superblock.
var vfsFlags = []string{"nodev", "nosuid", "noexec", "noatime", "nodiratime", "relatime"}

// Compare says in which options a mount differs from what was asked for,
// sorted by option. It knows the defaults and that the kernel shows the
// attribute timeouts only when they are not the default
// (nfs_show_mount_options in fs/nfs/super.c). An option that nobody asked for
// is a mismatch too: a mount that shares the superblock of an earlier one
// silently has that one's options. The error is that asked cannot be parsed.
func Compare(asked string, granted Granted) ([]Mismatch, error) {
	list, err := splitOptions(asked)
	if err != nil {
		return nil, err
	}
	var out []Mismatch
	want, unknown := askedTraits(list)
	got := grantedTraits(granted)
	for _, o := range unknown {
		m := checkUnknown(o, granted)
		if m != nil {
			out = append(out, *m)
		}
	}
	for trait, w := range want {
		if g := got[trait]; !sameTrait(trait, w, g) {
			out = append(out, Mismatch{Option: trait, Asked: w, Granted: orNone(g), Why: whyNot(trait, got)})
		}
	}
	slices.SortFunc(out, func(a, b Mismatch) int { return strings.Compare(a.Option, b.Option) })
	return slices.Compact(out), nil
}

// askedTraits is the meaning of asked options, and those it does not know.
func askedTraits(list []option) (t traits, unknown []option) {
	t = defaultTraits()
	for _, o := range list {
		flag, isFlag := flagTraits[o.key]
		switch {
		case isFlag && o.value == "":
			t[flag.key] = flag.value
			switch o.key {
			case "softerr": // fs/nfs/fs_context.c: sets NFS_MOUNT_SOFTREVAL too
				t["softreval"] = "yes"
			case "hard":
				t["softreval"] = "no"
			case "nolock": // sets both NFS_MOUNT_LOCAL_FLOCK and _FCNTL
				t["local_lock"] = "all"
			case "lock":
				t["local_lock"] = "none"
			case "udp":
				forgetUDPDefaults(t, list)
			}
		case o.key == "nfsvers":
			t["vers"] = o.value
		case o.key == "actimeo":
			for _, k := range []string{"acregmin", "acregmax", "acdirmin", "acdirmax"} {
				t[k] = o.value
			}
		case o.key == "lookupcache" && o.value == "positive":
			t["lookupcache"] = "pos"
		case o.key == "proto" && strings.HasPrefix(o.value, "udp"):
			t["proto"] = o.value
			forgetUDPDefaults(t, list)
		case slices.Contains(valueTraits, o.key):
			t[o.key] = o.value
		case slices.Contains(notShown, o.key) || strings.HasPrefix(o.key, "x-"):
		default:
			unknown = append(unknown, o)
		}
	}
	if minor := last(list, "minorversion"); minor != "" {
		t["vers"] = "4." + minor
	}
	if t["ac"] == "no" { // wins over every timeout, and sets SB_SYNCHRONOUS
		for _, k := range []string{"acregmin", "acregmax", "acdirmin", "acdirmax"} {
			t[k] = "0"
		}
		t["sync"] = "yes"
	}
	return t, unknown
}

// forgetUDPDefaults drops the defaults that hold over TCP only, where the
// asked options do not set them.
func forgetUDPDefaults(t traits, list []option) {
	for _, k := range []string{"timeo", "retrans"} {
		if last(list, k) == "" {
			delete(t, k)
		}
	}
}

func last(list []option, key string) string {
	for _, o := range slices.Backward(list) {
		if o.key == key {
			return o.value
		}
	}
	return ""
}

// grantedTraits is the meaning of what the kernel shows.
func grantedTraits(g Granted) traits {
	t := defaultTraits()
	for key, value := range g.Opts {
		if flag, ok := flagTraits[key]; ok && value == "" {
			if key == "rw" { // the default; a read-only mount of a writable superblock shows both
				continue
			}
			t[flag.key] = flag.value
			continue
		}
		if slices.Contains(valueTraits, key) {
			t[key] = value
		}
	}
	if _, ro := shownOptions(g.VFS)["ro"]; ro {
		t["ro"] = "yes"
	}
	return t
}

// checkUnknown compares an option without a meaning by its letters.
func checkUnknown(o option, g Granted) *Mismatch {
	asked := o.key
	if o.value != "" {
		asked += "=" + o.value
	}
	if slices.Contains(vfsFlags, o.key) {
		if _, ok := shownOptions(g.VFS)[o.key]; ok {
			return nil
		}
		return &Mismatch{Option: o.key, Asked: asked, Granted: g.VFS}
	}
	if value, ok := g.Opts[o.key]; ok && value == o.value {
		return nil
	}
	return &Mismatch{Option: o.key, Asked: asked, Granted: "none", Why: "nfsim does not know how a kernel shows this option"}
}

func sameTrait(trait, want, got string) bool {
	switch {
	case want == got:
		return true
	case trait == "vers" && want == "4": // any minor version will do
		return strings.HasPrefix(got, "4.")
	case trait == "port" && got == "": // hidden when it is the standard one
		return want == "2049" || want == "0"
	case trait == "rdirplus":
		return want == "no" && got == "none" || want == "none" && got == "no"
	}
	return false
}

// whyNot explains the surprises.
func whyNot(trait string, got traits) string {
	v4 := strings.HasPrefix(got["vers"], "4")
	switch {
	case v4 && slices.Contains([]string{"lock", "local_lock", "acl"}, trait):
		return "NFSv4 drops this option silently"
	case slices.Contains([]string{"rsize", "wsize"}, trait):
		return "the server's maximum, or rounded down"
	case slices.Contains([]string{"nconnect", "max_connect"}, trait):
		return "shared by all mounts from one server of one version"
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
