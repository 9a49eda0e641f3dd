package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/shareserver"
)

// shareTrial is a hand-made trial of family share-server with one mode: the server
// gone from 10 s on, proven at 10.1 s, back from 70 s to 71 s.
type shareTrial struct {
	e    *Evidence
	mode string
	seq  int64
}

func newShareTrial(mode string) *shareTrial {
	t := &shareTrial{mode: mode, e: &Evidence{
		Run:    rundir.RunMeta{LeaseS: 15, GraceS: 15},
		Trial:  rundir.TrialMeta{Facts: map[string]any{connectsFact + mode: 1.0, connectsFact + mode + secondClient: 2.0}},
		Before: rundir.Ledger{}, After: rundir.Ledger{},
		Faults: []rundir.FaultRecord{{Name: mode, InjectedAt: at(10_000), ProvenAt: at(10_100), HealedAt: at(71_000), Proven: true}},
	}}
	t.see(9000, eventServerBefore, "pod 1 container a pid 7 started at tick 100")
	t.see(72_000, eventServerAfter, "pod 2 container b pid 9 started at tick 700")
	t.see(65_000, eventWatched, "")
	t.see(70_000, healBegins, "")
	for from := int64(8000); from < 10_000; from += 400 {
		t.append(from, from+50, "")
	}
	t.read(9000, 9010, "")
	t.large("worker2", history.Write, "s1").large("server", history.Read, "s1").large("worker2", history.Read, "s1").large(history.ClientDisk, history.Truth, "s1")
	return t
}

func (t *shareTrial) see(when int64, event, detail string) *shareTrial {
	t.e.Observations = append(t.e.Observations, rundir.Observation{T: at(when), Event: event, Subject: t.mode, Detail: detail})
	return t
}

// op adds an operation between two moments in ms; to 0 is one without an answer.
func (t *shareTrial) op(op history.Op, from, to int64, errno string) *shareTrial {
	op.Invoke, op.Return, op.Errno, op.Result = at(from), at(to), errno, history.OK
	if errno != "" || to == 0 {
		op.Result = history.Unknown
	}
	t.e.Ops = append(t.e.Ops, op)
	return t
}

func (t *shareTrial) append(from, to int64, errno string) *shareTrial {
	t.seq++
	value := fmt.Sprintf("worker2#%d", t.seq)
	t.op(history.Op{
		Client: "worker2", Lane: "appender", Func: history.Append, File: t.mode + "/log", Mode: history.ModeFsync, Value: value, Seq: t.seq,
	}, from, to, errno)
	if errno != "" {
		return t
	}
	return t.op(history.Op{Client: history.ClientDisk, Func: history.Truth, File: t.mode + "/log", Kind: history.KindToken, Value: value, Seq: t.seq}, 90_000, 90_001, "")
}

func (t *shareTrial) read(from, to int64, errno string) *shareTrial {
	return t.op(history.Op{Client: "server", Lane: "reader", Func: history.Read, File: t.mode + "/register", Mode: history.ModeReopen, Value: t.mode}, from, to, errno)
}

func (t *shareTrial) large(client, fn, value string) *shareTrial {
	return t.op(history.Op{Client: client, Lane: "large", Func: fn, File: t.mode + "-large", Value: value}, 91_000, 91_500, "")
}

// lock adds a lock call of a lane, or a write of the holder under it.
func (t *shareTrial) lock(lane, fn string, when int64, result, errno string) *shareTrial {
	client := map[string]string{laneHolder: "worker2", laneRival: "server"}[lane]
	t.e.Ops = append(t.e.Ops, history.Op{Client: client, Lane: lane, Func: fn, File: t.mode + "/lock", Invoke: at(when), Return: at(when + 5), Result: result, Errno: errno})
	return t
}

// locked is a lock that is kept.
func (t *shareTrial) locked() *shareTrial {
	return t.lock(laneHolder, history.Lock, 7000, history.OK, "").lock(laneRival, history.Lock, 7100, history.Fail, "EAGAIN").
		lock(laneRival, history.Lock, 76_500, history.Fail, "EAGAIN").lock(laneHolder, history.Write, 76_600, history.OK, "")
}

// back is a load that goes on when the server is there again.
func (t *shareTrial) back() *shareTrial {
	return t.append(10_200, 73_000, "").append(73_100, 73_150, "").read(10_300, 74_000, "").read(74_100, 74_110, "")
}

func (t *shareTrial) spoil(how func(e *Evidence)) *shareTrial {
	how(t.e)
	return t
}

func unseen(event string) func(e *Evidence) {
	return func(e *Evidence) {
		e.Observations = slices.DeleteFunc(e.Observations, func(o rundir.Observation) bool { return o.Event == event })
	}
}

// outcomesOf are those of the trial and of its modes, but for the ledger's.
func outcomesOf(j Judgement) string {
	list := slices.Clone(j.Outcomes)
	for _, m := range j.Modes {
		list = append(list, m.Outcomes...)
	}
	return words(slices.DeleteFunc(list, func(o outcome.Outcome) bool { return o.Word == outcome.Clean }))
}

func TestJudgeServerPodDeleted(t *testing.T) {
	t.Parallel()
	whole := func() *shareTrial { return newShareTrial(modePodForce).back().locked() }
	for _, tc := range []struct {
		name  string
		trial *shareTrial
		want  string
	}{
		{"back", whole(), "DURABLE RECOVERED_AFTER_GRACE RECOVERED_AFTER_GRACE EXCLUSIVE"},
		{"the same process", whole().spoil(func(e *Evidence) {
			for i := range e.Observations {
				if e.Observations[i].Event == eventServerAfter {
					e.Observations[i].Detail = e.Observations[0].Detail
				}
			}
		}), "NO_FAULT"},
		{"nobody looked", whole().spoil(unseen(eventServerAfter)), "INCONCLUSIVE"},
		{"the first client kept its connection", whole().spoil(func(e *Evidence) { e.Trial.Facts[connectsFact+modePodForce] = 0.0 }), "NO_FAULT"},
		{"the second client kept its connection", whole().spoil(func(e *Evidence) { e.Trial.Facts[connectsFact+modePodForce+secondClient] = 0.0 }), "NO_FAULT"},
		{"not proven", whole().spoil(func(e *Evidence) { e.Faults[0].Proven = false }), "NO_FAULT"},
		{"a record is gone", whole().spoil(func(e *Evidence) {
			e.Ops = slices.DeleteFunc(e.Ops, func(op history.Op) bool { return op.Func == history.Truth && op.Value == "worker2#2" })
		}), "ACKED_LOST RECOVERED_AFTER_GRACE RECOVERED_AFTER_GRACE EXCLUSIVE"},
		{"the rival was given the lock", whole().lock(laneRival, history.Lock, 40_000, history.OK, ""), "DURABLE RECOVERED_AFTER_GRACE RECOVERED_AFTER_GRACE LOCK_LOST"},
		{"the large file is another", whole().large("server", history.Read, "s2"), "DURABLE RECOVERED_AFTER_GRACE RECOVERED_AFTER_GRACE EXCLUSIVE CORRUPT"},
		{"one client did not read the large file", whole().spoil(func(e *Evidence) {
			e.Ops = slices.DeleteFunc(e.Ops, func(op history.Op) bool {
				return op.Client == "server" && op.Func == history.Read && strings.HasSuffix(op.File, largeSuffix)
			})
		}), "DURABLE RECOVERED_AFTER_GRACE RECOVERED_AFTER_GRACE EXCLUSIVE INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := outcomesOf(judgeServerPodDeleted(tc.trial.e)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestJudgeServerCRDeleted(t *testing.T) {
	t.Parallel()
	dead := func() *shareTrial {
		return newShareTrial(modeRecreated).see(20_000, eventPlaneGreen, "10.0.0.1:20700; the clients have mounted port 20600").locked()
	}
	for _, tc := range []struct {
		name  string
		trial *shareTrial
		want  string
	}{
		{"hangs until nfsim mends it", dead().back(), "DURABLE HUNG HUNG"},
		{"hangs for good", dead().op(history.Op{Client: "worker2", Lane: "appender", Func: history.Append, File: modeRecreated + "/log", Value: "worker2#99", Seq: 99}, 10_200, 0, ""), "DURABLE HUNG HUNG"},
		{"soft", dead().append(10_200, 25_300, "EIO").read(10_300, 26_000, "EIO").append(72_000, 73_000, "").read(72_000, 73_000, ""), "DURABLE EIO EIO"},
		{"softerr", dead().append(10_200, 25_300, "ETIMEDOUT").read(10_300, 26_000, "ETIMEDOUT"), "DURABLE ETIMEDOUT ETIMEDOUT"},
		{"it went on all by itself", dead().append(10_200, 30_300, "").append(30_400, 30_500, "").read(10_300, 31_000, ""), "DURABLE RECOVERED RECOVERED"},
		{"nobody watched", dead().back().spoil(unseen(eventWatched)), "INCONCLUSIVE"},
		{"the server was not gone", dead().back().spoil(func(e *Evidence) { e.Trial.Facts[connectsFact+modeRecreated] = 0.0 }), "NO_FAULT"},
		{"too little load", dead().back().spoil(func(e *Evidence) {
			e.Ops = slices.DeleteFunc(e.Ops, func(op history.Op) bool { return op.Func == history.Append && op.Seq < 4 })
		}), "INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := outcomesOf(judgeServerCRDeleted(tc.trial.e)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	j := judgeServerCRDeleted(dead().back().e)
	for _, want := range []string{"the control plane was green 10.00 s after the fault, at 10.0.0.1:20700", "appends: went on 2.00 s after the server was back", "large file: sha256 s1"} {
		if !slices.ContainsFunc(j.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note %q in %q", want, j.Notes)
		}
	}
}

func TestJudgeServerCRDDeleted(t *testing.T) {
	t.Parallel()
	plain := func() *shareTrial {
		return newShareTrial(modePlain).see(12_000, eventDefinition, shareserver.DefinitionGone).back()
	}
	stuck := func(state string) *shareTrial {
		t := newShareTrial(modeFinalizer).see(65_000, eventDefinition, state).locked()
		for from := int64(10_000); from < 70_000; from += 1000 {
			t.append(from, from+50, "").read(from, from+20, "")
		}
		return t
	}
	for _, tc := range []struct {
		name  string
		trial *shareTrial
		want  string
	}{
		{"plain", plain(), "DURABLE HUNG HUNG NOT_REBUILT"},
		{"plain, and rebuilt", plain().see(30_000, eventRebuilt, "pod 5"), "DURABLE HUNG HUNG RECOVERED"},
		{"plain, and the definition was not seen to go", plain().spoil(unseen(eventDefinition)), "DURABLE HUNG HUNG INCONCLUSIVE"},
		{"finalizer", stuck(shareserver.DefinitionTerminating), "TERMINATING_STUCK DURABLE UNINTERRUPTED UNINTERRUPTED EXCLUSIVE"},
		{"finalizer, and gone all the same", stuck(shareserver.DefinitionGone), "DURABLE UNINTERRUPTED UNINTERRUPTED EXCLUSIVE"},
		{"finalizer, not proven", stuck(shareserver.DefinitionTerminating).spoil(func(e *Evidence) { e.Faults[0].Proven = false }), "NO_FAULT"},
		{"finalizer, nobody watched", stuck(shareserver.DefinitionTerminating).spoil(unseen(eventWatched)), "INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := outcomesOf(judgeServerCRDDeleted(tc.trial.e)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// TestWrongTarget checks that the control tells a server that was left alone from
// one that was replaced, and that it is red without its detector.
func TestWrongTarget(t *testing.T) {
	t.Parallel()
	alone := newShareTrial(modeWrongTarget).spoil(func(e *Evidence) {
		e.Observations[1].Detail = e.Observations[0].Detail
		e.Trial.Facts = map[string]any{connectsFact + modeWrongTarget + secondClient: 0.0}
	}).e
	if j := ServerPodWrongTarget(ByServerProof).Judge(alone); !j.Caught || j.Outcomes[0].Word != outcome.NoFault {
		t.Errorf("a server that was left alone: %+v", j)
	}
	if j := ServerPodWrongTarget(nil).Judge(alone); j.Caught {
		t.Error("caught without a detector")
	}
	if j := ServerPodWrongTarget(ByServerProof).Judge(newShareTrial(modeWrongTarget).e); j.Caught {
		t.Errorf("a server that was replaced: %+v", j)
	}
	if j := ServerPodWrongTarget(ByServerProof).Judge(newShareTrial(modeWrongTarget).spoil(func(e *Evidence) { e.Faults[0].Proven = false }).e); j.Caught {
		t.Errorf("nothing was broken at all: %+v", j)
	}
}

// TestShareProfiles checks that the columns are those that the design names.
func TestShareProfiles(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range shareProfiles() {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "hard soft softerr" {
		t.Errorf("columns %q", got)
	}
}
