package nfs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exportfsOut was printed by exportfs of nfs-utils 2.6.2.
const exportfsOut = "/srv/nfsim/with space\n" +
	"\t\t10.0.0.1(async,wdelay,hide,no_subtree_check,fsid=79,sec=sys,rw,root_squash,no_all_squash)\n" +
	"/srv/nfsim/r  \t10.0.0.1(sync,wdelay,hide,no_subtree_check,fsid=78,sec=sys,rw,root_squash,no_all_squash)\n" +
	"/srv/nfsim/r  \t192.168.127.0/24(sync,wdelay,hide,no_subtree_check,fsid=77,sec=sys,ro,root_squash,no_all_squash)\n" +
	"/srv/nfsim/r1/t1\n" +
	"\t\t<world>(sync,wdelay,hide,no_subtree_check,fsid=6ba7b810-9dad-11d1-80b4-00c04fd430c8,sec=sys,rw,no_root_squash,no_all_squash)\n"

func TestParseExportfs(t *testing.T) {
	t.Parallel()
	got, err := ParseExportfs(exportfsOut)
	if err != nil {
		t.Fatal(err)
	}
	options := func(sync, fsid, rw, squash string) Options {
		return Options{sync: "", "wdelay": "", "hide": "", "no_subtree_check": "", "fsid": fsid, "sec": "sys", rw: "", squash: "", "no_all_squash": ""}
	}
	want := []Exported{
		{Path: "/srv/nfsim/with space", Clients: "10.0.0.1", Options: options("async", "79", "rw", "root_squash")},
		{Path: "/srv/nfsim/r", Clients: "10.0.0.1", Options: options("sync", "78", "rw", "root_squash")},
		{Path: "/srv/nfsim/r", Clients: "192.168.127.0/24", Options: options("sync", "77", "ro", "root_squash")},
		{Path: "/srv/nfsim/r1/t1", Clients: "*", Options: options("sync", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "rw", "no_root_squash")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"/a\n", "/a\n/b\t*(rw)\n", "\t*(rw)\n", "/a\t*\n", "/a\t(rw)\n", "/a\t*(rw\n"} {
		if got, err := ParseExportfs(bad); err == nil {
			t.Errorf("%q: no error, %v", bad, got)
		}
	}
}

func FuzzParseExportfs(f *testing.F) {
	f.Add(exportfsOut)
	f.Add("/a\t<world>(rw)")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseExportfs(s)
		if err != nil {
			return
		}
		for _, e := range list {
			if e.Path == "" || e.Clients == "" || e.Options == nil {
				t.Errorf("%q: %+v", s, e)
			}
		}
	})
}
