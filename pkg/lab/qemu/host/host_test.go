package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestVirtFlag(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, arch, cpuinfo, want string
		wantErr                   bool
	}{
		{"intel", "amd64", "processor\t: 0\nflags\t\t: fpu vmx ssse3\n", "vmx", false},
		{"amd", "amd64", "flags\t\t: fpu svm\n", "svm", false},
		{"hidden", "amd64", "flags\t\t: fpu hypervisor\nvmx flags\t: vnmi\n", "", true},
		{"part of a word", "amd64", "flags\t\t: xvmx svm_lock\n", "", true},
		{"empty", "amd64", "", "", true},
		{"arm has none", "arm64", "Features\t: fp asimd\n", "arm64", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := virtFlag(strings.NewReader(tt.cpuinfo), tt.arch)
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("virtFlag = %q, %v; want %q, error %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestTryKVMNeedsTheDeviceToWork(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kvm")
	if err := tryKVM(file); err == nil {
		t.Error("a missing device passed")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tryKVM(file); err == nil {
		t.Error("a plain file passed")
	}
}

func TestChooseAccelTakesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, want := range []Accel{KVM, TCG} {
		if got, _ := ChooseAccel(want); got != want {
			t.Errorf("ChooseAccel(%s) = %s", want, got)
		}
	}
	if got, why := ChooseAccel(Auto); (got != KVM && got != TCG) || why == "" {
		t.Errorf("ChooseAccel(auto) = %s, %q", got, why)
	}
	var usage *lab.UsageError
	if _, err := ParseAccel("hvf"); !errors.As(err, &usage) {
		t.Errorf("ParseAccel(hvf) = %v, want a usage error", err)
	}
}

func TestFindQEMUSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	e, _ := emulatorFor("amd64")
	for _, gone := range []string{"qemu-system-x86_64", "qemu-img"} {
		_, err := findQEMU(context.Background(), e, func(cmd string) (string, error) {
			if cmd == gone {
				return "", exec.ErrNotFound
			}
			return "/bin/true", nil
		})
		var infra *lab.InfraError
		if !errors.As(err, &infra) || !strings.Contains(err.Error(), "apt-get install") || !strings.Contains(err.Error(), gone) {
			t.Errorf("without %s: %v", gone, err)
		}
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright": "7.2.22",
		"QEMU emulator version 10.0.2":                                              "10.0.2",
		"something else":                                                            "unknown",
	} {
		if got := parseVersion(in); got != want {
			t.Errorf("parseVersion(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCheckMemoryGivesTheNumbers(t *testing.T) {
	t.Parallel()
	if err := checkMemory(6000, 6000); err != nil {
		t.Error(err)
	}
	err := checkMemory(6000, 1234)
	var infra *lab.InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "6000 MiB") || !strings.Contains(err.Error(), "1234 MiB") {
		t.Errorf("error = %v", err)
	}
}

func TestCheckDiskGivesTheNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := CheckDisk(dir, 0); err != nil {
		t.Error(err)
	}
	err := CheckDisk(dir, 1<<40)
	var infra *lab.InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error = %v", err)
	}
}

func FuzzParseMemAvailable(f *testing.F) {
	f.Add("MemTotal:       24684544 kB\nMemAvailable:   24261044 kB\n")
	f.Add("MemAvailable: -1 kB")
	f.Add("MemAvailable:")
	f.Fuzz(func(t *testing.T, in string) {
		if mib, err := parseMemAvailable(strings.NewReader(in)); err == nil && mib < 0 {
			t.Errorf("parseMemAvailable = %d", mib)
		}
	})
}
