package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// good is an inventory with nothing wrong; tests change single lines.
func good(hostKey string) string {
	return `kubeconfig: admin.conf
ssh: {user: ops, key: ~/id, known_hosts: /etc/ssh/known}
machines:
- name: nfs1
  role: server
  address: 10.0.0.1
  export: /export/nfsim
  disruptive: true
- name: node2
  role: worker
  address: 10.0.0.12
  kubelet_unit: k3s-agent
  power: |
    ipmitool -H bmc12 chassis power cycle
    sleep 1
  ssh: {host: 192.0.2.12, port: 2222, user: root, host_key: ` + hostKey + `}
  disruptive: true
- name: node1
  role: worker
  address: 10.0.0.11
  ssh: {jump: {host: bastion, user: me, port: 23}}
  disruptive: true
`
}

func hostKey(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshtest.NewSigner(t).PublicKey())))
}

func TestParse(t *testing.T) {
	t.Parallel()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	key := hostKey(t)
	got, err := Parse([]byte(good(key)), "/labs/rack4.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ops := SSH{Port: 22, User: "ops", Key: home + "/id", KnownHosts: "/etc/ssh/known"}
	nfs1, node1, node2 := ops, ops, ops
	nfs1.Host, node1.Host = "10.0.0.1", "10.0.0.11"
	node1.Jump = &SSH{Host: "bastion", Port: 23, User: "me", Key: ops.Key, KnownHosts: ops.KnownHosts}
	node2.Host, node2.Port, node2.User, node2.KnownHosts, node2.HostKey = "192.0.2.12", 2222, "root", "", key
	want := Inventory{
		Name: "rack4", File: "/labs/rack4.yaml", Kubeconfig: "/labs/admin.conf",
		Machines: []Machine{
			{Machine: lab.Machine{Name: "nfs1", Role: lab.Server, Addr: "10.0.0.1", ExportRoot: "/export/nfsim"}, SSH: nfs1},
			{Machine: lab.Machine{Name: "node1", Role: lab.Worker, Addr: "10.0.0.11"}, SSH: node1},
			{Machine: lab.Machine{Name: "node2", Role: lab.Worker, Addr: "10.0.0.12", KubeletUnit: "k3s-agent"}, SSH: node2, Power: "ipmitool -H bmc12 chassis power cycle\nsleep 1"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Inventory{}, SSH{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	for name, tt := range map[string]struct {
		old, new string   // what is changed in good
		want     []string // "LINE: beginning"
	}{
		"nothing wrong":          {"", "", nil},
		"unknown field":          {"kubeconfig: ", "kubeconfg: x\nkubeconfig: ", []string{`1: inventory: unknown field "kubeconfg" (there are name,`}},
		"unknown in machine":     {"  export:", "  exports: x\n  export:", []string{`7: machine: unknown field "exports"`}},
		"unknown in jump":        {"{host: bastion", "{sudo: yes, host: bastion", []string{`21: machine node1: ssh: jump: unknown field "sudo"`}},
		"field twice":            {"  export:", "  address: 10.0.0.2\n  export:", []string{`7: machine: address is there twice, first in line 6`}},
		"name twice":             {"name: node1", "name: node2", []string{`18: machine node2: name node2 is there twice, first in line 9`}},
		"address twice":          {"10.0.0.11", "10.0.0.12", []string{`18: machine node1: address 10.0.0.12 is there twice, first in line 9`}},
		"endpoint twice":         {"ssh: {jump", "ssh: {host: 192.0.2.12, port: 2222, x_jump", []string{`18: machine node1: SSH endpoint 192.0.2.12:2222 is there twice`, `21: machine node1: ssh: unknown field "x_jump"`}},
		"no server":              {"role: server", "role: worker", []string{`4: inventory: 0 machines have role server`, `7: machine nfs1: export is for a server`}},
		"two servers":            {"role: worker\n  address: 10.0.0.11", "role: server\n  address: 10.0.0.11", []string{`4: inventory: 2 machines have role server`, `4: inventory: 1 machines have role worker`}},
		"no role":                {"  role: server\n", "", []string{`4: machine nfs1: role is missing`, `4: inventory: 0 machines`}},
		"odd role":               {"role: server", "role: master", []string{`4: inventory: 0 machines`, `5: machine nfs1: role "master" is neither`}},
		"no name":                {"name: nfs1\n  role", "role", []string{`4: machine: name is missing`}},
		"odd name":               {"name: nfs1", "name: NFS_1", []string{`4: machine NFS_1: a name is that of a Kubernetes node`}},
		"no address":             {"  address: 10.0.0.1\n", "", []string{`4: machine nfs1: address is missing`}},
		"mistyped address":       {"10.0.0.11", "10.0.0.1111", []string{`20: machine node1: address "10.0.0.1111" is neither an IP address nor a host name`}},
		"loopback":               {"10.0.0.11", "127.0.0.1", []string{`20: machine node1: other machines cannot reach it at 127.0.0.1`}},
		"host name":              {"10.0.0.11", "node1.rack4.example", nil},
		"IPv6":                   {"10.0.0.11", "'fd00::11'", nil},
		"bad port":               {"port: 2222", "port: 22222222", []string{`16: machine node2: ssh: port: "22222222" is not a port`}},
		"port no number":         {"port: 2222", "port: ssh", []string{`16: machine node2: ssh: port: "ssh" is not a port`}},
		"not disruptive":         {"  disruptive: true\n- name: node2", "- name: node2", []string{"4: machine nfs1: not marked `disruptive: true`"}},
		"disruptive: false":      {"disruptive: true\n- name: node2", "disruptive: false\n- name: node2", []string{"8: machine nfs1: not marked"}},
		"disruptive: text":       {"disruptive: true\n- name: node2", "disruptive: 'true'\n- name: node2", []string{"8: machine nfs1: disruptive: want true or false", "8: machine nfs1: not marked"}},
		"no verification":        {", known_hosts: /etc/ssh/known", "", []string{"4: machine nfs1: ssh: no known_hosts and no host_key", "21: machine node1: ssh: jump: no known", "21: machine node1: ssh: no known"}},
		"both verifications":     {"host_key:", "known_hosts: x, host_key:", []string{"16: machine node2: ssh: known_hosts and host_key: one of them"}},
		"host_key no key":        {"host_key: " + key, "host_key: ssh-ed25519 AAAA", []string{"16: machine node2: ssh: host_key: \"ssh-ed25519 AAAA\" is not a public key"}},
		"host_key for all":       {"user: ops", "host_key: x, user: ops", []string{`2: ssh: unknown field "host_key"`}},
		"jump without host":      {"host: bastion, ", "", []string{"21: machine node1: ssh: jump: host is missing"}},
		"export of a worker":     {"  kubelet_unit: k3s-agent", "  export: /x", []string{"12: machine node2: export is for a server, and this is a worker"}},
		"unit of the server":     {"  export: /export/nfsim", "  kubelet_unit: kubelet", []string{"7: machine nfs1: kubelet_unit is for a worker"}},
		"export of the system":   {"/export/nfsim", "/etc", []string{"7: machine nfs1: export root /etc belongs to the system"}},
		"unit with a space":      {"k3s-agent", "k3s agent; reboot", []string{`12: machine node2: kubelet_unit "k3s agent; reboot" is no name`}},
		"another's home":         {"~/id", "~root/id", []string{"2: ssh: key: ~root/id: only ~/ is known"}},
		"no kubeconfig":          {"kubeconfig: admin.conf\n", "", []string{"1: inventory: kubeconfig is missing"}},
		"empty kubeconfig":       {"kubeconfig: admin.conf", "kubeconfig: ''", []string{"1: inventory: kubeconfig is empty"}},
		"null":                   {"kubeconfig: admin.conf", "kubeconfig:", []string{"1: inventory: kubeconfig: want text"}},
		"a list for text":        {"kubeconfig: admin.conf", "kubeconfig: [a]", []string{"1: inventory: kubeconfig: want text"}},
		"control characters":     {"user: me", `user: "m\ne"`, []string{"21: machine node1: ssh: jump: user has a line break"}},
		"odd user":               {"user: me", "user: -oProxyCommand=x", []string{"21: machine node1: ssh: jump: user"}},
		"odd lab name":           {"kubeconfig:", "name: ../x\nkubeconfig:", []string{`1: inventory: name "../x" is not`}},
		"syntax":                 {"  role: server", "  role: [server", []string{"4: not YAML, here or in the next line"}},
		"machines no list":       {"machines:\n-", "machine:\n-", []string{"1: inventory: want a list `machines:`", `3: inventory: unknown field "machine"`}},
		"two documents":          {"kubeconfig:", "a: 1\n---\nkubeconfig:", []string{"1: inventory: unknown field", "1: inventory: kubeconfig is missing", "1: inventory: want a list", "2: more than one YAML document"}},
		"anchors are understood": {"ssh: {jump: {host: bastion, user: me, port: 23}}", "ssh: {port: 23, key: &k /k}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good(key), tt.old, tt.new, 1)
			if tt.old != tt.new && text == good(key) {
				t.Fatal("the test changes nothing")
			}
			_, err := Parse([]byte(text), "/labs/x.yaml")
			checkProblems(t, err, "/labs/x.yaml", tt.want)
		})
	}
}

// checkProblems compares problems with "LINE: beginning".
func checkProblems(t *testing.T, err error, file string, want []string) {
	t.Helper()
	var problems Problems
	errors.As(err, &problems)
	var usage *lab.UsageError
	if len(want) > 0 && !errors.As(err, &usage) {
		t.Errorf("error %v is not a *lab.UsageError", err)
	}
	if len(problems) != len(want) || err != nil && len(want) == 0 {
		t.Errorf("got %v\nwant %d problems: %q", err, len(want), want)
		return
	}
	for i, p := range problems {
		if p.File != file || !strings.HasPrefix(fmt.Sprintf("%d: %s", p.Line, p.What), want[i]) {
			t.Errorf("problem %d: %v\nwant %s", i, p, want[i])
		}
	}
}

func TestParseEmpty(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		if _, err := Parse([]byte(text), "x.yaml"); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good(hostKey(f))))
	f.Add([]byte("machines: [{name: a, ssh: {jump: {}}}, *x, &x {}]"))
	f.Add([]byte("ssh: &a {jump: *a}\nmachines: &m [*m, 1, null]"))
	f.Add([]byte("kubeconfig: ~\nname: 1\nmachines:\n- - -"))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := Parse(data, "/labs/x.yaml")
		if err != nil {
			return
		}
		if len(inv.Machines) < 3 || inv.Machines[0].Role != lab.Server || !filepath.IsAbs(inv.Kubeconfig) {
			t.Errorf("accepted: %+v", inv)
		}
		for _, m := range inv.Machines {
			for w := &m.SSH; w != nil; w = w.Jump {
				if w.Host == "" || w.Port < 1 || w.Port > 65535 || w.User == "" || (w.KnownHosts == "") == (w.HostKey == "") {
					t.Errorf("accepted: %s: %+v", m.Name, *w)
				}
				if strings.ContainsAny(w.Host+w.User+m.Name+m.Addr+m.KubeletUnit+m.ExportRoot, " \n\x00;$`'\"") {
					t.Errorf("accepted: %+v", m)
				}
			}
		}
	})
}
