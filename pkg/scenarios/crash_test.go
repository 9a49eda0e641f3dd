package scenarios

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// crashTrial is a hand-made trial in which a machine was reset at 10 s: each log
// has eight records, acknowledged one a second from 2 s on, all on the disk.
func crashTrial(modes ...string) *Evidence {
	e := &Evidence{
		Run: rundir.RunMeta{LeaseS: 15}, Before: rundir.Ledger{}, After: rundir.Ledger{},
		Faults: []rundir.FaultRecord{
			{Name: "nfs-hold", InjectedAt: at(500), ProvenAt: at(600), HealedAt: at(70_000), Proven: true},
			{Name: faultReset, InjectedAt: at(10_000), ProvenAt: at(60_000), HealedAt: at(60_000), Proven: true},
		},
	}
	for _, mode := range modes {
		for seq := int64(1); seq <= 8; seq++ {
			how := mode
			if mode == history.ModeUnflushed && seq <= crashRecords {
				how = history.ModeFsync
			}
			value := fmt.Sprintf("worker1#%d", seq)
			e.Ops = append(e.Ops,
				history.Op{Client: "worker1", Lane: "appender", Func: history.Append, File: mode, Mode: how, Value: value, Seq: seq, Invoke: at(1000 + seq*1000), Return: at(1050 + seq*1000), Result: history.OK},
				history.Op{Client: history.ClientDisk, Func: history.Truth, File: mode, Kind: history.KindToken, Value: value, Seq: seq, Invoke: at(80_000), Return: at(80_001), Result: history.OK},
			)
		}
	}
	return e
}

func modeNamed(t *testing.T, j Judgement, name string) Mode {
	t.Helper()
	for _, m := range j.Modes {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no mode %s in %+v", name, j.Modes)
	return Mode{}
}

func TestJudgeServerCrash(t *testing.T) {
	t.Parallel()
	goOn := func(e *Evidence) {
		e.Ops = append(e.Ops,
			history.Op{Client: "worker1", Lane: "appender", Func: history.Append, File: "fsync", Mode: history.ModeFsync, Value: "worker1#9", Seq: 9, Invoke: at(9500), Return: at(75_000), Result: history.OK},
			history.Op{Client: history.ClientDisk, Func: history.Truth, File: "fsync", Kind: history.KindToken, Value: "worker1#9", Seq: 9, Invoke: at(80_000), Return: at(80_001), Result: history.OK})
	}
	for _, tc := range []struct {
		name string
		turn func(e *Evidence)
		want string
	}{
		{"all kept", goOn, "DURABLE RECOVERED"},
		{"an acknowledged record is gone", func(e *Evidence) { goOn(e); e.Ops = deleteValue(e.Ops, "worker1#8") }, "ACKED_LOST RECOVERED"},
		{"the log is gone", func(e *Evidence) {
			e.Ops = slices.DeleteFunc(e.Ops, func(op history.Op) bool { return op.Func == history.Truth })
			e.Ops = append(e.Ops, history.Op{Client: history.ClientDisk, Func: history.Truth, File: "fsync", Kind: history.KindAbsent, Invoke: at(80_000), Return: at(80_001), Result: history.OK})
		}, "ACKED_LOST HUNG"},
		{"nobody looked at the disk", func(e *Evidence) {
			e.Ops = slices.DeleteFunc(e.Ops, func(op history.Op) bool { return op.Func == history.Truth })
		}, "INCONCLUSIVE HUNG"},
		{"the file handle is stale", func(e *Evidence) {
			e.Ops = append(e.Ops, history.Op{Client: "worker1", Lane: "appender", Func: history.Append, File: "fsync", Mode: history.ModeFsync, Value: "worker1#10", Seq: 10, Invoke: at(9500), Return: at(75_000), Result: history.Unknown, Errno: "ESTALE"})
		}, "DURABLE ESTALE"},
		{"too little before the crash", func(e *Evidence) { e.Faults[1].InjectedAt = at(4000) }, "INCONCLUSIVE"},
		{"no other boot id", func(e *Evidence) { e.Faults[1].Proven = false }, "NO_FAULT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := crashTrial("fsync")
			tc.turn(e)
			m := modeNamed(t, judgeServerCrash(e), "fsync")
			if diff := cmp.Diff(tc.want, words(m.Outcomes)); diff != "" {
				t.Errorf("%s\n%+v", diff, m)
			}
		})
	}
}

func TestJudgeClientCrash(t *testing.T) {
	t.Parallel()
	// lose takes the records that were written without a flush off the disk.
	lose := func(e *Evidence) {
		for seq := crashRecords + 1; seq <= 8; seq++ {
			e.Ops = deleteValue(e.Ops, fmt.Sprintf("worker1#%d", seq))
		}
	}
	for _, tc := range []struct {
		name, mode string
		turn       func(e *Evidence)
		want       string
	}{
		{"flushed records survive", "fsync", func(*Evidence) {}, "DURABLE"},
		{"a flushed record is gone", "close", func(e *Evidence) { e.Ops = deleteValue(e.Ops, "worker1#8") }, "ACKED_LOST"},
		{"unflushed records may go", "unflushed", lose, "DURABLE"},
		{"on a sync mount they may not", "unflushed", func(e *Evidence) { lose(e); e.Trial.Granted = map[string]string{"sync": ""} }, "ACKED_LOST"},
		{"the first of the unflushed log were flushed", "unflushed", func(e *Evidence) { e.Ops = deleteValue(e.Ops, "worker1#1") }, "ACKED_LOST"},
		{"the log ends in the beginning of a record", "unflushed", func(e *Evidence) {
			lose(e)
			e.Ops = append(e.Ops, history.Op{Client: history.ClientDisk, Func: history.Truth, File: "unflushed", Kind: history.KindPartial, Size: 20, Seq: 9, Invoke: at(80_000), Return: at(80_001), Result: history.OK})
		}, "DURABLE"},
		{"no other boot id", "osync", func(e *Evidence) { e.Faults[1].Proven = false }, "NO_FAULT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := crashTrial(tc.mode)
			tc.turn(e)
			m := modeNamed(t, judgeClientCrash(e), tc.mode)
			if diff := cmp.Diff(tc.want, words(m.Outcomes)); diff != "" {
				t.Errorf("%s\n%+v", diff, m)
			}
		})
	}
}

func TestJudgeDeadLock(t *testing.T) {
	t.Parallel()
	rival := func(when int64, result string) history.Op {
		return history.Op{Client: "worker2", Lane: laneRival, Func: history.Lock, File: modeCrashLock, Invoke: at(when), Return: at(when + 5), Result: result}
	}
	for _, tc := range []struct {
		name string
		ops  []history.Op
		want string
	}{
		{"freed with the lease", []history.Op{rival(5000, history.Fail), rival(26_000, history.OK)}, "EXCLUSIVE RECOVERED"},
		{"never freed", []history.Op{rival(5000, history.Fail), rival(160_000, history.Fail)}, "HUNG"},
		{"local", []history.Op{rival(5000, history.OK), rival(6000, history.OK)}, "TWO_WRITERS"},
		{"not tried", nil, "INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := crashTrial()
			e.Ops = tc.ops
			if diff := cmp.Diff(tc.want, words(judgeDeadLock(e).Outcomes)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
