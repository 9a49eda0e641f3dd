package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"k8s.io/client-go/tools/clientcmd"
)

func TestAccessAsJSON(t *testing.T) {
	t.Parallel()
	want := build(t, testSpec(t)).Access
	encoded, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Access
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	sameKey := cmp.Comparer(func(a, b HostKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) })
	if diff := cmp.Diff(want, got, sameKey); diff != "" {
		t.Errorf("access after a round trip (-want +got):\n%s", diff)
	}
}

func TestSSHKeysFit(t *testing.T) {
	t.Parallel()
	p := build(t, testSpec(t))
	signer, err := p.Signer()
	if err != nil {
		t.Fatal(err)
	}
	for _, machine := range []string{"server", "worker1", "worker2"} {
		allowed, _, _, rest, err := ssh.ParseAuthorizedKey(content(t, p, machine, "/root/.ssh/authorized_keys"))
		if err != nil || len(rest) != 0 {
			t.Fatalf("authorized_keys of %s: %v, rest %q", machine, err, rest)
		}
		if !bytes.Equal(allowed.Marshal(), signer.PublicKey().Marshal()) {
			t.Errorf("%s does not accept the client key", machine)
		}
		host, err := ssh.ParsePrivateKey(content(t, p, machine, "/etc/ssh/ssh_host_ed25519_key"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(host.PublicKey().Marshal(), p.HostPublicKeys[machine].Marshal()) {
			t.Errorf("host key of %s is not the announced one", machine)
		}
	}
}

func TestFurtherAuthorizedKey(t *testing.T) {
	t.Parallel()
	s := testSpec(t)
	s.SSHAuthorizedKey = string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(build(t, s).HostPublicKeys["server"])))
	lines := strings.Split(strings.TrimSpace(string(content(t, build(t, s), "worker1", "/root/.ssh/authorized_keys"))), "\n")
	if len(lines) != 2 || lines[1] != s.SSHAuthorizedKey {
		t.Errorf("authorized_keys has %d lines, want the client key and the further one", len(lines))
	}
}

func TestAdminKubeconfig(t *testing.T) {
	t.Parallel()
	p := build(t, testSpec(t))
	config, err := clientcmd.RESTConfigFromKubeConfig(p.AdminKubeconfig("https://127.0.0.1:40123"))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:40123" || config.Insecure {
		t.Errorf("host is %q, insecure %v", config.Host, config.Insecure)
	}
	if !bytes.Equal(config.CAData, p.CACert) || !bytes.Equal(config.CertData, p.AdminCert) || !bytes.Equal(config.KeyData, p.AdminKey) {
		t.Error("the kubeconfig does not carry the product's certificates")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	access := build(t, testSpec(t)).Access
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "key", access.AdminKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&logged, verb+"\n", access)
		fmt.Fprintf(&logged, verb+"\n", access.ClientKeyPEM)
	}
	// Parts that certificates and public keys do not share: the scalar in
	// PKCS #8 (base64 from character 48 on), the end of OpenSSH's private part.
	n := len(access.ClientKeyPEM)
	for _, part := range [][]byte{access.AdminKey[78:90], access.ClientKeyPEM[n-110 : n-95]} {
		for _, form := range []string{string(part), strings.Trim(fmt.Sprintf("%d", part), "[]"), fmt.Sprintf("%x", part)} {
			if strings.Contains(logged.String(), form) {
				t.Errorf("a private key shows in print as %q", form)
			}
		}
	}
}

func FuzzHostKey(f *testing.F) {
	f.Add([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0kLw7Zq0bMcY8nq0vX0cPp3k4h8mS0w1oHnJ8uM1Qb server"))
	f.Add([]byte("ssh-ed25519 AAAA"))
	f.Add([]byte("\n# nothing\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var k HostKey
		if k.UnmarshalText(in) != nil {
			return
		}
		out, err := k.MarshalText()
		if err != nil {
			t.Fatalf("MarshalText: %v", err)
		}
		var again HostKey
		if err := again.UnmarshalText(out); err != nil {
			t.Fatalf("UnmarshalText(%q): %v", out, err)
		}
		if !bytes.Equal(k.Marshal(), again.Marshal()) {
			t.Errorf("%q became another key", out)
		}
	})
}
