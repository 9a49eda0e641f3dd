package labtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestConform(t *testing.T) {
	t.Parallel()
	Conform(t.Context(), t, newFake(t))
}

// failTimeout bounds a check of a broken lab.
const failTimeout = 5 * time.Second

// TestChecksCanFail breaks a lab in the ways that the checks are for.
func TestChecksCanFail(t *testing.T) {
	t.Parallel()
	checks := map[string]Check{}
	for _, c := range Checks() {
		checks[c.Name] = c
	}
	command := func(machine, name, script string) func(*testing.T, *fake) {
		return func(t *testing.T, f *fake) { f.disks[machine].Commands(t, map[string]string{name: script}) }
	}
	set := func(change func(*fake)) func(*testing.T, *fake) {
		return func(_ *testing.T, f *fake) { change(f) }
	}
	for _, tt := range []struct {
		check, how string
		breakIt    func(*testing.T, *fake)
	}{
		{"machines", "the server is not first", set(func(f *fake) { f.machines[0], f.machines[1] = f.machines[1], f.machines[0] })},
		{"machines", "workers in disorder", set(func(f *fake) { f.machines[1], f.machines[2] = f.machines[2], f.machines[1] })},
		{"machines", "one worker", set(func(f *fake) { f.machines = f.machines[:2] })},
		{"machines", "two servers", set(func(f *fake) { f.machines[2].Role = lab.Server })},
		{"machines", "one address", set(func(f *fake) { f.machines[2].Addr = f.machines[1].Addr })},
		{"unknown machine", "it is there", set(func(f *fake) { f.servers[nobody] = f.servers["server"] })},
		{"node", "dialled each time", set(func(f *fake) { f.dialAlways = true })},
		{"node", "gone for good", set(func(f *fake) { f.servers["worker2"].RefuseAuth(true) })},
		{"root", "somebody else", command("worker1", "id", "echo 1000\n")},
		{"own machines", "one machine twice", set(func(f *fake) { f.servers["worker2"] = f.servers["worker1"] })},
		{"addresses", "NFS port closed", command("worker2", "timeout", "exit 1\n")},
		{"addresses", "no way at all", func(t *testing.T, f *fake) {
			f.disks["server"].Commands(t, map[string]string{"ping": "exit 1\n", "timeout": "exit 1\n"})
		}},
		{"cluster", "a node is not ready", set(func(f *fake) { f.notReady = "worker2" })},
		{"cluster", "a worker is no node", set(func(f *fake) { f.api.Config.Handler = (&fake{machines: f.machines[:2]}) })},
		{"state directory", "open to others", func(t *testing.T, f *fake) {
			if err := os.Chmod(f.dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		{"state directory", "a file", set(func(f *fake) { f.dir = filepath.Join(f.disks["server"].Dir, "boot_id") })},
		{"one user", "everybody may", set(func(f *fake) { f.busyAll = true })},
		{"one user", "nobody is named", set(func(f *fake) { f.busyNobody = true })},
		{"console", "of nobody", set(func(f *fake) { f.servers[nobody] = f.servers["server"] })},
		{"console", "of another", set(func(f *fake) { f.oneConsole = true })},
		{"no power says why", "it has power", set(func(*fake) {})},
		{"power", "nothing happens", set(func(f *fake) { f.resetNothing = true })},
		{"power", "all are reset", set(func(f *fake) { f.resetAll = true })},
		{"power", "a shutdown", set(func(f *fake) { f.shutdown = true })},
		{"snapshots", "connections stay", set(func(f *fake) { f.keepOld = true })},
		{"snapshots", "nothing is restored", set(func(f *fake) { f.keepDisk = true })},
		{"close", "a machine is stopped", set(func(f *fake) { f.closeStops = true })},
	} {
		t.Run(tt.check+": "+tt.how, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			tt.breakIt(t, f)
			c, ok := checks[tt.check]
			if !ok {
				t.Fatal("no such check")
			}
			// Long enough for what goes well; what never comes is not awaited.
			ctx, cancel := context.WithTimeout(t.Context(), failTimeout)
			defer cancel()
			if err := c.Run(ctx, f); err == nil {
				t.Error("the check finds nothing wrong")
			} else {
				t.Log(err)
			}
		})
	}
}
