package scenarios

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// millis is a time of a made-up history in ns.
func millis(n float64) int64 { return int64(n * float64(time.Millisecond)) }

// script makes a history by hand: every operation takes 1 ms.
type script []history.Op

func (s *script) add(client string, at float64, op history.Op) *script {
	if op.Result == "" {
		op.Result = history.OK
	}
	op.Client, op.Lane = client, "write "+op.File
	if op.Func == history.Read {
		op.Lane = "watch " + op.File
	}
	op.Invoke, op.Return = millis(at), millis(at+1)
	*s = append(*s, op)
	return s
}

func (s *script) write(at float64, file, token, mode string) *script {
	return s.add("a", at, history.Op{Func: history.Write, File: file, Value: token, Mode: mode})
}

func (s *script) read(at float64, file, token, mode string) *script {
	return s.add("b", at, history.Op{Func: history.Read, File: file, Value: token, Mode: mode})
}

func (s *script) absent(at float64, file string) *script {
	return s.add("b", at, history.Op{Func: history.Read, File: file, Kind: history.KindAbsent, Mode: history.ModeLookup})
}

func (s *script) fails(at float64, file, errno, mode string) *script {
	return s.add("b", at, history.Op{Func: history.Read, File: file, Errno: errno, Result: history.Fail, Mode: mode})
}

// change is at 20 ms.
func (s *script) change(fn, file, token string) *script {
	return s.add("a", 20, history.Op{Func: fn, File: file, Value: token})
}

func (s *script) look(at float64, as, file, token string) *script {
	return s.add(as, at, history.Op{Func: history.Read, File: file, Value: token, Mode: history.ModeReopen})
}

func (s *script) truth(file, token string) *script {
	op := history.Op{Func: history.Truth, File: file, Value: token}
	if token == "" {
		op.Kind = history.KindAbsent
	}
	return s.add(history.ClientDisk, 1e6, op)
}

// evidence is a trial with nothing left behind.
func (s *script) evidence() *Evidence {
	return &Evidence{Ops: *s, Before: rundir.Ledger{}, After: rundir.Ledger{}}
}

// modeWords returns what a judge says about a mode, in words.
func modeWords(t *testing.T, j Judgement, name string) string {
	t.Helper()
	i := slices.IndexFunc(j.Modes, func(m Mode) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no mode %s", name)
	}
	return figures(j.Modes[i].Outcomes)
}

func figures(outcomes []outcome.Outcome) string {
	var words []string
	for _, o := range outcomes {
		words = append(words, o.String())
	}
	return strings.Join(words, " ")
}

// judged is a hand-made trial, and what a mode of it must say.
type judged struct {
	name   string
	script *script
	mode   string
	want   string
}

func runJudged(t *testing.T, judge func(*Evidence) Judgement, cases []judged) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.mode+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			j := judge(tc.script.evidence())
			if got := modeWords(t, j, tc.mode); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if got := figures(j.Outcomes); got != "CLEAN" {
				t.Errorf("the trial is %s, want CLEAN", got)
			}
		})
	}
}

func TestJudgeAttrCache(t *testing.T) {
	t.Parallel()
	const held = "held-ro"
	ro := history.ModeHeldRO
	two := func() *script {
		return new(script).write(0, held, "v1", "close").read(10, held, "v1", ro).write(20, held, "v2", "close").truth(held, "v2")
	}
	runJudged(t, judgeAttrCache, []judged{
		{"fresh at once", two().read(30, held, "v2", ro), held, "LINEARIZABLE DURABLE"},
		{"fresh after a while", two().read(2921, held, "v1", ro).read(2930, held, "v2", ro), held, "BOUNDED_STALE(2900 ms) DURABLE"},
		{"never fresh", two().read(30, held, "v1", ro).read(9021, held, "v1", ro), held, "UNBOUNDED_STALE DURABLE"},
		{"older than before", two().read(30, held, "v2", ro).read(121, held, "v1", ro).read(130, held, "v2", ro), held, "BOUNDED_STALE(100 ms) DURABLE"},
		{"lost on disk", new(script).write(0, held, "v1", "close").write(20, held, "v2", "close").read(30, held, "v2", ro).truth(held, "v1"), held, "LINEARIZABLE ACKED_LOST"},
		{"nobody looked again", two(), held, "LINEARIZABLE DURABLE INCONCLUSIVE"},
		{"one version", new(script).write(0, held, "v1", "close").read(10, held, "v1", ro).truth(held, "v1"), held, "LINEARIZABLE DURABLE INCONCLUSIVE"},
		{"nothing", new(script), held, "INCONCLUSIVE INCONCLUSIVE INCONCLUSIVE"},
		{"torn", two().add("b", 30, history.Op{Func: history.Read, File: held, Kind: history.KindTorn, Value: "v1,v2", Mode: ro}), held, "TORN DURABLE"},
		{"of another file", two().read(9021, "held-rw", "v1", ro).read(30, held, "v2", ro), held, "LINEARIZABLE DURABLE"},
	})
}

// TestQuietModes checks that a mode of a full run is judged when it was
// recorded, and not wanted when it was not.
func TestQuietModes(t *testing.T) {
	t.Parallel()
	names := func(j Judgement) (out []string) {
		for _, m := range j.Modes {
			out = append(out, m.Name)
		}
		return out
	}
	if diff := cmp.Diff(attrModes(false), names(judgeAttrCache(new(script).evidence()))); diff != "" {
		t.Errorf("quick run (-want +got):\n%s", diff)
	}
	full := new(script).write(0, "held-ro-quiet70", "v1", "close").evidence()
	if !slices.Contains(names(judgeAttrCache(full)), "held-ro-quiet70") {
		t.Errorf("a mode that was recorded is not judged")
	}
	for mode, want := range map[string]time.Duration{"held-ro": 0, "stat": 0, "held-ro-quiet25": 25 * time.Second, attrDelegated: 5 * time.Second, "negative-quiet5": 5 * time.Second} {
		if got := quietOf(mode); got != want {
			t.Errorf("%s is quiet for %s, want %s", mode, got, want)
		}
	}
}

func TestJudgeDirCache(t *testing.T) {
	t.Parallel()
	const missing, there = "negative/name1", "removed/name1"
	made := func() *script {
		return new(script).absent(10, missing).write(20, missing, namePresent, "close").truth(missing, namePresent)
	}
	gone := func() *script {
		return new(script).write(0, there, namePresent, "close").read(10, there, namePresent, history.ModeLookup).
			change(history.Unlink, there, "").truth(there, "")
	}
	runJudged(t, judgeDirCache, []judged{
		{"seen at once", made().read(30, missing, namePresent, history.ModeLookup), "negative", "LINEARIZABLE DURABLE"},
		{"missing for 30 s", made().absent(29821, missing).read(29830, missing, namePresent, history.ModeLookup), "negative", "BOUNDED_STALE(29800 ms) DURABLE"},
		{"missing for good", made().absent(70021, missing), "negative", "UNBOUNDED_STALE DURABLE"},
		{"not on disk", new(script).absent(10, missing).write(20, missing, namePresent, "close").read(30, missing, namePresent, history.ModeLookup).truth(missing, ""), "negative", "LINEARIZABLE ACKED_LOST"},
		{"gone at once", gone().absent(30, there), "removed", "LINEARIZABLE DURABLE"},
		{"there for 30 s", gone().read(30021, there, namePresent, history.ModeLookup).absent(30030, there), "removed", "BOUNDED_STALE(30000 ms) DURABLE"},
		{"there for good", gone().read(70021, there, namePresent, history.ModeLookup), "removed", "UNBOUNDED_STALE DURABLE"},
		{"never removed", new(script).write(0, there, namePresent, "close").read(10, there, namePresent, history.ModeLookup).truth(there, namePresent), "removed", "LINEARIZABLE DURABLE INCONCLUSIVE"},
	})
}

func TestJudgeUnflushedWrite(t *testing.T) {
	t.Parallel()
	const f = modeUnflushed
	begin := func() *script {
		return new(script).write(0, f, "v1", "close").write(20, f, "v2", "unflushed").add("a", 50000, history.Op{Func: history.Close, File: f}).truth(f, "v2")
	}
	runJudged(t, judgeUnflushedWrite, []judged{
		{
			"at once", begin().look(30, "b", f, "v2").look(30, history.ClientWire, f, "v2").look(30, history.ClientDisk, f, "v2"),
			f, "DURABLE LINEARIZABLE",
		},
		{
			"after 33 s", begin().look(33021, "b", f, "v1").look(33022, "b", f, "v2").look(30, history.ClientWire, f, "v1").look(33500, history.ClientWire, f, "v2").
				look(33000, history.ClientDisk, f, "v1").look(33023, history.ClientDisk, f, "v2"),
			f, "DURABLE BOUNDED_STALE(33000 ms)",
		},
		{
			"the wire never", begin().look(30, "b", f, "v2").look(45000, history.ClientWire, f, "v1").look(30, history.ClientDisk, f, "v2"),
			f, "DURABLE UNBOUNDED_STALE",
		},
		{
			"only after the close", begin().look(49000, "b", f, "v1").look(50010, "b", f, "v2").look(30, history.ClientWire, f, "v2").look(30, history.ClientDisk, f, "v2"),
			f, "DURABLE UNBOUNDED_STALE",
		},
		{
			"the wire was blind", begin().look(30, "b", f, "v2").add(history.ClientWire, 30, history.Op{Func: history.Read, File: f, Result: history.Fail}).look(30, history.ClientDisk, f, "v2"),
			f, "DURABLE INCONCLUSIVE",
		},
		{
			"lost after the close", new(script).write(0, f, "v1", "close").write(20, f, "v2", "unflushed").add("a", 50000, history.Op{Func: history.Close, File: f}).truth(f, "v1").
				look(30, "b", f, "v2").look(30, history.ClientWire, f, "v2").look(30, history.ClientDisk, f, "v2"),
			f, "ACKED_LOST LINEARIZABLE",
		},
		{
			"never closed", new(script).write(0, f, "v1", "close").write(20, f, "v2", "unflushed").truth(f, "v1").look(30, "b", f, "v1"),
			f, "DURABLE INCONCLUSIVE",
		},
	})
}

func TestJudgeRenameOver(t *testing.T) {
	t.Parallel()
	ro := history.ModeHeldRO
	held := func() *script {
		return new(script).write(0, modeHeld, "v1", "close").read(10, modeHeld, "v1", ro).change(history.Rename, modeHeld, "v2").truth(modeHeld, "v2")
	}
	reopened := func() *script {
		return new(script).write(0, modeReopenHeld, "v1", "close").read(10, modeReopenHeld, "v1", "reopen").
			change(history.Rename, modeReopenHeld, "v2").truth(modeReopenHeld, "v2")
	}
	runJudged(t, judgeRenameOver, []judged{
		{"the old contents", held().read(6000, modeHeld, "v1", ro), modeHeld, "DURABLE UNINTERRUPTED"},
		{"stale handle", held().read(2900, modeHeld, "v1", ro).fails(3000, modeHeld, "ESTALE", ro), modeHeld, "DURABLE ESTALE"},
		{"another error", held().fails(3000, modeHeld, "EIO", ro), modeHeld, "DURABLE EIO"},
		{"the new contents", held().read(6000, modeHeld, "v2", ro), modeHeld, "DURABLE CORRUPT"},
		{"nobody read", held(), modeHeld, "DURABLE INCONCLUSIVE"},
		{"too short", held().read(30, modeHeld, "v1", ro), modeHeld, "DURABLE INCONCLUSIVE"},
		{"mixed", held().add("b", 6000, history.Op{Func: history.Read, File: modeHeld, Kind: history.KindTorn, Value: "v1,v2", Mode: ro}), modeHeld, "TORN DURABLE CORRUPT"},
		{"new at once", reopened().read(30, modeReopenHeld, "v2", "reopen"), modeReopenHeld, "LINEARIZABLE DURABLE"},
		{"old for 30 s", reopened().read(30021, modeReopenHeld, "v1", "reopen").read(30030, modeReopenHeld, "v2", "reopen"), modeReopenHeld, "BOUNDED_STALE(30000 ms) DURABLE"},
		{"neither", reopened().fails(30, modeReopenHeld, "ESTALE", "reopen"), modeReopenHeld, "LINEARIZABLE DURABLE"},
	})
}

func TestJudgeUnlinkOpen(t *testing.T) {
	t.Parallel()
	const other = modeOtherClient + "/file"
	gone := new(script).write(0, other, "v1", "close").change(history.Unlink, other, "").fails(3000, other, "ESTALE", history.ModeHeldRO)
	if got := modeWords(t, judgeUnlinkOpen(gone.evidence()), modeOtherClient); got != "ESTALE" {
		t.Errorf("got %s, want ESTALE", got)
	}
	saw := func(event, names string) rundir.Observation {
		return rundir.Observation{Source: history.ClientDisk, Event: event, Subject: modeOwnKilled, Detail: names}
	}
	for _, tc := range []struct {
		name string
		saw  []rundir.Observation
		want string
	}{
		{"gone", []rundir.Observation{saw(sillySeen, ".nfs01"), saw(sillyEnded, "")}, "CLEAN"},
		{"left", []rundir.Observation{saw(sillySeen, ".nfs01"), saw(sillyEnded, ".nfs01")}, "LEAKED"},
		{"never there", []rundir.Observation{saw(sillySeen, ""), saw(sillyEnded, "")}, "INCONCLUSIVE"},
		{"nobody waited", []rundir.Observation{saw(sillySeen, ".nfs01")}, "INCONCLUSIVE"},
		{"nothing", nil, "INCONCLUSIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := new(script).evidence()
			e.Observations = tc.saw
			if got := modeWords(t, judgeUnlinkOpen(e), modeOwnKilled); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestJudgeCloseToOpen(t *testing.T) {
	t.Parallel()
	const tick = modeSameSizeTick
	// bursts makes bursts of two writes at once, of which the second comes last.
	bursts := func(n int) *script {
		s := new(script).write(0, tick, "v1", "direct")
		for i := range n {
			at := float64(10 + 10*i)
			first, second := versionToken(2*i+2), versionToken(2*i+3)
			s.write(at, tick, first, "direct").write(at+0.5, tick, second, "direct").read(at+1, tick, first, "reopen").
				look(at+4, history.ClientDisk, tick, second).read(at+5, tick, second, "reopen")
		}
		return s
	}
	stuck := func() *script {
		return bursts(2).write(100, tick, "v6", "direct").write(100.5, tick, "v7", "direct").read(101, tick, "v6", "reopen").look(103, history.ClientDisk, tick, "v7")
	}
	blind := new(script).write(0, tick, "v1", "direct")
	for n := 2; n <= 11; n += 2 {
		blind.write(float64(10*n), tick, versionToken(n), "direct").write(float64(10*n)+0.5, tick, versionToken(n+1), "direct").
			look(float64(10*n)+3, history.ClientDisk, tick, versionToken(n+1))
	}
	runJudged(t, judgeCloseToOpen, []judged{
		{"every burst seen", bursts(5).truth(tick, "v11"), tick, "LINEARIZABLE DURABLE"},
		{"stale for good", stuck().read(9000, tick, "v6", "reopen").truth(tick, "v7"), tick, "DURABLE UNBOUNDED_STALE"},
		{"stale for a while", stuck().read(3101.5, tick, "v6", "reopen").read(3110, tick, "v7", "reopen").truth(tick, "v7"), tick, "DURABLE BOUNDED_STALE(3000 ms)"},
		{"too few bursts", bursts(2).truth(tick, "v5"), tick, "LINEARIZABLE DURABLE INCONCLUSIVE"},
		{"no read between", blind.read(200, tick, "v11", "reopen").truth(tick, "v11"), tick, "LINEARIZABLE DURABLE INCONCLUSIVE"},
		{
			"an open after a close saw the old", new(script).write(0, "locked", "v1", "close").write(10, "locked", "v2", "close").write(20, "locked", "v3", "close").
				read(121, "locked", "v2", "locked").read(130, "locked", "v3", "locked").truth("locked", "v3"),
			"locked", "BOUNDED_STALE(100 ms) DURABLE",
		},
	})
	for mode, want := range map[string]bool{"locked": true, "odirect": false, "w-fsync": false} {
		if got := closes(mode); got != want {
			t.Errorf("%s closes and opens: %v, want %v", mode, got, want)
		}
	}
}

func TestJudgeMmapShared(t *testing.T) {
	t.Parallel()
	const f = modeReopenLarge
	begin := func() *script {
		return new(script).write(0, f, "v1", "close").write(20, f, "v2", "fsync").truth(f, "v2")
	}
	runJudged(t, judgeMmapShared, []judged{
		{"whole", begin().read(30, f, "v2", "reopen"), f, "LINEARIZABLE DURABLE"},
		{"torn", begin().add("b", 20.5, history.Op{Func: history.Read, File: f, Kind: history.KindTorn, Value: "v1,v2", Mode: "reopen"}).read(30, f, "v2", "reopen"), f, "TORN DURABLE"},
		{"torn on disk", new(script).write(0, f, "v1", "close").write(20, f, "v2", "fsync").read(30, f, "v2", "reopen").
			add(history.ClientDisk, 1e6, history.Op{Func: history.Truth, File: f, Kind: history.KindTorn, Value: "v1,v2"}), f, "TORN LINEARIZABLE ACKED_LOST CORRUPT"},
	})
}
