package inventory

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
)

var (
	labName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	nodeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`) // RFC 1123
	userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._@\\-]{0,63}$`)
	unitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}$`) // systemd.unit(5)
)

const (
	defaultPort = 22
	defaultUser = "root"
)

// parse reads an inventory as far as it can be read; what it returns is good
// when there are no problems.
func parse(data []byte, file string) (Inventory, Problems) {
	r := &reader{file: file}
	abs, err := filepath.Abs(file)
	if err != nil {
		r.problem(0, "%v", err)
		return Inventory{}, r.problems
	}
	r.dir = filepath.Dir(abs)
	root := r.document(data)
	if root == nil {
		return Inventory{}, r.problems
	}
	top := r.section(root, "inventory", "name", "kubeconfig", "context", "ssh", "machines")
	inv := Inventory{
		Name: cmp.Or(top.text("name"), nameOf(abs)), File: abs,
		Context: top.text("context"), contextLine: top.lineOf("context"), kubeconfigLine: top.lineOf("kubeconfig"),
	}
	if !labName.MatchString(inv.Name) {
		top.problem(top.lineOf("name"), "inventory: name %q is not letters, digits, dots, dashes: give it a name", inv.Name)
	}
	if top.required("kubeconfig") != "" {
		inv.Kubeconfig = top.path("kubeconfig")
	}
	common := top.section(top.values["ssh"], "ssh", "port", "user", "key", "known_hosts", "jump")
	shared := common.ssh(SSH{Port: defaultPort, User: defaultUser})
	inv.Machines = top.machines(shared)
	return inv, r.problems
}

// machines reads the list of machines and looks at what they are together.
func (s section) machines(shared SSH) []Machine {
	list := s.values["machines"]
	if list == nil || list.Kind != yaml.SequenceNode {
		s.problem(s.lineOf("machines"), "inventory: want a list `machines:`")
		return nil
	}
	var out []Machine
	taken := map[string]int{} // what must not be there twice -> line
	roles := map[lab.Role]int{}
	for _, n := range list.Content {
		m, line := s.reader.machine(target(n), shared)
		for _, own := range []struct{ what, value string }{
			{"name", m.Name},
			{"address", m.Addr},
			{"SSH endpoint", m.SSH.endpoint()},
		} {
			if own.value == "" {
				continue
			}
			key := own.what + " " + own.value
			if first, dup := taken[key]; dup {
				s.problem(line, "machine %s: %s is there twice, first in line %d", m.Name, key, first)
			} else {
				taken[key] = line
			}
		}
		roles[m.Role]++
		out = append(out, m)
	}
	if roles[lab.Server] != 1 {
		s.problem(list.Line, "inventory: %d machines have role server, want exactly one", roles[lab.Server])
	}
	if roles[lab.Worker] < 2 {
		s.problem(list.Line, "inventory: %d machines have role worker, want at least two", roles[lab.Worker])
	}
	slices.SortStableFunc(out, func(a, b Machine) int {
		return cmp.Or(strings.Compare(string(a.Role), string(b.Role)), strings.Compare(a.Name, b.Name)) // "server" < "worker"
	})
	return out
}

// machine reads one machine.
func (r *reader) machine(n *yaml.Node, shared SSH) (m Machine, line int) {
	s := r.section(n, "machine", "name", "role", "address", "ssh", "kubelet_unit", "export", "power", "disruptive")
	m.Name = s.required("name")
	if m.Name != "" {
		s.what = "machine " + m.Name
		if !nodeName.MatchString(m.Name) {
			s.problem(s.lineOf("name"), "%s: a name is that of a Kubernetes node: lower-case letters, digits, dots, dashes", s.what)
		}
	}
	m.Role = lab.Role(s.required("role"))
	if m.Role != "" && m.Role != lab.Server && m.Role != lab.Worker {
		s.problem(s.lineOf("role"), "%s: role %q is neither server nor worker", s.what, m.Role)
		m.Role = ""
	}
	m.Addr = s.host("address")
	if s.values["address"] == nil {
		s.problem(s.line, "%s: address is missing", s.what)
	}
	if ip, err := netip.ParseAddr(m.Addr); err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		s.problem(s.lineOf("address"), "%s: other machines cannot reach it at %s (for a forwarded port set ssh: {host: ..., port: ...})", s.what, ip)
	}
	m.KubeletUnit, m.ExportRoot, m.Power = s.text("kubelet_unit"), s.text("export"), s.script("power")
	s.only("kubelet_unit", m.Role, lab.Worker)
	s.only("export", m.Role, lab.Server)
	if m.KubeletUnit != "" && !unitName.MatchString(m.KubeletUnit) {
		s.problem(s.lineOf("kubelet_unit"), "%s: kubelet_unit %q is no name of a systemd unit", s.what, m.KubeletUnit)
	}
	if m.ExportRoot != "" {
		if err := nfs.CheckExportRoot(m.ExportRoot); err != nil {
			s.problem(s.lineOf("export"), "%s: %v", s.what, err)
		}
	}
	if !s.yes("disruptive") {
		s.problem(s.lineOf("disruptive"), "%s: not marked `disruptive: true`, so it is left alone: nfsim stops kubelets and NFS servers, cuts networks, resets machines", s.what)
	}
	way := s.section(s.values["ssh"], s.what+": ssh", "host", "port", "user", "key", "known_hosts", "host_key", "jump")
	if way.line == 0 {
		way.line = s.line
	}
	m.SSH = way.ssh(shared)
	m.SSH.Host = cmp.Or(m.SSH.Host, m.Addr)
	way.verified(m.SSH)
	return m, s.lineOf("name")
}

// only says that a field is for machines of another role.
func (s section) only(field string, role, want lab.Role) {
	if s.values[field] != nil && role != "" && role != want {
		s.problem(s.lineOf(field), "%s: %s is for a %s, and this is a %s", s.what, field, want, role)
	}
}

// ssh reads a way to a machine; what is not there is taken from base.
func (s section) ssh(base SSH) SSH {
	w := base
	w.Host = cmp.Or(s.host("host"), w.Host)
	w.Port = cmp.Or(s.port("port"), w.Port)
	if user := s.text("user"); user != "" {
		if !userName.MatchString(user) {
			s.problem(s.lineOf("user"), "%s: user %q is no login name", s.what, user)
		}
		w.User = user
	}
	if key := s.path("key"); key != "" {
		w.Key, w.keyLine = key, s.lineOf("key")
	}
	if w.Key == "" {
		w.keyLine = s.line
	}
	known, fixed := s.path("known_hosts"), s.text("host_key")
	switch {
	case known != "" && fixed != "":
		s.problem(s.lineOf("host_key"), "%s: known_hosts and host_key: one of them", s.what)
	case known != "":
		w.KnownHosts, w.HostKey, w.hostKeyLine = known, "", s.lineOf("known_hosts")
	case fixed != "":
		w.KnownHosts, w.HostKey, w.hostKeyLine = "", fixed, s.lineOf("host_key")
		if _, err := parseHostKey(fixed); err != nil {
			s.problem(s.lineOf("host_key"), "%s: host_key: %v", s.what, err)
		}
	}
	if n := s.values["jump"]; n != nil {
		jump := s.section(n, s.what+": jump", "host", "port", "user", "key", "known_hosts", "host_key")
		// The jump host is another machine: only who logs in and what is known of
		// hosts is shared with it.
		way := jump.ssh(SSH{Port: defaultPort, User: w.User, Key: w.Key, keyLine: w.keyLine, KnownHosts: w.KnownHosts, hostKeyLine: w.hostKeyLine})
		if way.Host == "" && jump.values["host"] == nil {
			s.problem(jump.line, "%s: host is missing", jump.what)
		}
		jump.verified(way)
		w.Jump = &way
	}
	return w
}

// verified says that nothing would tell a host's key from another.
func (s section) verified(w SSH) {
	if w.KnownHosts == "" && w.HostKey == "" && s.values["known_hosts"] == nil && s.values["host_key"] == nil {
		s.problem(s.line, "%s: no known_hosts and no host_key: who answers must be known", s.what)
	}
}

// hostName is what may stand for an address.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// host is a field's IP address or host name, "" when it is not there.
func (s section) host(field string) string {
	host := s.text(field)
	if host == "" {
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		return ip.String()
	}
	if !hostName.MatchString(host) || looksLikeAddress(host) {
		s.problem(s.lineOf(field), "%s: %s %q is neither an IP address nor a host name", s.what, field, host)
		return ""
	}
	return host
}

// looksLikeAddress says that a name has only digits and dots: a mistyped
// address.
func looksLikeAddress(host string) bool { return strings.Trim(host, "0123456789.") == "" }

// endpoint is host:port, behind a jump host with that before it.
func (w SSH) endpoint() string {
	if w.Host == "" {
		return ""
	}
	at := w.addr()
	if w.Jump != nil {
		at = fmt.Sprintf("%s by way of %s", at, w.Jump.addr())
	}
	return at
}

func (w SSH) addr() string { return net.JoinHostPort(w.Host, strconv.Itoa(w.Port)) }

// parseHostKey reads a public key, as known_hosts has it after the host or
// `ssh-keygen -f` prints it.
func parseHostKey(text string) (ssh.PublicKey, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return nil, fmt.Errorf("%.40q is not a public key, as in `ssh-ed25519 AAAA...`", text)
	}
	return key, nil
}
