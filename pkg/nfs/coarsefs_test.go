package nfs

import (
	"errors"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

func testCoarse() CoarseFS {
	return CoarseFS{Dir: ExportRoot + "/r/b-coarse", Exports: ExportSet{
		Name: "r-b", Root: ExportRoot + "/r",
		Exports: []Export{{Path: ExportRoot + "/r/b-coarse/one", FSID: NewFSID("one")}, {Path: ExportRoot + "/r/b-coarse/two", FSID: NewFSID("two")}},
	}}
}

// newCoarseServer is a machine that can have a file system of whole seconds.
func newCoarseServer(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.Write(t, "calls", "", 0o644)
	m.Write(t, "nfsd/unlock_filesystem", "", 0o644)
	m.Commands(t, map[string]string{
		"modprobe": ":\n",
		"mke2fs":   "echo mke2fs \"$@\" >> $DIR/calls\n",
		"stat":     "echo 1764099712.000000000\necho 1764099713.000000000\n",
	})
	return m
}

// tryScript runs a script as a fault's scripts are run.
func (m *machine) tryScript(t *testing.T, script string) (string, error) {
	t.Helper()
	res, err := m.node.Run(t.Context(), "sh -c "+sshnode.Quote(script))
	return string(res.Stdout), err
}

func TestCoarseFS(t *testing.T) {
	t.Parallel()
	m := newCoarseServer(t)
	f := testCoarse()
	sw, err := f.Switch()
	if err != nil {
		t.Fatal(err)
	}
	// Right to run at any time, before anything is there, too.
	m.do(t, sw.Undo)
	m.do(t, sw.ProveUndone)
	m.do(t, sw.Inject)
	if calls := m.Read(t, "calls"); !strings.Contains(calls, "-t ext4 -I 128") {
		t.Errorf("calls %q", calls)
	}
	if out := m.do(t, sw.Prove); !strings.Contains(out, "1764099713.000000000") {
		t.Errorf("proof %q", out)
	}
	if m.Exists("srv/nfsim/r/b-coarse.img") || !m.Exists("srv/nfsim/r/b-coarse/two") {
		t.Error("the image has still a name, or a directory is missing")
	}
	if _, err := m.tryScript(t, sw.ProveUndone); err == nil {
		t.Error("proven undone before the undo")
	}
	m.Write(t, "exportfs.sh", `[ "$1" = -v ] && { sed "s,^$DIR,," $DIR/etab; exit; }`+"\n", 0o644)
	if err := f.Exports.Add(t.Context(), m.node); err != nil {
		t.Fatal(err)
	}
	// What umount(8) would do to the directories.
	m.Commands(t, map[string]string{"umount": standIns["umount"] + "rmdir $t/one $t/two\n"})
	for range 2 { // idempotent
		m.do(t, sw.Undo)
		m.do(t, sw.ProveUndone)
	}
	if m.Exists("srv/nfsim/r/b-coarse") || m.Exists("exports.d/nfsim-r-b.exports") || strings.Contains(m.Read(t, "etab"), "coarse") {
		t.Error("something is left")
	}
}

// TestCoarseFSBusy checks that a file system that is still in use is taken out
// of the mount table all the same, once the server was told to let go.
func TestCoarseFSBusy(t *testing.T) {
	t.Parallel()
	m := newCoarseServer(t)
	sw, err := testCoarse().Switch()
	if err != nil {
		t.Fatal(err)
	}
	m.do(t, sw.Inject)
	m.Commands(t, map[string]string{"umount": "[ \"$1\" = -l ] || exit 32\n" + standIns["umount"] + "rmdir $t/one $t/two\n"})
	m.do(t, sw.Undo)
	m.do(t, sw.ProveUndone)
	if got, want := m.Read(t, "nfsd/unlock_filesystem"), m.Dir+"/srv/nfsim/r/b-coarse\n"; got != want {
		t.Errorf("the server was told to let go of %q, want %q", got, want)
	}
}

func TestCoarseFSNotProven(t *testing.T) {
	t.Parallel()
	for name, stamps := range map[string]string{
		"finer than a second": "echo 1764099712.000000000\necho 1764099712.250000000\n",
		"no stamps":           "exit 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newCoarseServer(t)
			sw, err := testCoarse().Switch()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.tryScript(t, sw.Prove); err == nil {
				t.Error("proven before anything was mounted")
			}
			m.do(t, sw.Inject)
			m.Commands(t, map[string]string{"stat": stamps})
			if out, err := m.tryScript(t, sw.Prove); err == nil {
				t.Errorf("proven by %q", out)
			}
		})
	}
}

func TestCoarseFSUnavailable(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"mke2fs", "mount"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			m := newCoarseServer(t)
			m.Commands(t, map[string]string{command: "echo 'no such thing' >&2\nexit 1\n"})
			sw, err := testCoarse().Switch()
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.tryScript(t, sw.Inject)
			var exit *sshnode.ExitError
			if !errors.As(err, &exit) || exit.Result.ExitStatus != CoarseFSUnavailable || !strings.Contains(string(exit.Result.Stderr), "no such thing") {
				t.Errorf("error %v", err)
			}
			m.do(t, sw.Undo)
			m.do(t, sw.ProveUndone)
			if m.Exists("srv/nfsim/r/b-coarse") || m.Exists("srv/nfsim/r/b-coarse.img") {
				t.Error("something is left")
			}
		})
	}
}

func TestCoarseFSRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(f *CoarseFS){
		"outside of the root":         func(f *CoarseFS) { f.Dir = "/srv/other" },
		"the root itself":             func(f *CoarseFS) { f.Dir = f.Exports.Root },
		"an export on something else": func(f *CoarseFS) { f.Exports.Exports[1].Path = f.Exports.Root + "/elsewhere" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := testCoarse()
			spoil(&f)
			if _, err := f.Switch(); err == nil {
				t.Error("no error")
			}
		})
	}
}
