package scenarios

import (
	"fmt"
	"testing"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// controlLog is the evidence of a log that was spoilt for as long as it took to
// read the truth.
func controlLog(faultName string, truth func(seq int64) (history.Op, bool)) *Evidence {
	e := &Evidence{
		Faults: []rundir.FaultRecord{{Name: faultName, Proven: true, ProvenAt: 1e9, HealedAt: 2e9}},
		Before: rundir.Ledger{}, After: rundir.Ledger{},
	}
	for seq := int64(1); seq <= controlRecords; seq++ {
		value := fmt.Sprintf("worker1#%d", seq)
		e.Ops = append(e.Ops, history.Op{
			Client: "worker1", Lane: "appender", Func: history.Append, File: logFile, Mode: history.ModeFsync, Value: value, Seq: seq,
			Size: controlRecordSize, Invoke: seq * 10 * ms, Return: seq*10*ms + ms, Result: history.OK,
		})
		op, there := truth(seq)
		if !there {
			continue
		}
		op.Client, op.Func, op.File, op.Result = history.ClientDisk, history.Truth, logFile, history.OK
		op.Seq, op.Invoke, op.Return = seq-1, 1500*ms, 1501*ms
		if op.Kind == "" {
			op.Kind, op.Value = history.KindToken, value
		}
		op.Size = controlRecordSize
		op.Offset = (seq - 1) * controlRecordSize
		e.Ops = append(e.Ops, op)
	}
	return e
}

func flippedAt(spoilt int64) *Evidence {
	return controlLog("flip-byte", func(seq int64) (history.Op, bool) {
		if seq == spoilt {
			return history.Op{Kind: history.KindTorn}, true
		}
		return history.Op{}, true
	})
}

func removed(spoilt ...int64) *Evidence {
	return controlLog("remove-range", func(seq int64) (history.Op, bool) {
		for _, s := range spoilt {
			if s == seq {
				return history.Op{}, false
			}
		}
		return history.Op{}, true
	})
}

// twoHolders is the evidence of a lock that was given to two clients; the
// second is given it at the time given, in ms, and the first gives it back at 100.
func twoHolders(second int64) *Evidence {
	op := func(client, fn string, from int64) history.Op {
		return history.Op{Client: client, Lane: "lock", Func: fn, File: plantedLock, Invoke: from * ms, Return: (from + 1) * ms, Result: history.OK}
	}
	return &Evidence{
		Trial: rundir.TrialMeta{Granted: map[string]string{"local_lock": "all"}},
		Ops: []history.Op{
			op("worker1", history.Lock, 10), op("worker1", history.Unlock, 100),
			op("worker2", history.Lock, second), op("worker2", history.Unlock, second+100),
		},
		Before: rundir.Ledger{}, After: rundir.Ledger{},
	}
}

// staleReader is the evidence of a reader that was given the values given, and
// of a disk that holds the second version.
func staleReader(values ...string) *Evidence {
	op := func(client, fn, mode, value string, from int64) history.Op {
		return history.Op{
			Client: client, Func: fn, File: plantedRegister, Mode: mode, Value: value, Kind: history.KindToken,
			Invoke: from * ms, Return: (from + 1) * ms, Result: history.OK,
		}
	}
	e := &Evidence{Before: rundir.Ledger{}, After: rundir.Ledger{}, Ops: []history.Op{
		op("worker1", history.Write, history.ModeClose, "v1", 10),
		op("worker1", history.Write, history.ModeClose, "v2", 30),
		op(history.ClientDisk, history.Truth, "", "v2", 200),
	}}
	for i, v := range values {
		at := int64(20)
		if i > 0 {
			at = 30 + int64(i)*10
		}
		e.Ops = append(e.Ops, op("worker2", history.Read, history.ModeReopen, v, at))
	}
	return e
}

func leaked(removedBy nfs.How, entries ...string) *Evidence {
	return &Evidence{
		Trial: rundir.TrialMeta{Facts: map[string]any{
			factLeakedMount: "/mnt/nfsim/a-leaked", factLeakRemoved: string(removedBy),
		}},
		Faults: []rundir.FaultRecord{{Name: leakedMountFault, Proven: true, ProvenAt: 1}},
		Before: rundir.Ledger{rundir.MountsHost: nil}, After: rundir.Ledger{rundir.MountsHost: entries},
	}
}

// outlived is the evidence of a pod that was gone at 1 s, and of records that
// arrived after it.
func outlived(arrivals ...int64) *Evidence {
	e := &Evidence{Before: rundir.Ledger{}, After: rundir.Ledger{}, Observations: []rundir.Observation{
		{T: 500 * ms, Event: recordArrived, Value: "7"},
		{T: 1000 * ms, Event: eventAPIGone},
	}}
	for i, seq := range arrivals {
		at := (1100 + int64(i)*10) * ms
		e.Observations = append(e.Observations, rundir.Observation{T: at, Event: recordArrived, Value: fmt.Sprint(seq)})
	}
	for seq := int64(zombieFirst); seq < zombieFirst+zombieRecords; seq++ {
		e.Ops = append(e.Ops, history.Op{
			Client: podAppends, Func: history.Append, File: logFile, Value: fmt.Sprintf("pod#%d", seq), Seq: seq,
			Invoke: 1050 * ms, Return: 1060 * ms, Result: history.OK,
		})
	}
	return e
}

func planted() []int64 {
	var out []int64
	for seq := int64(zombieFirst); seq < zombieFirst+zombieRecords; seq++ {
		out = append(out, seq)
	}
	return out
}

// TestControls checks that every control is green for exactly what it planted,
// and red for anything else and without its detector.
func TestControls(t *testing.T) {
	t.Parallel()
	const mountEntry = "worker1: 0:50 /mnt/nfsim/a-leaked nfs4 server:/srv/a rw"
	missed := func(f func(e *Evidence)) *Evidence {
		e := flippedAt(0)
		e.Faults[0].Proven, e.Faults[0].Error = false, "prove: exit status 1"
		f(e)
		return e
	}
	for _, tc := range []struct {
		name     string
		control  func(Detector) Scenario
		detector Detector
		e        *Evidence
		caught   bool
		word     outcome.Word
	}{
		{"flipped byte", ControlFlippedByte, ByModels(consistency.AppendLog), flippedAt(controlSpoilt), true, outcome.Corrupt},
		{"another byte", ControlFlippedByte, ByModels(consistency.AppendLog), flippedAt(controlSpoilt + 1), false, outcome.Corrupt},
		{"flipped byte, no detector", ControlFlippedByte, nil, flippedAt(controlSpoilt), false, outcome.Clean},

		{"removed record", ControlRemovedRecord, ByModels(consistency.AppendLog), removed(controlSpoilt), true, outcome.AckedLost},
		{"another record", ControlRemovedRecord, ByModels(consistency.AppendLog), removed(3), false, outcome.AckedLost},
		{"two records", ControlRemovedRecord, ByModels(consistency.AppendLog), removed(controlSpoilt, 15), false, outcome.AckedLost},
		{"nothing removed", ControlRemovedRecord, ByModels(consistency.AppendLog), removed(), false, outcome.Durable},
		{"removed record, no detector", ControlRemovedRecord, nil, removed(controlSpoilt), false, outcome.Clean},
		{"removed record, wrong detector", ControlRemovedRecord, ByModels(consistency.Untorn), removed(controlSpoilt), false, outcome.Clean},

		{"lost lock", ControlLostLock, ByModels(consistency.Exclusion), twoHolders(20), true, outcome.TwoWriters},
		{"kept lock", ControlLostLock, ByModels(consistency.Exclusion), twoHolders(120), false, outcome.Exclusive},
		{"lost lock, no detector", ControlLostLock, nil, twoHolders(20), false, outcome.Clean},
		{"lost lock, mount without the option", ControlLostLock, ByModels(consistency.Exclusion), func() *Evidence {
			e := twoHolders(20)
			e.Trial.Granted["local_lock"] = "none"
			return e
		}(), false, outcome.NoFault},

		{"stale read", ControlStaleRead, ByModels(consistency.BoundedStale), staleReader("v1", "v1", "v1", "v1"), true, outcome.UnboundedStale},
		{"fresh read", ControlStaleRead, ByModels(consistency.BoundedStale), staleReader("v1", "v1", "v1", "v2"), false, outcome.NoFault},
		{"stale read, no detector", ControlStaleRead, nil, staleReader("v1", "v1", "v1", "v1"), false, outcome.Clean},

		{"leaked mount", ControlLeakedMount, ByLedger, leaked(nfs.Normal, mountEntry), true, outcome.MountLeft},
		{"leaked mount and another", ControlLeakedMount, ByLedger, leaked(nfs.Normal, mountEntry, "worker1: 0:51 /mnt/nfsim/b nfs4 server:/srv/a rw"), false, outcome.MountLeft},
		{"another mount", ControlLeakedMount, ByLedger, leaked(nfs.Normal, "worker1: 0:51 /mnt/nfsim/b nfs4 server:/srv/a rw"), false, outcome.MountLeft},
		{"nothing leaked", ControlLeakedMount, ByLedger, leaked(nfs.Normal), false, outcome.Clean},
		{"leaked mount, left for good", ControlLeakedMount, ByLedger, leaked("", mountEntry), false, outcome.MountLeft},
		{"leaked mount, no detector", ControlLeakedMount, nil, leaked(nfs.Normal, mountEntry), false, ""},

		{"missed fault", ControlNoFault, ByFaultProof, missed(func(*Evidence) {}), true, outcome.NoFault},
		{"fault that hit", ControlNoFault, ByFaultProof, flippedAt(controlSpoilt), false, outcome.NoFault},
		{"no fault tried", ControlNoFault, ByFaultProof, missed(func(e *Evidence) { e.Faults = nil }), false, outcome.NoFault},
		{"missed fault, no detector", ControlNoFault, nil, missed(func(*Evidence) {}), false, outcome.Clean},

		{"zombie writer", ControlZombieWriter, ByZombieClock, outlived(planted()...), true, outcome.ZombieWriter},
		{"half of a zombie", ControlZombieWriter, ByZombieClock, outlived(planted()[:5]...), false, outcome.ZombieWriter},
		{"zombie that is the pod itself", ControlZombieWriter, ByZombieClock, outlived(append(planted(), 8)...), false, outcome.ZombieWriter},
		{"zombie writer, no detector", ControlZombieWriter, nil, outlived(planted()...), false, outcome.Clean},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			j := tc.control(tc.detector).Judge(tc.e)
			if j.Caught != tc.caught {
				t.Errorf("caught %v, want %v: %v", j.Caught, tc.caught, j.Outcomes)
			}
			has := tc.word == ""
			for _, o := range j.Outcomes {
				has = has || o.Word == tc.word
			}
			if !has {
				t.Errorf("no %s among %v", tc.word, j.Outcomes)
			}
		})
	}
}
