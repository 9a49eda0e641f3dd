package host

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

// QEMU is the emulator found on this host.
type QEMU struct {
	System  string // path of qemu-system-ARCH
	Img     string // path of qemu-img
	Version string // as printed, "7.2.22"
	Arch    string // GOARCH of host and guests
}

type emulator struct{ command, pkg string }

func emulatorFor(arch string) (emulator, bool) {
	e, ok := map[string]emulator{
		"amd64": {"qemu-system-x86_64", "qemu-system-x86"},
		"arm64": {"qemu-system-aarch64", "qemu-system-arm"},
	}[arch]
	return e, ok
}

// FindQEMU looks up the emulator for this host's architecture.
func FindQEMU(ctx context.Context) (QEMU, error) {
	e, ok := emulatorFor(runtime.GOARCH)
	if !ok {
		return QEMU{}, &lab.InfraError{What: "no guests for architecture " + runtime.GOARCH, Advice: "amd64 and arm64 work"}
	}
	return findQEMU(ctx, e, exec.LookPath)
}

func findQEMU(ctx context.Context, e emulator, lookPath func(string) (string, error)) (QEMU, error) {
	missing := func(cmd string, err error) error {
		return &lab.InfraError{
			What:   "cannot find " + cmd,
			Advice: fmt.Sprintf("apt-get install -y --no-install-recommends %s qemu-utils", e.pkg),
			Err:    err,
		}
	}
	system, err := lookPath(e.command)
	if err != nil {
		return QEMU{}, missing(e.command, err)
	}
	img, err := lookPath("qemu-img")
	if err != nil {
		return QEMU{}, missing("qemu-img", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, system, "--version").Output()
	if err != nil {
		return QEMU{}, fmt.Errorf("run %s --version: %w", system, err)
	}
	return QEMU{System: system, Img: img, Version: parseVersion(string(out)), Arch: runtime.GOARCH}, nil
}

// parseVersion finds "7.2.22" in "QEMU emulator version 7.2.22 (Debian ...)".
func parseVersion(out string) string {
	m := regexp.MustCompile(`version (\d+(?:\.\d+){1,3})`).FindStringSubmatch(out)
	if m == nil {
		return "unknown"
	}
	return m[1]
}
