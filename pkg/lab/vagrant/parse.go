package vagrant

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// parseStates reads what `vagrant status --machine-readable` prints, lines of
// TIMESTAMP,TARGET,TYPE,DATA... with commas in the data as %!(VAGRANT_COMMA)
// (https://developer.hashicorp.com/vagrant/docs/cli/machine-readable). It
// returns the state of each machine: "running", "shutoff", "not_created"...
func parseStates(out string) map[string]string {
	states := map[string]string{}
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ",")
		if len(fields) >= 4 && fields[1] != "" && fields[2] == "state" {
			states[fields[1]] = fields[3]
		}
	}
	return states
}

// login is the way to a machine that `vagrant ssh-config` prints.
type login struct {
	addr string // host:port
	user string
	keys []string
}

// parseSSHConfig reads the blocks of an OpenSSH configuration as `vagrant
// ssh-config` prints it: by host. A way through a proxy command is an error:
// we make our own connections.
func parseSSHConfig(out string) (map[string]login, error) {
	logins := map[string]login{}
	host, hostName, port := "", "", "22"
	var l login
	flush := func() error {
		if host == "" {
			return nil
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("read ssh-config: host %s has port %q", host, port)
		}
		if hostName == "" || l.user == "" {
			return fmt.Errorf("read ssh-config: host %s has no HostName or no User", host)
		}
		l.addr = net.JoinHostPort(hostName, port)
		logins[host] = l
		return nil
	}
	sc := bufio.NewScanner(strings.NewReader(out))
	for sc.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(key) {
		case "host":
			if err := flush(); err != nil {
				return nil, err
			}
			host, hostName, port, l = value, "", "22", login{}
		case "hostname":
			hostName = value
		case "port":
			port = value
		case "user":
			l.user = value
		case "identityfile":
			l.keys = append(l.keys, value)
		case "proxycommand", "proxyjump":
			return nil, fmt.Errorf("read ssh-config: host %s is reached by a %s, which nfsim cannot use; write an inventory with a jump host", host, key)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read ssh-config: %w", err)
	}
	return logins, flush()
}
