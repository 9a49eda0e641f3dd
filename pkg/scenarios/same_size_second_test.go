package scenarios

import (
	"errors"
	"strconv"
	"testing"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// withinASecond is a trial with one attempt, both of whose versions have the
// ctime stamp, in ns.
func withinASecond(stamp int64) (*script, []rundir.Observation) {
	const file = modeSameSizeSecond + "/1"
	s := new(script).write(0, file, "v1", "close").read(10, file, "v1", "reopen").write(20, file, "v2", "close").truth(file, "v2")
	return s, []rundir.Observation{
		{Event: stampSeen, Subject: file, Detail: "v1", Value: strconv.FormatInt(stamp, 10)},
		{Event: stampSeen, Subject: file, Detail: "v2", Value: strconv.FormatInt(stamp, 10)},
	}
}

func TestJudgeSameSizeSecond(t *testing.T) {
	t.Parallel()
	const first, second = modeSameSizeSecond + "/1", modeSameSizeSecond + "/2"
	const stamp = 1764099712_000000000
	for _, tc := range []struct {
		name  string
		spoil func(s *script, e *Evidence)
		want  string
	}{
		{"stale for good", func(s *script, _ *Evidence) {
			s.read(30, first, "v1", "reopen").read(8030, first, "v1", "reopen")
		}, "UNBOUNDED_STALE DURABLE"},
		{"fresh at once", func(s *script, _ *Evidence) { s.read(30, first, "v2", "reopen") }, "LINEARIZABLE DURABLE"},
		{"fresh in the end", func(s *script, _ *Evidence) {
			s.read(30, first, "v1", "reopen").read(3021, first, "v1", "reopen").read(3100, first, "v2", "reopen")
		}, "BOUNDED_STALE(3000 ms) DURABLE"},
		{"an attempt that took too long before", func(s *script, e *Evidence) {
			e.Observations[1].Value = strconv.FormatInt(stamp+1e9, 10)
			s.write(40, second, "v1", "close").read(50, second, "v1", "reopen").write(60, second, "v2", "close").read(70, second, "v1", "reopen").truth(second, "v2")
			for _, token := range []string{"v1", "v2"} {
				e.Observations = append(e.Observations, rundir.Observation{Event: stampSeen, Subject: second, Detail: token, Value: strconv.FormatInt(stamp+1e9, 10)})
			}
		}, "UNBOUNDED_STALE DURABLE"},
		{"two seconds", func(s *script, e *Evidence) {
			s.read(30, first, "v1", "reopen")
			e.Observations[1].Value = strconv.FormatInt(stamp+1e9, 10)
		}, "UNBOUNDED_STALE DURABLE INCONCLUSIVE"},
		{"a clock that is finer", func(s *script, e *Evidence) {
			s.read(30, first, "v1", "reopen")
			for i := range e.Observations {
				e.Observations[i].Value = strconv.FormatInt(stamp+4e6, 10)
			}
		}, "UNBOUNDED_STALE DURABLE INCONCLUSIVE"},
		{"nobody looked at the disk", func(s *script, e *Evidence) {
			s.read(30, first, "v1", "reopen")
			e.Observations = e.Observations[:1]
		}, "UNBOUNDED_STALE DURABLE INCONCLUSIVE"},
		{"no read between", func(s *script, _ *Evidence) {
			(*s)[1].Invoke, (*s)[1].Return = millis(20.5), millis(22)
			s.read(30, first, "v1", "reopen")
		}, "UNBOUNDED_STALE DURABLE INCONCLUSIVE"},
		{"nobody read afterwards", func(*script, *Evidence) {}, "LINEARIZABLE DURABLE INCONCLUSIVE INCONCLUSIVE"},
		{"sizes that tell", func(s *script, _ *Evidence) {
			(*s)[2].Size = 1
			s.read(30, first, "v2", "reopen")
		}, "LINEARIZABLE DURABLE INCONCLUSIVE"},
		{"lost", func(s *script, _ *Evidence) {
			s.read(30, first, "v2", "reopen")
			(*s)[3].Value = "v1"
		}, "LINEARIZABLE ACKED_LOST"},
		{"a server that cannot", func(s *script, e *Evidence) {
			*s = nil
			e.Trial.Facts = map[string]any{factNoCoarse: "there is no mke2fs"}
		}, "NOT_APPLICABLE"},
		{"nothing recorded", func(s *script, _ *Evidence) { *s = nil }, "INCONCLUSIVE INCONCLUSIVE INCONCLUSIVE INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, seen := withinASecond(stamp)
			e := &Evidence{Trial: rundir.TrialMeta{Facts: map[string]any{factCoarse: "1764099712.000000000"}}, Observations: seen, Before: rundir.Ledger{}, After: rundir.Ledger{}}
			tc.spoil(s, e)
			e.Ops = *s
			if got := modeWords(t, judgeCloseToOpen(e), modeSameSizeSecond); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestJudgeBeforeSameSizeSecond checks that trials from before there was the mode
// have none.
func TestJudgeBeforeSameSizeSecond(t *testing.T) {
	t.Parallel()
	for _, m := range judgeCloseToOpen(new(script).evidence()).Modes {
		if m.Name == modeSameSizeSecond {
			t.Errorf("%s is %s", m.Name, figures(m.Outcomes))
		}
	}
}

func TestCoarseUnavailable(t *testing.T) {
	t.Parallel()
	exit := func(status int) error {
		return &sshnode.ExitError{Node: "server", Result: sshnode.Result{ExitStatus: status, Stderr: []byte("mount: unknown type\nno ext4\n")}}
	}
	for _, tc := range []struct {
		name string
		err  error
		why  string
		ok   bool
	}{
		{"the server cannot", &fault.InjectError{Step: "inject", Err: exit(nfs.CoarseFSUnavailable)}, "mount: unknown type no ext4", true},
		{"another failure", &fault.InjectError{Step: "inject", Err: exit(1)}, "", false},
		{"what was begun is still there", &fault.InjectError{Step: "inject", Err: exit(nfs.CoarseFSUnavailable), Undo: errors.New("busy")}, "", false},
		{"the timer could not be armed", &fault.InjectError{Step: "arm", Err: errors.New("no connection")}, "", false},
		{"not proven", &fault.NotProvenError{}, "", false},
		{"nothing", nil, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if why, ok := coarseUnavailable(tc.err); why != tc.why || ok != tc.ok {
				t.Errorf("got %q, %v, want %q, %v", why, ok, tc.why, tc.ok)
			}
		})
	}
}
