package nfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// MountStats is what the kernel counts for one NFS mount
// (/proc/PID/mountstats, fs/nfs/super.c and net/sunrpc/stats.c). Two readings
// around a trial prove load and reconnects.
type MountStats struct {
	Source     string            `json:"source"`
	Mountpoint string            `json:"mountpoint"`
	FSType     string            `json:"fstype"`
	Version    string            `json:"version"` // of the format, as in "1.1"
	Options    string            `json:"options"` // every option, defaults included
	Age        time.Duration     `json:"age_ns"`  // since it was mounted, in whole seconds
	Bytes      ByteStats         `json:"bytes"`
	Events     []uint64          `json:"events,omitempty"` // in the order of nfs_stat_eventcounters, include/linux/nfs_iostat.h
	Ops        map[string]OpStat `json:"ops"`              // by name: READ, WRITE, COMMIT...
	Transports []Transport       `json:"transports"`
}

// ByteStats counts bytes. Normal and direct are what programs read and wrote,
// server is what went over the wire.
type ByteStats struct {
	NormalRead, NormalWrite uint64
	DirectRead, DirectWrite uint64
	ServerRead, ServerWrite uint64
}

// OpStat counts the calls of one operation.
type OpStat struct {
	Ops           uint64 // calls
	Transmissions uint64 // calls sent, those sent again included
	Timeouts      uint64 // major timeouts
	BytesSent     uint64
	BytesReceived uint64
	Queue         time.Duration // sum of the time waiting to be sent
	RTT           time.Duration // sum of the time waiting for the reply
	Execute       time.Duration // sum of both and more
	Errors        uint64        // calls that ended in an error; 0 before version 1.1
}

// Transport is one connection of a mount (net/sunrpc/xprtsock.c); nconnect
// makes several.
type Transport struct {
	Proto     string // tcp, udp, local, rdma
	Binds     uint64
	Connects  uint64 // each one above the first is a reconnect
	Idle      time.Duration
	Sends     uint64
	Receives  uint64
	BadXIDs   uint64 // replies to calls that nobody waits for
	SourceTCP uint16 // source port; 0 when not known
}

// Total sums one counter over all operations.
func (m MountStats) Total(of func(OpStat) uint64) uint64 {
	var sum uint64
	for _, op := range m.Ops {
		sum += of(op)
	}
	return sum
}

// Connects sums the connections made by all transports.
func (m MountStats) Connects() uint64 {
	var sum uint64
	for _, t := range m.Transports {
		sum += t.Connects
	}
	return sum
}

// maxStatsLine bounds one line of a statistics file, in bytes.
const maxStatsLine = 1 << 20

// ParseMountStats reads a mountstats file and returns the NFS mounts in it.
// Lines that it does not know are passed over; known ones that are malformed
// are errors.
func ParseMountStats(r io.Reader) ([]MountStats, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxStatsLine)
	var all []MountStats
	var cur *MountStats
	perOp := false
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(line, "device ") {
			m, ok := parseDevice(line)
			cur, perOp = nil, false
			if ok {
				all = append(all, m)
				cur = &all[len(all)-1]
			}
			continue
		}
		if cur == nil || line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			if line == "per-op statistics" {
				perOp = true
			}
			continue
		}
		if err := cur.set(key, strings.TrimSpace(value), perOp); err != nil {
			return nil, fmt.Errorf("parse mountstats of %s: line %q: %w", cur.Mountpoint, line, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("parse mountstats: %w", err)
	}
	return all, nil
}

// parseDevice reads "device S mounted on M with fstype nfs4 statvers=1.1".
func parseDevice(line string) (MountStats, bool) {
	rest := strings.TrimPrefix(line, "device ")
	source, rest, ok := strings.Cut(rest, " mounted on ")
	if !ok {
		return MountStats{}, false
	}
	target, rest, ok := strings.Cut(rest, " with fstype ")
	if !ok {
		return MountStats{}, false
	}
	fstype, version, _ := strings.Cut(rest, " statvers=")
	if fstype != "nfs" && fstype != "nfs4" {
		return MountStats{}, false
	}
	return MountStats{
		Source: unescape(source), Mountpoint: unescape(target), FSType: fstype,
		Version: version, Ops: map[string]OpStat{},
	}, true
}

// unescape undoes the octal escapes of seq_path (fs/seq_file.c).
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func (m *MountStats) set(key, value string, perOp bool) error {
	switch key {
	case "opts":
		m.Options = value
		return nil
	case "age":
		n, err := counters(value, 1)
		if err != nil {
			return err
		}
		m.Age = seconds(n[0])
		return nil
	case "bytes":
		n, err := counters(value, 6)
		if err != nil {
			return err
		}
		m.Bytes = ByteStats{n[0], n[1], n[2], n[3], n[4], n[5]}
		return nil
	case "events":
		n, err := counters(value, 1)
		m.Events = n
		return err
	case "xprt":
		t, err := parseTransport(value)
		if err == nil {
			m.Transports = append(m.Transports, t)
		}
		return err
	}
	if !perOp {
		return nil
	}
	n, err := counters(value, 8)
	if err != nil {
		return err
	}
	op := OpStat{
		Ops: n[0], Transmissions: n[1], Timeouts: n[2], BytesSent: n[3], BytesReceived: n[4],
		Queue: millis(n[5]), RTT: millis(n[6]), Execute: millis(n[7]),
	}
	if len(n) > 8 {
		op.Errors = n[8]
	}
	m.Ops[key] = op
	return nil
}

// parseTransport reads "tcp PORT BINDS CONNECTS CONNECT_TIME IDLE SENDS RECVS
// BAD_XIDS ...". A local transport has no port, a UDP one no connections.
func parseTransport(value string) (Transport, error) {
	proto, rest, _ := strings.Cut(value, " ")
	t := Transport{Proto: proto}
	switch proto {
	case "tcp", "rdma":
		n, err := counters(rest, 8)
		if err != nil {
			return t, err
		}
		t.SourceTCP, t.Binds, t.Connects, t.Idle = uint16(n[0]), n[1], n[2], seconds(n[4])
		t.Sends, t.Receives, t.BadXIDs = n[5], n[6], n[7]
	case "udp":
		n, err := counters(rest, 5)
		if err != nil {
			return t, err
		}
		t.Binds, t.Sends, t.Receives, t.BadXIDs = n[1], n[2], n[3], n[4]
	case "local":
		n, err := counters(rest, 7)
		if err != nil {
			return t, err
		}
		t.Binds, t.Connects, t.Idle = n[0], n[1], seconds(n[3])
		t.Sends, t.Receives, t.BadXIDs = n[4], n[5], n[6]
	}
	return t, nil
}

var errFewFields = errors.New("too few fields")

// counters reads numbers and wants at least least of them. Counters that the
// kernel prints as signed and that went below zero count as 0.
func counters(s string, least int) ([]uint64, error) {
	fields := strings.Fields(s)
	if len(fields) < least {
		return nil, errFewFields
	}
	out := make([]uint64, 0, len(fields))
	for _, f := range fields {
		if strings.HasPrefix(f, "-") {
			if _, err := strconv.ParseInt(f, 10, 64); err != nil {
				return nil, err
			}
			out = append(out, 0)
			continue
		}
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// seconds and millis keep what does not fit a time.Duration from wrapping.
func seconds(n uint64) time.Duration { return scaled(n, time.Second) }
func millis(n uint64) time.Duration  { return scaled(n, time.Millisecond) }

func scaled(n uint64, unit time.Duration) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	if n > uint64(longest/unit) {
		return longest
	}
	return time.Duration(n) * unit
}

// NoStatsError says that a node has no statistics for a mount point.
type NoStatsError struct{ Node, Target string }

func (e *NoStatsError) Error() string {
	return fmt.Sprintf("read mountstats on %s: no NFS mount on %s", e.Node, e.Target)
}

// ReadMountStats reads the statistics of the mount on top at target. The error
// is a *NoStatsError when there is none.
func ReadMountStats(ctx context.Context, node *sshnode.Node, target string) (MountStats, error) {
	res, err := runWithin(ctx, node, shortDeadline, "cat /proc/1/mountstats")
	if err != nil {
		return MountStats{}, fmt.Errorf("read mountstats: %w", err)
	}
	all, err := ParseMountStats(strings.NewReader(string(res.Stdout)))
	if err != nil {
		return MountStats{}, fmt.Errorf("read mountstats on %s: %w", node.Name(), err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Mountpoint == target {
			return all[i], nil
		}
	}
	return MountStats{}, &NoStatsError{Node: node.Name(), Target: target}
}
