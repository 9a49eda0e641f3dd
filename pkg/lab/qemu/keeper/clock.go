package keeper

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// clockGoal is how near a machine's wall clock must be; a goal met early
	// ends the setting.
	clockGoal = 50 * time.Millisecond
	// clockTries bounds the attempts: each starts a process in the guest, whose
	// start under TCG takes tens of milliseconds, and not always as many.
	clockTries = 5
)

// clockScript sets the clock for each line it reads and answers with what the
// clock then says. Setting it is one process, reading it another.
const clockScript = `echo up; while read -r t; do [ "$t" = - ] || date -u -s "@$t" >/dev/null; date -u +%s.%N; done`

// setClock sets a machine's wall clock by this host's and measures how well.
// The delay between sending and setting is learnt from one attempt to the next.
func setClock(ctx context.Context, node *sshnode.Node) (*qemu.Clock, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p, err := node.Start(ctx, "sh -c "+sshnode.Quote(clockScript))
	if err != nil {
		return nil, fmt.Errorf("set clock: %w", err)
	}
	defer p.Kill()
	defer context.AfterFunc(ctx, p.Kill)()
	s := clockSession{send: p.Stdin, answers: bufio.NewScanner(p.Stdout)}
	if !s.answers.Scan() {
		return nil, fmt.Errorf("set clock: the shell does not answer: %v", s.answers.Err())
	}
	best, err := s.measure("-")
	if err != nil {
		return nil, err
	}
	delay := 20 * time.Millisecond
	for range clockTries {
		if math.Abs(best.OffsetMS)+best.ErrorMS <= ms(clockGoal) {
			break
		}
		target := time.Now().Add(delay)
		if _, err := s.measure(fmt.Sprintf("%d.%09d", target.Unix(), target.Nanosecond())); err != nil {
			return nil, err
		}
		if best, err = s.measure("-"); err != nil {
			return nil, err
		}
		delay -= time.Duration(best.OffsetMS * float64(time.Millisecond))
		delay = min(max(delay, 0), time.Second)
	}
	return best, nil
}

type clockSession struct {
	send interface {
		Write([]byte) (int, error)
	}
	answers *bufio.Scanner
}

// measure sends one line and compares the answer with the middle of the wait.
func (s *clockSession) measure(line string) (*qemu.Clock, error) {
	sent := time.Now()
	if _, err := s.send.Write([]byte(line + "\n")); err != nil {
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
	middle := sent.Add(wait / 2)
	return &qemu.Clock{OffsetMS: ms(there.Sub(middle.Round(0))), ErrorMS: ms(wait / 2), At: sent.UTC()}, nil
}

// parseClock reads what `date +%s.%N` prints.
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
