package cluster

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"golang.org/x/crypto/ssh"
)

// Role is what a machine does; the values are those of package lab.
type Role string

// The roles.
const (
	Server Role = "server" // NFS server and control plane
	Worker Role = "worker" // NFS client, kubelet, container runtime
)

// DefaultLeaseSeconds is the NFSv4 lease and grace time of a lab in seconds:
// short, so that a scenario that waits one out is six times faster than with
// the kernel's 90 s. The kernel's minimum is 10 (fs/nfsd/nfsctl.c).
const DefaultLeaseSeconds = 15

const (
	minLeaseSeconds = 10
	maxLeaseSeconds = 3600
)

// Machine is one machine of the cluster.
type Machine struct {
	Name string // host name and Kubernetes node name (a DNS label)
	Role Role
	Addr string // IPv4 address that the other machines reach it at
}

// Binaries says where the executables made for the guests are on this host.
type Binaries struct {
	ControlPlaneDir string // holds kube-apiserver, kube-controller-manager, kube-scheduler
	KubeletDir      string // holds kubelet
	EtcdDir         string // holds etcd
}

// Spec says what cluster to make. Machines, Binaries and AgentBinary are
// required.
type Spec struct {
	Machines   []Machine // exactly one Server, at least one Worker
	Kubernetes string    // version of the control plane, like v1.36.3
	Kubelet    string    // version of the workers' kubelet, like v1.36.3
	Debian     string    // release of the machine image, "13" or "12"
	Arch       string    // GOARCH of the guests; empty: this host's

	Binaries    Binaries
	AgentBinary []byte // nfsim-agent for Arch, statically linked
	BusyboxPath string // static busybox for Arch on this host; empty: the workload image holds the agent alone

	LeaseSeconds int // NFSv4 lease time in s; 0: DefaultLeaseSeconds
	GraceSeconds int // NFSv4 grace time in s; 0: LeaseSeconds

	SSHAuthorizedKey string                        // further authorized_keys lines for root; the product's own client key is always in
	HostKeys         map[string]ed25519.PrivateKey // SSH host keys by machine; missing ones are made
}

// SpecError says which part of a Spec cannot be used, and why.
type SpecError struct {
	Field, Reason string
}

func (e *SpecError) Error() string {
	return fmt.Sprintf("check cluster spec: %s: %s", e.Field, e.Reason)
}

func (s Spec) withDefaults() Spec {
	if s.Arch == "" {
		s.Arch = runtime.GOARCH
	}
	if s.LeaseSeconds == 0 {
		s.LeaseSeconds = DefaultLeaseSeconds
	}
	if s.GraceSeconds == 0 {
		s.GraceSeconds = s.LeaseSeconds
	}
	return s
}

// Key is a SHA-256 over everything that decides the content of the files, the
// random keys apart: the recipe, the machines, the versions, the times, the
// agent and busybox. The Kubernetes binaries count by their versions alone,
// as their own cache entries have keys. It belongs in the key of a cached
// ready state.
func (s Spec) Key() (string, error) {
	s = s.withDefaults()
	busybox := ""
	if s.BusyboxPath != "" {
		sum, err := fileSHA256(s.BusyboxPath)
		if err != nil {
			return "", fmt.Errorf("hash busybox: %w", err)
		}
		busybox = sum
	}
	agent := sha256.Sum256(s.AgentBinary)
	canonical, err := json.Marshal(struct {
		Recipe, Kubernetes, Kubelet, Debian, Arch, Agent, Busybox, AuthorizedKey string
		Machines                                                                 []Machine
		Lease, Grace                                                             int
	}{
		RecipeHash(), s.Kubernetes, s.Kubelet, s.Debian, s.Arch, hex.EncodeToString(agent[:]), busybox, s.SSHAuthorizedKey,
		s.Machines, s.LeaseSeconds, s.GraceSeconds,
	})
	if err != nil {
		return "", fmt.Errorf("encode cluster spec: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// Validate reports the first thing that makes the spec unusable as a
// *SpecError, missing binaries included.
func (s Spec) Validate() error {
	s = s.withDefaults()
	return errors.Join(s.validateMachines(), s.validateTimes(), s.validateInputs())
}

func (s Spec) validateMachines() error {
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	names, addrs, roles := map[string]bool{}, map[netip.Addr]bool{}, map[Role]int{}
	for _, m := range s.Machines {
		switch {
		case !label.MatchString(m.Name):
			return &SpecError{"Machines", fmt.Sprintf("%q is not a host name (lower-case letters, digits and dashes)", m.Name)}
		case names[m.Name]:
			return &SpecError{"Machines", fmt.Sprintf("two machines are named %q", m.Name)}
		case m.Role != Server && m.Role != Worker:
			return &SpecError{"Machines", fmt.Sprintf("machine %s has the unknown role %q", m.Name, m.Role)}
		}
		addr, err := netip.ParseAddr(m.Addr)
		if err != nil || !addr.Is4() {
			return &SpecError{"Machines", fmt.Sprintf("machine %s has %q, which is no IPv4 address", m.Name, m.Addr)}
		}
		if addrs[addr] {
			return &SpecError{"Machines", fmt.Sprintf("two machines have the address %s", addr)}
		}
		names[m.Name], addrs[addr] = true, true
		roles[m.Role]++
	}
	if roles[Server] != 1 {
		return &SpecError{"Machines", fmt.Sprintf("exactly one server is needed, have %d", roles[Server])}
	}
	if n := roles[Worker]; n < 1 || n > maxWorkers {
		return &SpecError{"Machines", fmt.Sprintf("1 to %d workers are needed, have %d", maxWorkers, n)}
	}
	for name := range s.HostKeys {
		if !names[name] {
			return &SpecError{"HostKeys", fmt.Sprintf("there is no machine %q", name)}
		}
	}
	return nil
}

func (s Spec) validateTimes() error {
	for field, seconds := range map[string]int{"LeaseSeconds": s.LeaseSeconds, "GraceSeconds": s.GraceSeconds} {
		if seconds < minLeaseSeconds || seconds > maxLeaseSeconds {
			return &SpecError{field, fmt.Sprintf("%d s is not between %d and %d s, the limits of the kernel's NFS server", seconds, minLeaseSeconds, maxLeaseSeconds)}
		}
	}
	return nil
}

func (s Spec) validateInputs() error {
	if len(s.AgentBinary) == 0 {
		return &SpecError{"AgentBinary", "is empty"}
	}
	if rest := []byte(s.SSHAuthorizedKey); len(rest) > 0 {
		if _, _, _, _, err := ssh.ParseAuthorizedKey(rest); err != nil {
			return &SpecError{"SSHAuthorizedKey", err.Error()}
		}
	}
	paths := []struct{ field, path string }{
		{"Binaries.EtcdDir", filepath.Join(s.Binaries.EtcdDir, "etcd")},
		{"Binaries.KubeletDir", filepath.Join(s.Binaries.KubeletDir, "kubelet")},
	}
	for _, name := range controlPlaneCommands() {
		paths = append(paths, struct{ field, path string }{"Binaries.ControlPlaneDir", filepath.Join(s.Binaries.ControlPlaneDir, name)})
	}
	if s.BusyboxPath != "" {
		paths = append(paths, struct{ field, path string }{"BusyboxPath", s.BusyboxPath})
	}
	for _, p := range paths {
		info, err := os.Stat(p.path)
		if err != nil {
			return &SpecError{p.field, err.Error()}
		}
		if !info.Mode().IsRegular() {
			return &SpecError{p.field, p.path + " is not a regular file"}
		}
	}
	return nil
}

// ControlPlaneUnits are the systemd units of the control plane, in the order in
// which they are started.
func ControlPlaneUnits() []string {
	units := []string{"etcd.service"}
	for _, name := range controlPlaneCommands() {
		units = append(units, name+".service")
	}
	return units
}

func controlPlaneCommands() []string {
	return []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

func (s Spec) server() Machine {
	for _, m := range s.Machines {
		if m.Role == Server {
			return m
		}
	}
	return Machine{}
}

func (s Spec) workers() []Machine {
	var out []Machine
	for _, m := range s.Machines {
		if m.Role == Worker {
			out = append(out, m)
		}
	}
	return out
}
