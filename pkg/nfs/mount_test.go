package nfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

func TestMountAndUnmount(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	mounter := Mounter{Root: m.Dir + "/mnt"}
	spec := MountSpec{Server: "192.168.127.10", Path: "/export/t", Target: m.Dir + "/mnt/t", Options: "vers=4.2"}
	got, err := mounter.Mount(t.Context(), m.node, spec)
	if err != nil {
		t.Fatal(err)
	}
	if got.Source != "192.168.127.10:/export/t" || got.FSType != "nfs4" || got.Opts["vers"] != "4.2" {
		t.Errorf("granted %+v", got)
	}
	if diffs, err := Compare(spec.Options, got); err != nil || len(diffs) > 0 {
		t.Errorf("mismatches %v, %v", diffs, err)
	}
	lines, err := HostNFSMounts(t.Context(), m.node)
	if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], spec.Target+" ") {
		t.Errorf("ledger %q, %v", lines, err)
	}

	var already *AlreadyMountedError
	if _, err := mounter.Mount(t.Context(), m.node, spec); !errors.As(err, &already) || already.Mount.Mountpoint != spec.Target {
		t.Errorf("second mount: %v", err)
	}

	rep, err := mounter.Unmount(t.Context(), m.node, spec.Target, UnmountPlan{})
	if err != nil || rep.How != Normal || len(rep.Attempts) != 1 || rep.DirLeft != "" || m.Exists("mnt/t") {
		t.Errorf("report %+v, %v", rep, err)
	}
	rep, err = mounter.Unmount(t.Context(), m.node, spec.Target, UnmountPlan{})
	if err != nil || rep.How != NotMounted || len(rep.Attempts) != 0 {
		t.Errorf("second time: %+v, %v", rep, err)
	}
}

func TestRemoveRoot(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	mounter := Mounter{Root: m.Dir + "/mnt"}
	m.Write(t, "mnt/t/file", "x", 0o644)
	for _, step := range []struct {
		before func()
		there  bool
	}{
		{func() {}, true},
		{func() { _ = os.RemoveAll(m.Dir + "/mnt/t") }, false},
		{func() {}, false},
	} {
		step.before()
		if err := mounter.RemoveRoot(t.Context(), m.node); err != nil {
			t.Error(err)
		}
		if m.Exists("mnt") != step.there {
			t.Errorf("the root is there: %v", !step.there)
		}
	}
}

func TestMountErrors(t *testing.T) {
	t.Parallel()
	good := MountSpec{Server: "s", Path: "/p", Options: "vers=3"}
	for _, tc := range []struct {
		name   string
		change func(*MountSpec)
		mount  string // what mount(8) does first
		as     func(error) bool
	}{
		{name: "target outside", change: func(s *MountSpec) { s.Target = "/mnt/else" }},
		{name: "target is the root", change: func(s *MountSpec) { s.Target = strings.TrimSuffix(s.Target, "/t") }},
		{name: "target climbs", change: func(s *MountSpec) { s.Target += "/../../x" }},
		{name: "target with a space", change: func(s *MountSpec) { s.Target += " x" }},
		{name: "options with a space", change: func(s *MountSpec) { s.Options = "soft, hard" }},
		{name: "no server", change: func(s *MountSpec) { s.Server = "" }},
		{name: "mount fails", mount: "echo 'mount.nfs: access denied' >&2; exit 32", as: func(err error) bool {
			var e *sshnode.ExitError
			return errors.As(err, &e) && e.Result.ExitStatus == 32 && strings.Contains(err.Error(), "access denied")
		}},
		{name: "mount does nothing", mount: "exit 0", as: func(err error) bool {
			var e *NotMountedError
			return errors.As(err, &e)
		}},
		{name: "mount is slow", mount: "exec sleep 60", as: func(err error) bool {
			var e *sshnode.ExitError
			return errors.As(err, &e) && e.Result.ExitStatus == 124
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if tc.mount != "" {
				m.Write(t, "mount.sh", tc.mount+"\n", 0o644)
			}
			spec := good
			spec.Target = m.Dir + "/mnt/t"
			if tc.change != nil {
				tc.change(&spec)
			}
			_, err := Mounter{Root: m.Dir + "/mnt", Deadline: time.Second}.Mount(t.Context(), m.node, spec)
			if err == nil {
				t.Fatal("no error")
			}
			if tc.as != nil && !tc.as(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestMountRefusesASharedSuperblock(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	mounter := Mounter{Root: m.Dir + "/mnt"}
	line := "90 22 0:61 / /mnt/other rw - nfs4 s:/p rw,vers=4.2\n" // the number that the stand-in gives next
	m.Write(t, "mountinfo", line, 0o644)
	spec := MountSpec{Server: "s", Path: "/p", Target: m.Dir + "/mnt/t", Options: "vers=4.2"}

	var shared *SharedError
	_, err := mounter.Mount(t.Context(), m.node, spec)
	if !errors.As(err, &shared) || shared.Unmount != nil || shared.Others[0].Mountpoint != "/mnt/other" {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(line, m.Read(t, "mountinfo")); diff != "" {
		t.Errorf("mount table: %s", diff)
	}
	spec.AllowShared = true
	if _, err := mounter.Mount(t.Context(), m.node, spec); err != nil {
		t.Error(err)
	}
}

func TestUnmountEscalates(t *testing.T) {
	t.Parallel()
	ignoreTime := cmpopts.IgnoreFields(UnmountAttempt{}, "Took", "Error")
	for _, tc := range []struct {
		name   string
		umount string
		plan   UnmountPlan
		want   []How
		fails  bool
	}{
		{name: "busy then forced", umount: `case "$*" in *-f*) ;; *) echo busy >&2; exit 32;; esac`, want: []How{Normal, Forced}},
		{name: "hangs then lazy", umount: `case "$*" in *-l*) ;; *) exec sleep 60;; esac`, plan: UnmountPlan{Normal: time.Second, Force: time.Second}, want: []How{Normal, Forced, Lazy}},
		{name: "force skipped", umount: `case "$*" in *-l*) ;; *) exit 32;; esac`, plan: UnmountPlan{Force: -1}, want: []How{Normal, Lazy}},
		{name: "says yes and does nothing", umount: "exit 0", want: []How{Normal, Forced, Lazy}, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			target := m.Dir + "/mnt/t"
			m.Write(t, "mnt/t/.keep", "", 0o644)
			m.Write(t, "mountinfo", fmt.Sprintf("22 1 254:0 / / rw - ext4 /dev/root rw\n90 22 0:61 / %s rw - nfs4 s:/p rw,vers=4.2\n", target), 0o644)
			m.Write(t, "umount.sh", tc.umount+"\n", 0o644)
			rep, err := Mounter{Root: m.Dir + "/mnt"}.Unmount(t.Context(), m.node, target, tc.plan)
			var still *StillMountedError
			if errors.As(err, &still) != tc.fails || (err != nil) != tc.fails {
				t.Fatalf("error %v", err)
			}
			var want []UnmountAttempt
			for _, h := range tc.want {
				want = append(want, UnmountAttempt{How: h})
			}
			if diff := cmp.Diff(want, rep.Attempts, ignoreTime); diff != "" {
				t.Error(diff)
			}
			if !tc.fails && rep.DirLeft == "" {
				t.Error("a mount point with files in it is not reported")
			}
			if !m.Exists("mnt/t/.keep") {
				t.Error("a file in the mount point was deleted")
			}
		})
	}
}

func TestHungCommand(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, err := runWithin(t.Context(), m.node, -grace+50*time.Millisecond, "exec sleep 60")
	var hung *HungError
	if !errors.As(err, &hung) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestPIDMounts(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	mounts, err := PIDMounts(t.Context(), m.node, os.Getpid())
	if err != nil || len(mounts) == 0 {
		t.Errorf("%d mounts, %v", len(mounts), err)
	}
	if _, err := PIDNFSMounts(t.Context(), m.node, os.Getpid()); err != nil {
		t.Error(err)
	}
	for _, pid := range []int{-1, 0, 1 << 30} {
		var gone *NoProcessError
		if _, err := PIDMounts(t.Context(), m.node, pid); !errors.As(err, &gone) {
			t.Errorf("process %d: error %v", pid, err)
		}
	}
}

func TestReadMountStats(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Write(t, "mountstats", mountstats, 0o644)
	got, err := ReadMountStats(t.Context(), m.node, "/mnt/b")
	if err != nil || got.Source != "192.168.127.10:/b" {
		t.Errorf("%+v, %v", got, err)
	}
	var none *NoStatsError
	if _, err := ReadMountStats(t.Context(), m.node, "/mnt/c"); !errors.As(err, &none) {
		t.Errorf("error %v", err)
	}
}
