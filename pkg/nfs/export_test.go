package nfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testExport() Export {
	return Export{Path: ExportRoot + "/r/t", FSID: NewFSID("r", "t"), Clients: "192.168.127.0/24"}
}

func testSet() ExportSet { return ExportSet{Name: "r", Exports: []Export{testExport()}} }

func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "exportfs.sh", `[ "$1" = -v ] && { sed "s,^$DIR,," $DIR/etab; exit; }`+"\n", 0o644)
	e := testExport()
	if err := testSet().Add(t.Context(), m.node); err != nil {
		t.Fatal(err)
	}
	file := "exports.d/nfsim-r.exports"
	want := "# nfsim made: " + m.Dir + "/srv/nfsim " + m.Dir + "/srv " + m.Dir + "/exports.d\n" +
		m.Dir + e.Path + " 192.168.127.0/24(" + DefaultExport + ",fsid=" + e.FSID + ")\n"
	if got := m.Read(t, file); got != want {
		t.Errorf("exports file %q, want %q", got, want)
	}
	m.Write(t, "srv/nfsim/r/t/sub/file", "x", 0o644)
	if err := testSet().Add(t.Context(), m.node); err != nil { // again, as after a restore
		t.Fatal(err)
	}
	if got := m.Read(t, file); got != want {
		t.Errorf("exports file the second time %q, want %q", got, want)
	}
	if err := testSet().Remove(t.Context(), m.node, false); err != nil {
		t.Fatal(err)
	}
	if m.Exists(file) || !m.Exists("srv/nfsim/r/t/sub/file") {
		t.Error("the exports file is left, or the directory is gone")
	}
	if err := testSet().Remove(t.Context(), m.node, true); err != nil {
		t.Fatal(err)
	}
	if m.Exists("srv") || m.Exists("exports.d") {
		t.Error("directories that were made are left")
	}
	if err := testSet().Remove(t.Context(), m.node, true); err != nil {
		t.Errorf("third time: %v", err)
	}
}

func TestRemoveKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "exportfs.sh", `[ "$1" = -v ] && { sed "s,^$DIR,," $DIR/etab; exit; }`+"\n", 0o644)
	m.Write(t, "srv/mine/keep", "x", 0o644)
	m.Write(t, "exports.d/mine.exports", "", 0o644)
	set := ExportSet{Name: "r", Root: "/srv/mine/nfs", Exports: []Export{{Path: "/srv/mine/nfs/r/t", FSID: NewFSID("r", "t")}}}
	if err := set.Add(t.Context(), m.node); err != nil {
		t.Fatal(err)
	}
	if err := set.Remove(t.Context(), m.node, true); err != nil {
		t.Fatal(err)
	}
	if m.Exists("srv/mine/nfs") || !m.Exists("srv/mine/keep") || !m.Exists("exports.d/mine.exports") {
		t.Error("the root that was made is left, or what was there is gone")
	}
	set.Root, set.Exports[0].Path = "/srv/mine", "/srv/mine/r/t"
	for _, step := range []func() error{
		func() error { return set.Add(t.Context(), m.node) },
		func() error { return set.Remove(t.Context(), m.node, true) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if m.Exists("srv/mine/r") || !m.Exists("srv/mine/keep") {
		t.Error("a root that was there: what is below it is left, or it is gone")
	}
	m.Write(t, "exports.d/nfsim-r.exports", "# nfsim made: "+m.Dir+"/precious\n", 0o644)
	m.Write(t, "precious/x", "", 0o644)
	if err := set.Remove(t.Context(), m.node, true); err != nil || !m.Exists("precious") {
		t.Errorf("a note that names another directory: %v", err)
	}
}

func TestLeftExports(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "exportfs.sh", `[ "$1" = -v ] && { sed "s,^$DIR,," $DIR/etab; exit; }`+"\n", 0o644)
	if err := testSet().Add(t.Context(), m.node); err != nil {
		t.Fatal(err)
	}
	other, err := LeftExports(t.Context(), m.node, "other", "")
	if err != nil || len(other.Exports) != 0 {
		t.Errorf("of another run: %+v, %v", other, err)
	}
	if err := other.Remove(t.Context(), m.node, true); err != nil || !m.Exists("srv/nfsim/r/t") {
		t.Errorf("removed what is another's: %v", err)
	}
	left, err := LeftExports(t.Context(), m.node, "r", "")
	if err != nil || len(left.Exports) != 1 {
		t.Fatalf("%+v, %v", left, err)
	}
	if err := left.Remove(t.Context(), m.node, true); err != nil || m.Exists("srv") || m.Exists("exports.d") {
		t.Errorf("something is left: %v", err)
	}
	if _, err := LeftExports(t.Context(), m.node, "../etc", ""); err == nil {
		t.Error("a name that climbs is taken")
	}
}

func TestAddRefusesLinkedRoot(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "srv/disk/.keep", "", 0o644)
	if err := os.Symlink("disk", filepath.Join(m.Dir, "srv/mine")); err != nil {
		t.Fatal(err)
	}
	set := ExportSet{Name: "r", Root: "/srv/mine", Exports: []Export{{Path: "/srv/mine/r/t", FSID: "5"}}}
	if err := set.Add(t.Context(), m.node); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("error %v", err)
	}
	if m.Exists("exports.d/nfsim-r.exports") {
		t.Error("it is exported")
	}
}

func TestCheckExportRoot(t *testing.T) {
	t.Parallel()
	for root, ok := range map[string]bool{
		"/srv/nfsim": true, "/export": true, "/mnt/pool-1/nfs": true, "/etcetera": true, "/var/nfs": true,
		"/": false, "": false, "srv": false, "/srv/": false, "/srv/../etc": false, "/etc": false, "/usr/share/x": false, "/srv/a b": false, "/srv/$(x)": false,
	} {
		if err := CheckExportRoot(root); (err == nil) != ok {
			t.Errorf("%q: %v", root, err)
		}
	}
}

func TestAddChecksTheList(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"not listed":   `[ "$1" = -a ] && exit 0`,
		"another fsid": `[ "$1" = -v ] && { printf '/srv/nfsim/r/t\n\t\t192.168.127.0/24(sync,rw,fsid=7)\n'; exit; }`,
		"not sync":     `[ "$1" = -v ] && { printf '/srv/nfsim/r/t\n\t\t192.168.127.0/24(async,rw,fsid=` + NewFSID("r", "t") + `)\n'; exit; }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.Write(t, "exportfs.sh", script+"\n", 0o644)
			var not *NotExportedError
			if err := testSet().Add(t.Context(), m.node); !errors.As(err, &not) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDeleteTreesKeepMounts(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", "/sub", "/sub/deeper"} {
		m := newMachine(t)
		m.Write(t, "srv/nfsim/r/t/sub/file", "x", 0o644)
		m.Write(t, "mountinfo", "90 22 0:61 / "+ExportRoot+"/r/t"+at+" rw - ext4 /dev/b rw\n", 0o644)
		var below *MountBelowError
		if err := deleteTrees(t.Context(), m.node, ExportRoot, []string{ExportRoot + "/r/t"}); !errors.As(err, &below) {
			t.Errorf("mount at %q: error %v", at, err)
		}
		if !m.Exists("srv/nfsim/r/t/sub/file") {
			t.Errorf("mount at %q: the file is gone", at)
		}
	}
}

func TestDeleteTreesFollowNoLink(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "precious/t/file", "x", 0o644)
	m.Write(t, "srv/nfsim/real/t/sub/file", "x", 0o644)
	if err := os.Symlink(filepath.Join(m.Dir, "precious"), filepath.Join(m.Dir, "srv/nfsim/r")); err != nil {
		t.Fatal(err)
	}
	dirs := []string{ExportRoot + "/gone/t", ExportRoot + "/r/t", ExportRoot + "/real/t"}
	if err := deleteTrees(t.Context(), m.node, ExportRoot, dirs); err == nil || !strings.Contains(err.Error(), "r/t is a symbolic link") {
		t.Errorf("error %v", err)
	}
	if m.Exists("srv/nfsim/real") {
		t.Error("the directory beside the link is left")
	}
	if !m.Exists("precious/t/file") {
		t.Error("the file behind the link is gone")
	}
}

func TestExportValidation(t *testing.T) {
	t.Parallel()
	good := Export{Path: ExportRoot + "/r", FSID: "5"}
	if _, err := (ExportSet{Name: "r", Exports: []Export{good}}).withDefaults(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Export){
		"the root itself":  func(e *Export) { e.Path = ExportRoot },
		"outside":          func(e *Export) { e.Path = "/etc" },
		"climbs":           func(e *Export) { e.Path = ExportRoot + "/../etc" },
		"shell":            func(e *Export) { e.Path = ExportRoot + "/$(x)" },
		"no fsid":          func(e *Export) { e.FSID = "" },
		"the root's fsid":  func(e *Export) { e.FSID = "0" },
		"fsid is a path":   func(e *Export) { e.FSID = "../x" },
		"fsid in options":  func(e *Export) { e.Options = "rw,fsid=3" },
		"option breaks":    func(e *Export) { e.Options = "rw)\n/ *(rw" },
		"clients break":    func(e *Export) { e.Clients = "* 10.0.0.1" },
		"clients inverted": func(e *Export) { e.Clients = "(rw)" },
	} {
		e := good
		change(&e)
		if _, err := (ExportSet{Name: "r", Exports: []Export{e}}).withDefaults(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if again := NewFSID("a", "b"); NewFSID("a", "b") != again || NewFSID("a", "b") == NewFSID("ab") {
		t.Error("fsids are not a function of the words")
	}
}

func TestServerFacts(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "nfsd/nfsv4leasetime", "15\n", 0o644)
	m.Write(t, "nfsd/threads", "8\n", 0o644)
	m.Write(t, "nfsd/clients/3/info", nfsdClient, 0o644)
	m.Write(t, "nfsd/clients/4/info", strings.ReplaceAll(nfsdClient, "worker1", "worker2"), 0o644)
	m.Write(t, "rpc-nfsd", nfsdStats, 0o644)
	facts, err := ReadServer(t.Context(), m.node)
	if err != nil || facts.Lease.Seconds() != 15 || facts.Threads != 8 || facts.Grace != 0 {
		t.Errorf("%+v, %v", facts, err)
	}
	clients, err := ReadNFSDClients(t.Context(), m.node)
	if err != nil || len(clients) != 2 || clients[1].Name != "Linux NFSv4.2 worker2" {
		t.Errorf("%+v, %v", clients, err)
	}
	if s, err := ReadNFSD(t.Context(), m.node); err != nil || s.Calls != 128 {
		t.Errorf("%+v, %v", s, err)
	}
}
