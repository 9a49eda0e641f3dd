package keeper

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// clockGoal is how near a machine's wall clock must be, by the worst case:
	// offset and uncertainty added. A goal met early ends the setting.
	clockGoal = 50 * time.Millisecond
	// clockTries bounds the attempts; one does, unless the host is very busy.
	clockTries = 4
	// clockPings is how many readings a measurement takes; the one with the
	// shortest round trip counts.
	clockPings = 4
)

// clockScript answers each line with what the clock says; a number moves the
// clock by so many nanoseconds first. It is one Perl process, which every
// Debian has, and makes the system calls itself: a process started for each
// setting would take tens to hundreds of milliseconds under TCG, and the clock
// be late by as much.
const clockScript = `use integer; $| = 1;
my ($get, $set) = @ARGV;
sub now { my $b = pack("q q", 0, 0); syscall($get, 0, $b) == 0 or die "clock_gettime: $!"; return unpack("q q", $b) }
print "up\n";
while (my $by = <STDIN>) {
  chomp $by;
  if ($by ne "-") {
    my ($s, $n) = now();
    my $t = $s * 1000000000 + $n + $by;
    syscall($set, 0, pack("q q", $t / 1000000000, $t % 1000000000)) == 0 or die "clock_settime: $!";
  }
  printf "%d.%09d\n", now();
}`

// clockCalls are the numbers of clock_gettime and clock_settime
// (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
func clockCalls(arch string) (get, set string) {
	if arch == "arm64" {
		return "113", "112"
	}
	return "228", "227"
}

// setClock sets a machine's wall clock by this host's and measures how well.
func setClock(ctx context.Context, node *sshnode.Node, arch string) (*qemu.Clock, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	get, set := clockCalls(arch)
	p, err := node.Start(ctx, sshnode.Quote("perl", "-e", clockScript, get, set))
	if err != nil {
		return nil, fmt.Errorf("set clock: %w", err)
	}
	defer p.Kill()
	defer context.AfterFunc(ctx, p.Kill)()
	s := clockSession{send: p.Stdin, answers: bufio.NewScanner(p.Stdout)}
	if _, err := s.answer(); err != nil {
		return nil, err
	}
	best, err := s.measure()
	for range clockTries {
		if err != nil || math.Abs(best.OffsetMS)+best.ErrorMS <= ms(clockGoal) {
			break
		}
		if _, err = s.ask(strconv.FormatInt(-int64(best.OffsetMS*float64(time.Millisecond)), 10)); err != nil {
			break
		}
		best, err = s.measure()
	}
	return best, err
}

type clockSession struct {
	send    io.Writer
	answers *bufio.Scanner
}

// answer waits for one line. The error of a script that ended wraps
// io.ErrUnexpectedEOF.
func (s *clockSession) answer() (string, error) {
	if s.answers.Scan() {
		return s.answers.Text(), nil
	}
	err := s.answers.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return "", fmt.Errorf("set clock: no answer: %w", err)
}

// measure asks several times and keeps the surest answer.
func (s *clockSession) measure() (*qemu.Clock, error) {
	var best *qemu.Clock
	for range clockPings {
		c, err := s.ask("-")
		if err != nil {
			return nil, err
		}
		if best == nil || c.ErrorMS < best.ErrorMS {
			best = c
		}
	}
	return best, nil
}

// ask sends one line and compares the answer with the middle of the wait.
func (s *clockSession) ask(line string) (*qemu.Clock, error) {
	sent := time.Now()
	if _, err := io.WriteString(s.send, line+"\n"); err != nil {
		return nil, fmt.Errorf("set clock: %w", err)
	}
	text, err := s.answer()
	if err != nil {
		return nil, err
	}
	wait := time.Since(sent)
	there, err := parseClock(text)
	if err != nil {
		return nil, err
	}
	// Round strips the monotonic reading: wall clocks are compared.
	return &qemu.Clock{OffsetMS: ms(there.Sub(sent.Round(0).Add(wait / 2))), ErrorMS: ms(wait / 2), At: sent.UTC()}, nil
}

// parseClock reads seconds and nanoseconds.
func parseClock(s string) (time.Time, error) {
	sec, frac, ok := strings.Cut(strings.TrimSpace(s), ".")
	if !ok || len(frac) != 9 {
		return time.Time{}, fmt.Errorf("read clock: %q is not seconds and nanoseconds", s)
	}
	a, err := strconv.ParseInt(sec, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	b, err := strconv.ParseUint(frac, 10, 32)
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return time.Unix(a, int64(b)), nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
