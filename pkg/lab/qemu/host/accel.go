package host

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nfsim/nfsim/pkg/lab"
)

// Accel is how QEMU runs a guest's processor.
type Accel string

// The accelerators; Auto is only ever asked for, never an answer.
const (
	Auto Accel = "auto"
	KVM  Accel = "kvm"
	TCG  Accel = "tcg"
)

// kvmCreateVM is KVM_CREATE_VM of include/uapi/linux/kvm.h.
const kvmCreateVM = 0xAE01

// ParseAccel reads what a user asked for; empty is Auto.
func ParseAccel(s string) (Accel, error) {
	switch a := Accel(s); a {
	case "":
		return Auto, nil
	case Auto, KVM, TCG:
		return a, nil
	}
	return "", &lab.UsageError{What: fmt.Sprintf("unknown accelerator %q", s), Advice: "auto, kvm or tcg"}
}

// ChooseAccel turns what was asked for into KVM or TCG, with the reason in
// words. KVM that was asked for by name is given without a test; QEMU then
// says what it thinks of it.
func ChooseAccel(want Accel) (Accel, string) {
	if want == KVM || want == TCG {
		return want, "asked for"
	}
	cpuinfo, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return TCG, fmt.Sprintf("cannot look at the processor: %v", err)
	}
	defer cpuinfo.Close()
	flag, err := virtFlag(cpuinfo, runtime.GOARCH)
	if err != nil {
		return TCG, err.Error()
	}
	if err := tryKVM("/dev/kvm"); err != nil {
		return TCG, err.Error()
	}
	return KVM, flag + " and /dev/kvm"
}

// virtFlag finds the processor's virtualization flag. A /dev/kvm that opens,
// and even makes a machine, is not enough: nested in a machine monitor that
// hides the flag, no stock guest kernel boots under it. ARM has no such flag.
func virtFlag(cpuinfo io.Reader, arch string) (string, error) {
	if arch != "amd64" {
		return arch, nil
	}
	b, err := io.ReadAll(io.LimitReader(cpuinfo, 8<<20))
	if err != nil {
		return "", fmt.Errorf("cannot look at the processor: %w", err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		key, flags, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(key) != "flags" {
			continue
		}
		for f := range strings.FieldsSeq(flags) {
			if f == "vmx" || f == "svm" {
				return f, nil
			}
		}
	}
	return "", fmt.Errorf("the processor shows neither vmx nor svm")
}

func tryKVM(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cannot use KVM: %w", err)
	}
	defer f.Close()
	vm, err := unix.IoctlRetInt(int(f.Fd()), kvmCreateVM)
	if err != nil {
		return fmt.Errorf("cannot make a KVM machine: %w", err)
	}
	_ = unix.Close(vm)
	return nil
}
