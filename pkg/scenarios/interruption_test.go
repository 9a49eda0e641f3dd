package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// at is a moment or a duration in ns.
func at(n int64) int64 { return n * 1_000_000 }

// cutTrial is a hand-made trial of partition with one mode, drop-long: cut at
// 10 s, proven at 10.1 s, healing from 35 s to 35.4 s.
type cutTrial struct {
	e   *Evidence
	seq int64
}

func newCutTrial() *cutTrial {
	t := &cutTrial{e: &Evidence{
		Run:    rundir.RunMeta{LeaseS: 15, GraceS: 15},
		Trial:  rundir.TrialMeta{Facts: map[string]any{connectsFact + modeDropLong: 1.0}, Granted: map[string]string{"timeo": "50", "retrans": "1", "soft": ""}},
		Before: rundir.Ledger{}, After: rundir.Ledger{},
		Faults:       []rundir.FaultRecord{{Name: modeDropLong, InjectedAt: at(10_000), ProvenAt: at(10_100), HealedAt: at(35_400), Proven: true}},
		Observations: []rundir.Observation{{T: at(35_000), Event: healBegins, Subject: modeDropLong}},
	}}
	for from := int64(8000); from < 10_000; from += 400 {
		t.append(from, from+50, "")
	}
	return t
}

// append adds an append, in ms, and its record to the disk unless it failed.
func (t *cutTrial) append(from, to int64, errno string) *cutTrial {
	t.seq++
	op := history.Op{
		Client: "worker1", Lane: "appender", Func: history.Append, File: modeDropLong + "/log", Mode: history.ModeFsync,
		Value: fmt.Sprintf("worker1#%d", t.seq), Seq: t.seq, Invoke: at(from), Return: at(to), Errno: errno, Result: history.OK,
	}
	if errno != "" {
		op.Result = history.Unknown
	}
	t.e.Ops = append(t.e.Ops, op)
	if errno == "" {
		t.truth(op.Value)
	}
	return t
}

func (t *cutTrial) truth(value string) {
	t.e.Ops = append(t.e.Ops, history.Op{
		Client: history.ClientDisk, Func: history.Truth, File: modeDropLong + "/log", Kind: history.KindToken, Value: value,
		Seq: int64(len(t.e.Ops)), Invoke: at(60_000), Return: at(60_001), Result: history.OK,
	})
}

// read adds a read that saw the register.
func (t *cutTrial) read(from, to int64) *cutTrial {
	t.e.Ops = append(t.e.Ops, history.Op{
		Client: "worker1", Lane: "reader", Func: history.Read, File: modeDropLong + "/register", Mode: history.ModeReopen,
		Value: "x", Kind: history.KindToken, Invoke: at(from), Return: at(to), Result: history.OK,
	})
	return t
}

// lock adds a lock call of a lane, or a write of the holder under it.
func (t *cutTrial) lock(lane, fn string, when int64, result, errno string) *cutTrial {
	client := "worker1"
	if lane == laneRival {
		client = "worker2"
	}
	t.e.Ops = append(t.e.Ops, history.Op{
		Client: client, Lane: lane, Func: fn, File: modeDropLong + "/lock", Invoke: at(when), Return: at(when + 5), Result: result, Errno: errno,
	})
	return t
}

// calm adds what a load shows where nothing is wrong with the lock and the
// reads, and that the appends went on.
func (t *cutTrial) calm() *cutTrial {
	t.read(9000, 9010).read(9500, 9510).read(36_000, 36_020)
	t.lock(laneHolder, history.Lock, 7000, history.OK, "").lock(laneRival, history.Lock, 7100, history.Fail, "EAGAIN")
	t.lock(laneRival, history.Lock, 36_500, history.Fail, "EAGAIN").lock(laneHolder, history.Write, 36_600, history.OK, "")
	return t
}

func words(list []outcome.Outcome) string {
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = string(o.Word)
	}
	return strings.Join(names, " ")
}

func TestJudgePartition(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		build func() *cutTrial
		want  string
		notes []string // each is in some note
	}{
		{
			"hard: hangs and goes on",
			func() *cutTrial { return newCutTrial().append(10_200, 37_000, "").append(37_400, 37_500, "").calm() },
			"DURABLE RECOVERED RECOVERED EXCLUSIVE",
			[]string{"append of record 6: hung while cut 24.80 s", "tail after healing 1.8 s (±0.2 s)"},
		},
		{
			"soft: gives up, and what it was told is true",
			func() *cutTrial {
				return newCutTrial().append(10_200, 20_210, "EIO").append(20_500, 30_505, "EIO").append(30_700, 36_000, "").calm()
			},
			"DURABLE EIO RECOVERED RECOVERED EXCLUSIVE",
			[]string{"from the call to the error 10.0 s (min 10.0, median 10.0, p95 10.0, n=2); timeo x (retrans + 1) is 10 s"},
		},
		{
			"soft: a failed append may be on the disk all the same",
			func() *cutTrial {
				c := newCutTrial().append(10_200, 20_210, "EIO").append(35_500, 36_000, "").calm()
				c.truth("worker1#6")
				return c
			},
			"DURABLE EIO RECOVERED RECOVERED EXCLUSIVE", nil,
		},
		{
			"softerr",
			func() *cutTrial {
				return newCutTrial().append(10_200, 25_200, "ETIMEDOUT").append(35_500, 36_000, "").calm()
			},
			"DURABLE ETIMEDOUT RECOVERED RECOVERED EXCLUSIVE", nil,
		},
		{
			"acknowledged and gone",
			func() *cutTrial {
				c := newCutTrial().append(10_200, 37_000, "").calm()
				c.e.Ops = deleteValue(c.e.Ops, "worker1#6")
				return c
			},
			"ACKED_LOST RECOVERED RECOVERED EXCLUSIVE", nil,
		},
		{
			"never goes on",
			func() *cutTrial { return newCutTrial().append(10_200, 0, "").calm() },
			"DURABLE HUNG RECOVERED EXCLUSIVE", nil,
		},
		{
			"a connection was left open",
			func() *cutTrial { return newCutTrial().append(10_200, 10_300, "").append(37_400, 37_500, "").calm() },
			"NO_FAULT", nil,
		},
		{
			"nothing was tried while cut",
			func() *cutTrial { return newCutTrial().append(37_400, 37_500, "").calm() },
			"INCONCLUSIVE", nil,
		},
		{
			"not proven",
			func() *cutTrial {
				c := newCutTrial().append(10_200, 37_000, "").calm()
				c.e.Faults[0].Proven = false
				return c
			},
			"NO_FAULT", nil,
		},
		{
			"the rival is given the lock",
			func() *cutTrial {
				return newCutTrial().append(10_200, 37_000, "").calm().lock(laneRival, history.Lock, 27_000, history.OK, "")
			},
			"DURABLE RECOVERED RECOVERED LOCK_LOST", nil,
		},
		{
			"locks are local",
			func() *cutTrial {
				c := newCutTrial().append(10_200, 37_000, "")
				return c.lock(laneHolder, history.Lock, 7000, history.OK, "").lock(laneRival, history.Lock, 7100, history.OK, "").read(9000, 9010).read(9900, 36_000)
			},
			"DURABLE RECOVERED RECOVERED TWO_WRITERS", nil,
		},
		{
			"the holder is told that its lock is gone",
			func() *cutTrial {
				c := newCutTrial().append(10_200, 37_000, "").calm()
				c.e.Ops[len(c.e.Ops)-1].Result, c.e.Ops[len(c.e.Ops)-1].Errno = history.Unknown, "EIO"
				return c
			},
			"DURABLE RECOVERED RECOVERED LOCK_LOST", nil,
		},
		{
			"nobody tried the lock after the fault",
			func() *cutTrial {
				return newCutTrial().append(10_200, 37_000, "").read(9000, 9010).read(9900, 36_000).lock(laneHolder, history.Lock, 7000, history.OK, "")
			},
			"DURABLE RECOVERED RECOVERED INCONCLUSIVE", nil,
		},
		{
			"reads go on under a delegation",
			func() *cutTrial {
				c := newCutTrial().append(10_200, 37_000, "").calm()
				for from := int64(10_000); from < 36_000; from += 1000 {
					c.read(from, from+5)
				}
				return c
			},
			"DURABLE RECOVERED UNINTERRUPTED EXCLUSIVE", nil,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := tc.build()
			j := judgePartition(c.e)
			if len(j.Modes) != 1 || j.Modes[0].Name != modeDropLong {
				t.Fatalf("modes %+v", j.Modes)
			}
			if diff := cmp.Diff(tc.want, words(j.Modes[0].Outcomes)); diff != "" {
				t.Errorf("%s\n%+v", diff, j.Modes[0])
			}
			for _, note := range tc.notes {
				if !strings.Contains(strings.Join(j.Modes[0].Notes, "\n"), note) {
					t.Errorf("no note has %q: %q", note, j.Modes[0].Notes)
				}
			}
		})
	}
}

// deleteValue takes a record off the disk.
func deleteValue(ops []history.Op, value string) []history.Op {
	var out []history.Op
	for _, op := range ops {
		if op.Func != history.Truth || op.Value != value {
			out = append(out, op)
		}
	}
	return out
}

// TestJudgeShortCut checks that a short cut that lasted too long decides nothing.
func TestJudgeShortCut(t *testing.T) {
	t.Parallel()
	for healed, want := range map[int64]string{at(16_000): "DURABLE RECOVERED RECOVERED EXCLUSIVE", at(26_000): "INCONCLUSIVE"} {
		e := newCutTrial().append(10_200, 15_800, "").calm().e
		for i := range e.Ops {
			e.Ops[i].File = modeRejectShort + strings.TrimPrefix(e.Ops[i].File, modeDropLong)
		}
		e.Faults[0].Name, e.Faults[0].HealedAt = modeRejectShort, healed
		e.Observations = []rundir.Observation{{T: at(15_200), Event: healBegins, Subject: modeRejectShort}}
		if diff := cmp.Diff(want, words(judgePartition(e).Modes[0].Outcomes)); diff != "" {
			t.Errorf("healed at %d: %s", healed, diff)
		}
	}
}

func TestJudgeServerRestart(t *testing.T) {
	t.Parallel()
	build := func(end int64) *Evidence {
		e := newCutTrial().append(10_000, 10_000+end, "").calm().e
		rename := strings.NewReplacer(modeDropLong, modeRestart)
		for i := range e.Ops {
			e.Ops[i].File = rename.Replace(e.Ops[i].File)
		}
		e.Faults = []rundir.FaultRecord{{Name: modeRestart, InjectedAt: at(10_100), ProvenAt: at(10_200), HealedAt: at(10_300), Proven: true}}
		e.Observations = nil
		e.Trial.Facts = map[string]any{connectsFact + modeRestart: 1.0}
		return e
	}
	for _, tc := range []struct {
		name string
		end  int64 // of the append that the restart interrupts, ms after its call
		turn func(e *Evidence)
		want string
	}{
		{"a short gap", 1500, nil, "DURABLE UNINTERRUPTED RECOVERED_AFTER_GRACE EXCLUSIVE"},
		{"a gap within the grace period", 9000, nil, "DURABLE RECOVERED RECOVERED_AFTER_GRACE EXCLUSIVE"},
		{"a gap past the grace period", 16_000, nil, "DURABLE RECOVERED_AFTER_GRACE RECOVERED_AFTER_GRACE EXCLUSIVE"},
		{"the client never connected anew", 1500, func(e *Evidence) { e.Trial.Facts[connectsFact+modeRestart] = 0.0 }, "NO_FAULT"},
		{"nobody counted the connections", 1500, func(e *Evidence) { e.Trial.Facts = nil }, "NO_FAULT"},
		{"not proven", 1500, func(e *Evidence) { e.Faults[0].Proven = false }, "NO_FAULT"},
		{"never healed", 1500, func(e *Evidence) { e.Faults[0].HealedAt = 0 }, "INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := build(tc.end)
			if tc.turn != nil {
				tc.turn(e)
			}
			j := judgeServerRestart(e)
			if len(j.Modes) != 1 {
				t.Fatalf("modes %+v", j.Modes)
			}
			if diff := cmp.Diff(tc.want, words(j.Modes[0].Outcomes)); diff != "" {
				t.Errorf("%s\n%+v", diff, j.Modes[0])
			}
		})
	}
}
