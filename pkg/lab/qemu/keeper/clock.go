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
	// clockTries bounds the attempts: each starts a process in the guest, whose
	// start under TCG takes tens of milliseconds, and not always as many.
	clockTries = 6
	// clockPings is how many readings a measurement takes; the one with the
	// shortest round trip counts.
	clockPings = 4
)

// clockScript answers each line with what the clock says, read without starting
// a process. A number moves the clock by so many microseconds first.
const clockScript = `export LC_ALL=C; echo up
while read -r by; do
  if [ "$by" != - ]; then
    t=$((${EPOCHREALTIME/./} + by))
    date -u -s "@${t%??????}.${t: -6}" >/dev/null
  fi
  echo "$EPOCHREALTIME"
done`

// setClock sets a machine's wall clock by this host's and measures how well.
// The clock loses the time that setting it takes; how much, each attempt learns
// from the one before.
func setClock(ctx context.Context, node *sshnode.Node) (*qemu.Clock, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p, err := node.Start(ctx, "bash -c "+sshnode.Quote(clockScript))
	if err != nil {
		return nil, fmt.Errorf("set clock: %w", err)
	}
	defer p.Kill()
	defer context.AfterFunc(ctx, p.Kill)()
	s := clockSession{send: p.Stdin, answers: bufio.NewScanner(p.Stdout)}
	if !s.answers.Scan() {
		return nil, fmt.Errorf("set clock: the shell does not answer: %v", s.answers.Err())
	}
	best, err := s.measure()
	if err != nil {
		return nil, err
	}
	cost := 10 * time.Millisecond // of setting it
	for range clockTries {
		if math.Abs(best.OffsetMS)+best.ErrorMS <= ms(clockGoal) {
			break
		}
		by := cost - fromMS(best.OffsetMS)
		if _, err := s.ask(strconv.FormatInt(by.Microseconds(), 10)); err != nil {
			return nil, err
		}
		if best, err = s.measure(); err != nil {
			return nil, err
		}
		cost = min(max(cost-fromMS(best.OffsetMS), 0), time.Second)
	}
	return best, nil
}

type clockSession struct {
	send    io.Writer
	answers *bufio.Scanner
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
	if !s.answers.Scan() {
		return nil, fmt.Errorf("set clock: no answer: %v", s.answers.Err())
	}
	wait := time.Since(sent)
	there, err := parseClock(s.answers.Text())
	if err != nil {
		return nil, err
	}
	// Round strips the monotonic reading: wall clocks are compared.
	return &qemu.Clock{OffsetMS: ms(there.Sub(sent.Round(0).Add(wait / 2))), ErrorMS: ms(wait / 2), At: sent.UTC()}, nil
}

// parseClock reads bash's EPOCHREALTIME: seconds and microseconds.
func parseClock(s string) (time.Time, error) {
	sec, frac, ok := strings.Cut(strings.TrimSpace(s), ".")
	if !ok || len(frac) != 6 {
		return time.Time{}, fmt.Errorf("read clock: %q is not seconds and microseconds", s)
	}
	a, err := strconv.ParseInt(sec, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	b, err := strconv.ParseUint(frac, 10, 32)
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return time.Unix(a, int64(b)*1000), nil
}

func fromMS(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
