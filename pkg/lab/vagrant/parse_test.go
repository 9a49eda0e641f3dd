package vagrant

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStates(t *testing.T) {
	t.Parallel()
	const out = `1763640000,server,metadata,provider,libvirt
1763640000,server,provider-name,libvirt
1763640000,server,state,running
1763640000,server,state-human-short,running
1763640000,server,state-human-long,The Libvirt domain is running.%!(VAGRANT_COMMA) To stop
1763640000,worker1,state,not_created
1763640000,,ui,info,Current machine states:
half a line,worker2
`
	if diff := cmp.Diff(map[string]string{"server": "running", "worker1": "not_created"}, parseStates(out)); diff != "" {
		t.Error(diff)
	}
}

const config = `Host server
  HostName 192.168.121.17
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  IdentityFile "/home/me/with space/private_key"
  IdentityFile /home/me/other
  LogLevel FATAL

Host worker1
  HostName ::1
  Port 2222
  User root
`

func TestParseSSHConfig(t *testing.T) {
	t.Parallel()
	got, err := parseSSHConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]login{
		"server":  {addr: "192.168.121.17:22", user: "vagrant", keys: []string{"/home/me/with space/private_key", "/home/me/other"}},
		"worker1": {addr: "[::1]:2222", user: "root"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(login{})); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]string{
		"proxy":   "Host a\n HostName x\n User u\n ProxyCommand ssh -W %h:%p jump\n",
		"port":    "Host a\n HostName x\n User u\n Port 70000\n",
		"no user": "Host a\n HostName x\n",
		"no name": "Host a\n User u\nHost b\n HostName x\n User u\n",
	} {
		if _, err := parseSSHConfig(bad); err == nil || !strings.Contains(err.Error(), "host a") {
			t.Errorf("%s: error %v, want one that names host a", name, err)
		}
	}
}

func FuzzParseSSHConfig(f *testing.F) {
	f.Add(config)
	f.Add("Host\nHost a b\nPort\n")
	f.Fuzz(func(t *testing.T, text string) {
		logins, err := parseSSHConfig(text)
		if err != nil {
			return
		}
		for host, l := range logins {
			if host == "" || l.user == "" || l.addr == "" {
				t.Fatalf("login %q: %+v", host, l)
			}
		}
	})
}

func FuzzParseStates(f *testing.F) {
	f.Add("1,server,state,running\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name := range parseStates(text) {
			if name == "" {
				t.Fatal("a machine without a name")
			}
		}
	})
}
