package nfs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shown is how Linux shows a mount with the given options among the rest.
func shown(fstype, opts string) Granted {
	raw := "rw," + opts + ",namlen=255,proto=tcp,sec=sys,addr=192.168.127.10"
	return Granted{FSType: fstype, VFS: "rw,relatime", Raw: raw, Opts: shownOptions(raw)}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	const (
		v42 = "vers=4.2,rsize=262144,wsize=262144,hard,timeo=600,retrans=2,clientaddr=192.168.127.11,local_lock=none"
		v3  = "vers=3,rsize=262144,wsize=262144,hard,timeo=600,retrans=2,mountaddr=192.168.127.10,mountvers=3,mountport=20048,mountproto=udp,local_lock=none"
	)
	for _, tc := range []struct {
		name, asked string
		granted     Granted
		want        []Mismatch
	}{
		{name: "default", asked: "vers=4.2", granted: shown("nfs4", v42)},
		{name: "nothing asked", asked: "", granted: shown("nfs4", v42)},
		{name: "any minor version", asked: "vers=4", granted: shown("nfs4", v42)},
		{name: "minorversion", asked: "vers=4,minorversion=1", granted: shown("nfs4", v42), want: []Mismatch{{Option: "vers", Asked: "4.1", Granted: "4.2"}}},
		{name: "v3", asked: "vers=3", granted: shown("nfs", v3)},
		{name: "another version", asked: "vers=4.2", granted: shown("nfs4", "vers=4.1,hard,timeo=600,retrans=2,local_lock=none"), want: []Mismatch{{Option: "vers", Asked: "4.2", Granted: "4.1"}}},
		{
			name: "noac", asked: "vers=4.2,noac",
			granted: shown("nfs4", "sync,"+v42+",acregmin=0,acregmax=0,acdirmin=0,acdirmax=0,noac"),
		},
		{
			name: "noac not granted", asked: "vers=4.2,noac", granted: shown("nfs4", v42),
			want: []Mismatch{
				{Option: "ac", Asked: "no", Granted: "yes"},
				{Option: "acdirmax", Asked: "0", Granted: "60"},
				{Option: "acdirmin", Asked: "0", Granted: "30"},
				{Option: "acregmax", Asked: "0", Granted: "60"},
				{Option: "acregmin", Asked: "0", Granted: "3"},
				{Option: "sync", Asked: "yes", Granted: "no"},
			},
		},
		{
			name: "actimeo", asked: "vers=4.2,actimeo=1",
			granted: shown("nfs4", v42+",acregmin=1,acregmax=1,acdirmin=1,acdirmax=1"),
		},
		{
			name: "a default is hidden", asked: "actimeo=60",
			granted: shown("nfs4", v42+",acregmin=60,acdirmin=60"),
		},
		{
			name: "inherited from an earlier mount", asked: "vers=4.2",
			granted: shown("nfs4", v42+",acregmin=1,acregmax=1"),
			want: []Mismatch{
				{Option: "acregmax", Asked: "60", Granted: "1"},
				{Option: "acregmin", Asked: "3", Granted: "1"},
			},
		},
		{name: "soft", asked: "vers=4.2,soft,timeo=50,retrans=2", granted: shown("nfs4", "vers=4.2,soft,timeo=50,retrans=2,local_lock=none")},
		{name: "softerr brings softreval", asked: "softerr,timeo=50", granted: shown("nfs4", "vers=4.2,softerr,softreval,timeo=50,retrans=2,local_lock=none")},
		{name: "soft not granted", asked: "soft", granted: shown("nfs4", v42), want: []Mismatch{{Option: "recovery", Asked: "soft", Granted: "hard"}}},
		{name: "timeo not granted", asked: "timeo=10", granted: shown("nfs4", v42), want: []Mismatch{{Option: "timeo", Asked: "10", Granted: "600"}}},
		{name: "the last one counts", asked: "soft,hard", granted: shown("nfs4", v42)},
		{name: "lookupcache", asked: "lookupcache=positive", granted: shown("nfs4", v42+",lookupcache=pos")},
		{name: "lookupcache default", asked: "lookupcache=all", granted: shown("nfs4", v42)},
		{name: "nocto", asked: "nocto", granted: shown("nfs4", "nocto,"+v42)},
		{name: "write", asked: "write=eager", granted: shown("nfs4", v42+",write=eager")},
		{name: "sync", asked: "sync", granted: shown("nfs4", "sync,"+v42)},
		{name: "nolock on v3", asked: "vers=3,nolock", granted: shown("nfs", "vers=3,hard,nolock,timeo=600,retrans=2,local_lock=all")},
		{
			name: "nolock on v4", asked: "vers=4.2,nolock", granted: shown("nfs4", v42),
			want: []Mismatch{
				{Option: "local_lock", Asked: "all", Granted: "none", Why: "NFSv4 drops this option silently"},
				{Option: "lock", Asked: "no", Granted: "yes", Why: "NFSv4 drops this option silently"},
			},
		},
		{name: "local_lock", asked: "vers=3,local_lock=flock", granted: shown("nfs", "vers=3,hard,timeo=600,retrans=2,local_lock=flock")},
		{name: "nconnect", asked: "nconnect=4", granted: shown("nfs4", v42+",nconnect=4")},
		{
			name: "nconnect of an earlier mount", asked: "vers=4.2", granted: shown("nfs4", v42+",nconnect=4"),
			want: []Mismatch{{Option: "nconnect", Asked: "1", Granted: "4", Why: "shared by all mounts from one server of one version"}},
		},
		{name: "read-only superblock is shown as ro", asked: "ro", granted: Granted{VFS: "ro,relatime", Opts: shownOptions("ro," + v42)}},
		{name: "read-only mount of a writable superblock", asked: "", granted: Granted{VFS: "ro,relatime", Opts: shownOptions("rw," + v42)}, want: []Mismatch{{Option: "ro", Asked: "no", Granted: "yes"}}},
		{name: "mount's own flag", asked: "nosuid", granted: shown("nfs4", v42), want: []Mismatch{{Option: "nosuid", Asked: "nosuid", Granted: "rw,relatime"}}},
		{name: "what nothing shows", asked: "bg,retry=1,_netdev,x-systemd.automount", granted: shown("nfs4", v42)},
		{name: "unknown", asked: "frobnicate=1", granted: shown("nfs4", v42), want: []Mismatch{{Option: "frobnicate", Asked: "frobnicate=1", Granted: "none", Why: "nfsim does not know how a kernel shows this option"}}},
		{name: "unknown but shown", asked: "trunkdiscovery", granted: shown("nfs4", v42+",trunkdiscovery")},
		{name: "port hidden", asked: "port=2049", granted: shown("nfs4", v42)},
		{name: "proto", asked: "proto=tcp6", granted: shown("nfs4", v42), want: []Mismatch{{Option: "proto", Asked: "tcp6", Granted: "tcp"}}},
		{name: "udp has other timeouts", asked: "vers=3,proto=udp", granted: Granted{VFS: "rw", Opts: shownOptions("rw,vers=3,hard,proto=udp,timeo=11,retrans=3,local_lock=none")}},
		{name: "rsize cut down", asked: "rsize=1048576", granted: shown("nfs4", v42), want: []Mismatch{{Option: "rsize", Asked: "1048576", Granted: "262144", Why: "the server's maximum, or rounded down"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Compare(tc.asked, tc.granted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzCompare: what is shown exactly as the kernel shows it never differs from
// itself in a trait that it sets, and nothing panics.
func FuzzCompare(f *testing.F) {
	f.Add("vers=4.2,soft,timeo=50,retrans=2", "rw,vers=4.2,soft,timeo=50,retrans=2")
	f.Add("noac", "rw,sync,noac")
	f.Add("softerr,hard,udp,fsc=x", "fsc,rdirplus=none")
	f.Fuzz(func(t *testing.T, asked, raw string) {
		g := Granted{VFS: raw, Raw: raw, Opts: shownOptions(raw)}
		mismatches, err := Compare(asked, g)
		if err != nil {
			return
		}
		for _, m := range mismatches {
			if m.Option == "" || m.Asked == m.Granted {
				t.Errorf("asked %q, shown %q: mismatch %+v", asked, raw, m)
			}
		}
	})
}
