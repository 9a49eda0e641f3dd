package machine_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
	"github.com/nfsim/nfsim/pkg/lab/qemu/machine"
)

var update = flag.Bool("update", false, "write the golden files anew")

func config(arch string, accel host.Accel) machine.Config {
	return machine.Config{
		Name: "worker1", QEMU: "/usr/bin/qemu", Arch: arch, Accel: accel, CPUs: 1,
		RAM:    machine.RAM{Path: "/cache/ready/k/worker1/ram", MiB: 1536},
		Kernel: "/cache/images/k/vmlinuz", Initrd: "/cache/images/k/initrd.img",
		Append: machine.CommandLine("root=/dev/vda rw console=ttyS0", machine.Identity{
			Name: "worker1", Role: "worker", Addr: netip.MustParseAddr("192.168.127.11"),
			Gateway: netip.MustParsePrefix("192.168.127.1/24"), ID: strings.Repeat("a0", 16),
		}),
		Disk: "/state/with,comma/disk.qcow2", Seed: "/cache/ready/k/worker1/seed.tar",
		MAC: "52:54:00:7f:00:0b", Console: "/state/console.log",
		State: "/cache/ready/k/worker1/state",
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	cold := config("amd64", host.TCG)
	cold.RAM.Shared = true
	resume := config("amd64", host.TCG)
	resume.Resume = true
	for name, cfg := range map[string]machine.Config{
		"amd64-tcg-cold":   cold,
		"amd64-tcg-resume": resume,
		"amd64-kvm":        config("amd64", host.KVM),
		"arm64-tcg":        config("arm64", host.TCG),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(cfg.Args(), "\n") + "\n"
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got (go test -update writes it anew)\n%s", diff)
			}
		})
	}
}

// TestResumeHasTheSameDevices guards the one thing that a snapshot depends on.
func TestResumeHasTheSameDevices(t *testing.T) {
	t.Parallel()
	devices := func(cfg machine.Config) []string {
		var out []string
		args := cfg.Args()
		for i, a := range args {
			if a == "-device" || a == "-machine" || a == "-cpu" || a == "-smp" || a == "-m" || a == "-append" {
				out = append(out, a, args[i+1])
			}
		}
		return out
	}
	cold := config("amd64", host.TCG)
	cold.RAM.Shared = true
	resume := config("amd64", host.TCG)
	resume.Resume, resume.Disk = true, "/elsewhere"
	if diff := cmp.Diff(devices(cold), devices(resume)); diff != "" {
		t.Error(diff)
	}
}
