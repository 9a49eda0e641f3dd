package nfs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Bounds of the NFSv4 lease time that the kernel's server takes, s
// (fs/nfsd/nfsctl.c __nfsd4_write_time).
const (
	MinLeaseSeconds = 10
	MaxLeaseSeconds = 3600
)

// ServerSetting is what the whole NFS server is told for a while. The zero
// value leaves it as it is. Settings are comparable.
type ServerSetting struct {
	// NoDelegations turns file leases off (sysctl fs.leases-enable), and so every
	// NFSv4 delegation.
	NoDelegations bool `json:"no_delegations,omitempty"`
	// LeaseSeconds is the NFSv4 lease and grace time, s. The service restarts to
	// take it.
	LeaseSeconds int `json:"lease_s,omitempty"`
}

// IsZero says whether the setting leaves the server as it is.
func (s ServerSetting) IsZero() bool { return s == ServerSetting{} }

// String lists what is set, "" for nothing.
func (s ServerSetting) String() string {
	var parts []string
	if s.NoDelegations {
		parts = append(parts, "delegations off")
	}
	if s.LeaseSeconds != 0 {
		parts = append(parts, fmt.Sprintf("lease and grace %d s", s.LeaseSeconds))
	}
	return strings.Join(parts, ", ")
}

// Validate refuses a lease that the kernel refuses.
func (s ServerSetting) Validate() error {
	if s.LeaseSeconds != 0 && (s.LeaseSeconds < MinLeaseSeconds || s.LeaseSeconds > MaxLeaseSeconds) {
		return fmt.Errorf("lease of %d s: the kernel's server takes %d to %d s", s.LeaseSeconds, MinLeaseSeconds, MaxLeaseSeconds)
	}
	return nil
}

// Files that keep a setting over a restart of the service or the machine.
const (
	settingConf   = "/etc/nfs.conf.d/zz-nfsim-setting.conf"
	settingSysctl = "/etc/sysctl.d/zz-nfsim-setting.conf"
)

// ServerSwitch is the scripts that put a setting into effect and take it back:
// POSIX shell, run as root. Undo restores what was there when the switch was
// made, files included; it is idempotent. The proofs exit 0 and print what the
// kernel shows.
type ServerSwitch struct {
	Inject, Undo, Prove, ProveUndone string
}

// serverState is what a setting changes, as it is now.
type serverState struct {
	lease, grace, leasesEnable int
	conf, sysctl               string // content of the files, base64; empty when there is none
}

// Switch reads the server's present state and returns the way to the setting
// and back. A server that shows no lease (its service does not run) is an
// error.
func (s ServerSetting) Switch(ctx context.Context, server *sshnode.Node) (ServerSwitch, error) {
	if err := s.Validate(); err != nil {
		return ServerSwitch{}, fmt.Errorf("set server %s: %w", server.Name(), err)
	}
	res, err := runWithin(ctx, server, shortDeadline, `
for f in nfsv4leasetime nfsv4gracetime; do echo "$f $(cat /proc/fs/nfsd/$f 2>/dev/null)"; done
echo "leases-enable $(cat /proc/sys/fs/leases-enable)"
[ -e `+settingConf+` ] && echo "conf $(base64 -w0 < `+settingConf+`)"
[ -e `+settingSysctl+` ] && echo "sysctl $(base64 -w0 < `+settingSysctl+`)"
:`)
	if err != nil {
		return ServerSwitch{}, fmt.Errorf("read the server's settings: %w", err)
	}
	now, err := parseServerState(string(res.Stdout))
	if err != nil {
		return ServerSwitch{}, fmt.Errorf("read the settings of %s: %w", server.Name(), err)
	}
	return s.scripts(now), nil
}

func parseServerState(out string) (serverState, error) {
	var s serverState
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "conf":
			s.conf = value
			continue
		case "sysctl":
			s.sysctl = value
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return s, fmt.Errorf("%s is %q, no number: does the service run?", key, value)
		}
		switch key {
		case "nfsv4leasetime":
			s.lease = n
		case "nfsv4gracetime":
			s.grace = n
		case "leases-enable":
			s.leasesEnable = n
		}
	}
	if s.lease == 0 || s.grace == 0 {
		return s, fmt.Errorf("no lease in %q", out)
	}
	return s, nil
}

// restartBound bounds a restart of the service.
const restartBound = 60 * time.Second

func (s ServerSetting) scripts(now serverState) ServerSwitch {
	var inject, undo, prove, proveUndone strings.Builder
	inject.WriteString("set -e\n")
	if s.NoDelegations {
		inject.WriteString("mkdir -p /etc/sysctl.d\necho fs.leases-enable=0 > " + settingSysctl + "\necho 0 > /proc/sys/fs/leases-enable\n")
		undo.WriteString(putBack(settingSysctl, now.sysctl))
		fmt.Fprintf(&undo, "echo %d > /proc/sys/fs/leases-enable\n", now.leasesEnable)
		prove.WriteString(shows("/proc/sys/fs/leases-enable", 0))
		proveUndone.WriteString(shows("/proc/sys/fs/leases-enable", now.leasesEnable))
	}
	if n := s.LeaseSeconds; n != 0 {
		fmt.Fprintf(&inject, "mkdir -p /etc/nfs.conf.d\nprintf '[nfsd]\\nlease-time=%d\\ngrace-time=%[1]d\\n' > %s\n", n, settingConf)
		inject.WriteString(restartWith(n, n))
		// The batch has the server to itself and nothing is mounted: nobody has
		// anything to reclaim. A grace period that is over already cannot be ended
		// (EBUSY): the proof waits for its end in any case.
		inject.WriteString("echo Y 2>/dev/null > /proc/fs/nfsd/v4_end_grace || :\n")
		undo.WriteString(putBack(settingConf, now.conf))
		fmt.Fprintf(&undo, "[ \"$(cat /proc/fs/nfsd/nfsv4leasetime) $(cat /proc/fs/nfsd/nfsv4gracetime)\" = '%d %d' ] || {\n%s}\n", now.lease, now.grace, restartWith(now.lease, now.grace))
		for _, p := range []struct {
			to           *strings.Builder
			lease, grace int
		}{{&prove, n, n}, {&proveUndone, now.lease, now.grace}} {
			p.to.WriteString(shows("/proc/fs/nfsd/nfsv4leasetime", p.lease))
			p.to.WriteString(shows("/proc/fs/nfsd/nfsv4gracetime", p.grace))
			p.to.WriteString("threads=$(cat /proc/fs/nfsd/threads)\necho threads=$threads\n[ \"$threads\" -gt 0 ] || exit 1\n")
		}
		prove.WriteString("ended=$(cat /proc/fs/nfsd/v4_end_grace)\necho grace ended: $ended\n[ \"$ended\" = Y ] || exit 1\n")
	}
	return ServerSwitch{Inject: inject.String(), Undo: undo.String(), Prove: prove.String(), ProveUndone: proveUndone.String()}
}

// putBack restores a file to its former content, or removes it.
func putBack(file, content string) string {
	if content == "" {
		return "rm -f " + file + "\n"
	}
	return "echo " + sshnode.Quote(content) + " | base64 -d > " + file + "\n"
}

// restartWith restarts the service with a lease and grace time. The kernel
// takes them only while no thread runs, and keeps them until it is told
// otherwise, be it by nobody's configuration.
func restartWith(lease, grace int) string {
	return strings.Join([]string{
		bounded(restartBound, "systemctl", "stop", "nfs-server.service"),
		fmt.Sprintf("echo %d > /proc/fs/nfsd/nfsv4leasetime", lease),
		fmt.Sprintf("echo %d > /proc/fs/nfsd/nfsv4gracetime", grace),
		bounded(restartBound, "systemctl", "start", "nfs-server.service"),
	}, "\n") + "\n"
}

// shows is a line of a proof: the file holds the number.
func shows(file string, n int) string {
	return fmt.Sprintf("now=$(cat %s)\necho %[1]s $now\n[ \"$now\" = %d ] || exit 1\n", file, n)
}
