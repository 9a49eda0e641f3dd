package inventory

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

const kubeconfigText = `apiVersion: v1
kind: Config
current-context: main
contexts: [{name: main, context: {cluster: c, user: u}}, {name: other, context: {cluster: d, user: u}}]
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443"}}, {name: d, cluster: {server: "https://10.0.0.2:6443", certificate-authority: missing.crt}}]
users: [{name: u, user: {client-certificate: u.crt, client-key: u.key}}]
`

const siteText = `kubeconfig: admin.conf
ssh: {key: id, known_hosts: known_hosts}
machines:
- {name: nfs1, role: server, address: 10.0.0.1, disruptive: true}
- {name: node1, role: worker, address: 10.0.0.11, disruptive: true}
- {name: node2, role: worker, address: 10.0.0.12, ssh: {port: 2222}, disruptive: true}
`

// newSite writes an inventory and all that it names.
func newSite(t *testing.T) sshtest.StandIn {
	t.Helper()
	s := sshtest.StandIn{Dir: t.TempDir()}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s.Write(t, "id", string(pem.EncodeToMemory(block)), 0o600)
	s.Write(t, "open", string(pem.EncodeToMemory(block)), 0o644)
	host := sshtest.NewSigner(t).PublicKey()
	s.Write(t, "known_hosts", knownhosts.Line([]string{"10.0.0.1:22", "10.0.0.11:22", "10.0.0.12:2222"}, host)+"\n", 0o644)
	s.Write(t, "admin.conf", kubeconfigText, 0o600)
	s.Write(t, "u.crt", "certificate", 0o600)
	s.Write(t, "u.key", "key", 0o600)
	s.Write(t, "site.yaml", siteText, 0o644)
	return s
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		old, new string
		want     []string
	}{
		"nothing wrong":       {"", "", nil},
		"no such key":         {"key: id", "key: none", []string{"2: key: DIR/none: no such file"}},
		"key others may read": {"key: id", "key: open", []string{"2: key DIR/open has mode 0644, so others may read it"}},
		"key is a directory":  {"key: id", "key: .", []string{"2: key DIR is not a regular file"}},
		"key is none":         {"key: id", "key: u.key", []string{"2: key DIR/u.key: ssh: no key found"}},
		"host not known":      {"port: 2222", "port: 2223", []string{"2: known_hosts DIR/known_hosts does not list [10.0.0.12]:2223: log in once"}},
		"no known_hosts":      {"known_hosts: known_hosts", "known_hosts: none", []string{"2: known_hosts: DIR/none: no such file"}},
		"no known_hosts file": {"known_hosts: known_hosts", "known_hosts: id", []string{"2: known_hosts: "}},
		"no kubeconfig":       {"admin.conf", "none.conf", []string{"1: kubeconfig: DIR/none.conf: no such file"}},
		"another context":     {"kubeconfig:", "context: none\nkubeconfig:", []string{`1: context: kubeconfig DIR/admin.conf has no context "none"`}},
		"missing certificate": {"kubeconfig:", "context: other\nkubeconfig:", []string{"1: kubeconfig DIR/admin.conf: "}},
		"several at once":     {"kubeconfig: admin.conf\nssh: {key: id", "kubeconfig: none\nsssh: x\nssh: {key: open", []string{"1: kubeconfig: ", "2: inventory: unknown field", "3: key DIR/open has mode"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			file := filepath.Join(s.Dir, "site.yaml")
			s.Write(t, "site.yaml", strings.Replace(siteText, tt.old, tt.new, 1), 0o644)
			_, err := Read(file)
			for i := range tt.want {
				tt.want[i] = strings.ReplaceAll(tt.want[i], "DIR", s.Dir)
			}
			checkProblems(t, err, file, tt.want)
		})
	}
}

func TestKeyWithPassphrase(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	s := sshtest.StandIn{Dir: t.TempDir()}
	s.Write(t, "locked", string(pem.EncodeToMemory(locked)), 0o600)
	if err := checkKey(filepath.Join(s.Dir, "locked")); err == nil || !strings.Contains(err.Error(), "has a passphrase: add it to an ssh-agent") {
		t.Errorf("error %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Write(t, "large.yaml", strings.Repeat("#", maxFile+1), 0o644)
	for name, want := range map[string]string{"large.yaml": "larger than", "none.yaml": "no such file", ".": "not a regular file", "/dev/null": "not a regular file"} {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Dir, name)
		}
		if _, err := Read(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

func TestHashedKnownHosts(t *testing.T) {
	t.Parallel()
	s := sshtest.StandIn{Dir: t.TempDir()}
	key := sshtest.NewSigner(t).PublicKey()
	s.Write(t, "known", knownhosts.HashHostname("10.0.0.1")+" "+key.Type()+" "+strings.Fields(string(ssh.MarshalAuthorizedKey(key)))[1]+"\n", 0o644)
	known := filepath.Join(s.Dir, "known")
	if err := checkKnownHosts(known, "10.0.0.1:22"); err != nil {
		t.Error(err)
	}
	if err := checkKnownHosts(known, "10.0.0.2:22"); err == nil || !strings.Contains(err.Error(), "does not list 10.0.0.2") {
		t.Errorf("error %v", err)
	}
}

func TestKubeconfigIsWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	inv, err := Read(filepath.Join(s.Dir, "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := inv.kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"https://10.0.0.1:6443": true, "10.0.0.2": false, "client-certificate-data: Y2VydGlmaWNhdGU=": true, "client-key: ": false} {
		if strings.Contains(string(text), word) != want {
			t.Errorf("%q in it: %v, want %v:\n%s", word, !want, want, text)
		}
	}
}

func TestReadPathOfHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	s := newSite(t)
	if err := os.Rename(filepath.Join(s.Dir, "id"), filepath.Join(home, "id")); err != nil {
		t.Fatal(err)
	}
	s.Write(t, "site.yaml", strings.Replace(siteText, "key: id", "key: ~/id", 1), 0o644)
	if _, err := Read(filepath.Join(s.Dir, "site.yaml")); err != nil {
		t.Error(err)
	}
}

func TestReadWithoutKey(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	s := newSite(t)
	s.Write(t, "site.yaml", strings.Replace(siteText, "key: id, ", "", 1), 0o644)
	file := filepath.Join(s.Dir, "site.yaml")
	_, err := Read(file)
	checkProblems(t, err, file, []string{"4: ssh: there is no `key`, and no ssh-agent"})
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	if _, err := Read(file); err != nil {
		t.Error(err)
	}
}
