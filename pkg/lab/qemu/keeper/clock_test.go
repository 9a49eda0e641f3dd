package keeper

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// skewedClock is a machine whose wall clock is off.
func skewedClock(offset time.Duration) func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
	return func(cmd string, stdin io.Reader, stdout, _ io.Writer) int {
		if !strings.HasPrefix(cmd, "perl ") {
			return 127
		}
		fmt.Fprintln(stdout, "up")
		lines := bufio.NewScanner(stdin)
		for lines.Scan() {
			if by := lines.Text(); by != "-" {
				ns, err := strconv.ParseInt(by, 10, 64)
				if err != nil {
					return 1
				}
				offset += time.Duration(ns)
			}
			now := time.Now().Add(offset)
			fmt.Fprintf(stdout, "%d.%09d\n", now.Unix(), now.Nanosecond())
		}
		return 0
	}
}

func TestSetClock(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{0, 3 * 24 * time.Hour, -40 * time.Minute, 200 * time.Millisecond} {
		t.Run(offset.String(), func(t *testing.T) {
			t.Parallel()
			srv := sshtest.New(t, sshtest.Options{Handler: skewedClock(offset)})
			node, err := sshnode.Dial(t.Context(), srv.Config())
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			clock, err := setClock(t.Context(), node, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			// Generous: the test machine may be busy. What counts is that days
			// are gone.
			if math.Abs(clock.OffsetMS) > 1000 {
				t.Errorf("clock = %+v", clock)
			}
		})
	}
}

func TestSetClockOnAMachineThatSpeaksNonsense(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{Handler: func(_ string, stdin io.Reader, stdout, _ io.Writer) int {
		fmt.Fprintln(stdout, "up")
		_, _ = bufio.NewReader(stdin).ReadString('\n')
		fmt.Fprintln(stdout, "half past nine")
		return 0
	}})
	node, err := sshnode.Dial(t.Context(), srv.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if c, err := setClock(t.Context(), node, "amd64"); err == nil {
		t.Errorf("clock = %+v", c)
	}
}

func FuzzParseClock(f *testing.F) {
	f.Add("1795174353.167702345")
	f.Add("1795174353,167702345")
	f.Add("-1.000000000")
	f.Fuzz(func(t *testing.T, in string) {
		if c, err := parseClock(in); err == nil && (c.Nanosecond() < 0 || c.Nanosecond() >= 1e9) {
			t.Errorf("%q: %v", in, c)
		}
	})
}
