package qemu

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
)

// DefaultName is the name of a lab that is given none.
const DefaultName = "default"

// Limits of a Spec.
const (
	maxWorkers = 8
	minMemMiB  = 768 // less, and kubelet or the API server is killed for memory

	minLease = 10 // s; less, or more than maxLease, and the kernel's nfsd refuses it
	maxLease = 3600
)

// Spec says what lab is wanted. The zero value of a field is its default.
type Spec struct {
	Name         string     `json:"name"`         // "default"
	Debian       string     `json:"debian"`       // release of the image: "trixie" (default) or "bookworm"
	Kubernetes   string     `json:"kubernetes"`   // control plane, "v1.36.3", "latest"; default kubebuild.DefaultVersion
	Kubelet      string     `json:"kubelet"`      // the workers' kubelet; default as the control plane
	Workers      int        `json:"workers"`      // default 2
	CPUs         int        `json:"cpus"`         // of each machine; default 1
	ServerMemMiB int        `json:"serverMemMiB"` // default 2048
	WorkerMemMiB int        `json:"workerMemMiB"` // of each worker; default 1536
	Accel        host.Accel `json:"accel"`        // default auto
	LeaseSeconds int        `json:"leaseSeconds"` // NFSv4 lease and grace time of the server, s; default package cluster's
	// Fresh boots cold and keeps the ready snapshot to itself.
	Fresh bool `json:"fresh"`
}

// WithDefaults fills in what was left open, but for the versions, which the
// keeper resolves.
func (s Spec) WithDefaults() Spec {
	if s.Name == "" {
		s.Name = DefaultName
	}
	if s.Workers == 0 {
		s.Workers = 2
	}
	if s.CPUs == 0 {
		s.CPUs = 1
	}
	if s.ServerMemMiB == 0 {
		s.ServerMemMiB = 2048
	}
	if s.WorkerMemMiB == 0 {
		s.WorkerMemMiB = 1536
	}
	if s.Accel == "" {
		s.Accel = host.Auto
	}
	return s
}

// Validate reports the first field that cannot be met, as a *lab.UsageError.
// It expects a Spec with defaults.
func (s Spec) Validate() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	for _, c := range []struct {
		what       string
		have, a, z int
	}{
		{"workers", s.Workers, 2, maxWorkers},
		{"processors a machine", s.CPUs, 1, 64},
		{"MiB for the server", s.ServerMemMiB, minMemMiB, 1 << 20},
		{"MiB for a worker", s.WorkerMemMiB, minMemMiB, 1 << 20},
		{"s of lease time", cmp.Or(s.LeaseSeconds, minLease), minLease, maxLease},
	} {
		if c.have < c.a || c.have > c.z {
			return &lab.UsageError{What: fmt.Sprintf("cannot have %d %s", c.have, c.what), Advice: fmt.Sprintf("%d to %d", c.a, c.z)}
		}
	}
	_, err := host.ParseAccel(string(s.Accel))
	return err
}

// CheckName says whether a lab can have this name: it names a directory.
func CheckName(name string) error {
	if regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`).MatchString(name) {
		return nil
	}
	return &lab.UsageError{
		What:   fmt.Sprintf("%q cannot name a lab", name),
		Advice: "lower-case letters, digits and dashes, at most 31",
	}
}

// Gateway is the gateway's address in every lab, and the subnet. Labs do not
// see each other: each has a network of its own.
func Gateway() netip.Prefix { return netip.MustParsePrefix("192.168.127.1/24") }

// The last byte of the machines' addresses.
const (
	serverHost = 10
	workerHost = 11 // of worker1, the others follow
)

// Machines is the address plan: the server first, then the workers.
func (s Spec) Machines() []lab.Machine {
	base := Gateway().Masked().Addr().As4()
	addr := func(host byte) string {
		b := base
		b[3] = host
		return netip.AddrFrom4(b).String()
	}
	out := []lab.Machine{{Name: "server", Role: lab.Server, Addr: addr(serverHost)}}
	for i := range s.Workers {
		out = append(out, lab.Machine{Name: fmt.Sprintf("worker%d", i+1), Role: lab.Worker, Addr: addr(byte(workerHost + i))})
	}
	return out
}

// MemMiB is the memory of one machine in MiB.
func (s Spec) MemMiB(role lab.Role) int {
	if role == lab.Server {
		return s.ServerMemMiB
	}
	return s.WorkerMemMiB
}

// MAC is a machine's hardware address, locally administered, made from the
// last byte of its address.
func MAC(m lab.Machine) string {
	return fmt.Sprintf("52:54:00:7f:00:%02x", netip.MustParseAddr(m.Addr).As4()[3])
}

// MachineID is a machine's /etc/machine-id: the same in every lab, because a
// restored machine remembers it.
func MachineID(m lab.Machine) string {
	sum := sha256.Sum256([]byte("nfsim machine " + m.Name))
	return hex.EncodeToString(sum[:16])
}

// DiffersFrom names a setting that s asks for and have, a Spec with defaults
// and versions filled in, has not; empty when have will do. A zero field asks
// for nothing.
func (s Spec) DiffersFrom(have Spec) string {
	for _, c := range []struct {
		what   string
		differ bool
	}{
		{"Debian release", s.Debian != "" && s.Debian != have.Debian},
		{"version of Kubernetes", s.Kubernetes != "" && s.Kubernetes != have.Kubernetes},
		{"version of kubelet", s.Kubelet != "" && s.Kubelet != have.Kubelet},
		{"number of workers", s.Workers != 0 && s.Workers != have.Workers},
		{"number of processors", s.CPUs != 0 && s.CPUs != have.CPUs},
		{"memory of the server", s.ServerMemMiB != 0 && s.ServerMemMiB != have.ServerMemMiB},
		{"memory of the workers", s.WorkerMemMiB != 0 && s.WorkerMemMiB != have.WorkerMemMiB},
		{"accelerator", s.Accel != "" && s.Accel != host.Auto && s.Accel != have.Accel},
		{"lease time", s.LeaseSeconds != 0 && s.LeaseSeconds != have.LeaseSeconds},
	} {
		if c.differ {
			return c.what
		}
	}
	return ""
}
