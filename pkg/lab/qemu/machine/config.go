package machine

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
)

// RAM is the file that backs a machine's memory. Shared, it is the memory: the
// machine writes to it, and what is in it when the machine is stopped is half
// of a snapshot. Private, the machine reads from it and keeps what it writes
// to itself: any number of machines start from one file, and nothing is copied.
type RAM struct {
	Path   string
	MiB    int
	Shared bool
}

// Config is one machine as QEMU is told of it. A machine that starts from a
// snapshot must have the same devices as the one that was saved.
type Config struct {
	Name   string
	QEMU   string // path of the emulator
	Arch   string // GOARCH of the guest
	Accel  host.Accel
	CPUs   int
	RAM    RAM
	Kernel string
	Initrd string
	Append string // kernel command line, see CommandLine
	Disk   string // qcow2, written to
	Seed   string // raw tar, read only; the image unpacks it at the first boot
	MAC    string
	// Console is the file that takes the serial console; a file that is there
	// is moved aside to Console+".1".
	Console string
	// State is the file of the device state: read at the start if Resume, else
	// written by Save. Empty: neither.
	State  string
	Resume bool
}

// The files that QEMU inherits, in the order of exec.Cmd.ExtraFiles.
const (
	fdNet = 3
	fdQMP = 4
)

// TCG emulates string instructions byte by byte or word by word, so that a
// kernel which believes them to be fast clears and copies pages slowly. The fifth
// level of page tables is one look more for each miss of the emulated TLB, which
// these machines' memory does not need; that it costs anything was not to be
// seen. A switch from process to process flushes the emulated TLB and the cache
// of translated blocks, and half of those switches come from Go's runtimes, which
// wake up to look around: with a timer slack of 10 ms for every process
// (nfsim-timers.service reads it) they do so together with others. What each of
// these costs is in docs/labs.md.
const (
	emulatedCPU       = "max,erms=off,la57=off"
	emulatedKernel    = "clearcpuid=rep_good " + emulatedAnyKernel // the former is not to be had by -cpu: the kernel concludes it from the vendor
	emulatedAnyKernel = "nfsim.timerslack=10000000"                // ns
)

// Args is QEMU's command line.
func (c Config) Args() []string {
	board, cpu, kernel := "q35", emulatedCPU, c.Append+" "+emulatedKernel
	if c.Arch == "arm64" {
		board, cpu, kernel = "virt", "max", c.Append+" "+emulatedAnyKernel
	}
	accel := "tcg,thread=multi,tb-size=512"
	if c.Accel == host.KVM {
		accel, cpu, kernel = "kvm", "host", c.Append
	}
	args := []string{
		"-name", c.Name,
		"-machine", board + ",memory-backend=ram",
		"-accel", accel,
		"-cpu", cpu,
		"-smp", strconv.Itoa(c.CPUs),
		"-m", fmt.Sprintf("%dM", c.RAM.MiB),
		"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dM,mem-path=%s,share=%s",
			c.RAM.MiB, escape(c.RAM.Path), onOff(c.RAM.Shared)),
		"-display", "none", "-nodefaults", "-no-user-config",
		"-kernel", c.Kernel,
		"-initrd", c.Initrd,
		"-append", kernel,
		// cache=unsafe: a guest's flush ends in the host's page cache. A guest
		// that is reset or killed keeps what it flushed all the same; only a
		// crash of the host would lose it, and the lab with it.
		"-drive", "if=none,id=root,format=qcow2,cache=unsafe,discard=unmap,file=" + escape(c.Disk),
		"-device", "virtio-blk-pci,drive=root",
		"-drive", "if=none,id=seed,format=raw,readonly=on,file=" + escape(c.Seed),
		"-device", "virtio-blk-pci,drive=seed",
		"-netdev", fmt.Sprintf("stream,id=net,server=off,addr.type=fd,addr.str=%d", fdNet),
		"-device", "virtio-net-pci,netdev=net,mac=" + c.MAC,
		"-device", "virtio-rng-pci",
		"-chardev", "file,id=console,append=on,path=" + escape(c.Console),
		"-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", fdQMP),
		"-mon", "chardev=qmp,mode=control",
	}
	if c.Resume {
		args = append(args, "-incoming", "defer")
	}
	return args
}

// escape doubles commas, as QEMU's option parser wants them in a value.
func escape(s string) string { return strings.ReplaceAll(s, ",", ",,") }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// Identity is what makes a machine this one and no other.
type Identity struct {
	Name    string
	Role    string // "server" or "worker"; units in the image look at it
	Addr    netip.Addr
	Gateway netip.Prefix
	ID      string // machine id, 32 hexadecimal digits
}

// CommandLine is the guest kernel's command line: what the image asks for, and
// who the machine is. (The address must not come by DHCP: a machine answers its
// own cluster some seconds earlier this way.)
func CommandLine(imageArgs string, id Identity) string {
	return strings.Join([]string{
		imageArgs,
		"loglevel=4",
		"systemd.show_status=false",
		"systemd.hostname=" + id.Name,
		"systemd.machine_id=" + id.ID,
		fmt.Sprintf("ip=%s::%s:%s:%s:eth0:off", id.Addr, id.Gateway.Addr(), netMask(id.Gateway), id.Name),
		"nfsim.role=" + id.Role,
	}, " ")
}

func netMask(p netip.Prefix) netip.Addr {
	ones := uint32(0xffffffff) << (32 - p.Bits())
	return netip.AddrFrom4([4]byte{byte(ones >> 24), byte(ones >> 16), byte(ones >> 8), byte(ones)})
}
