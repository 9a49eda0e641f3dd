package scenarios

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// TestFlushAcrossABoot checks that what was noted before a machine was reset is
// mapped by its old clock, with an error that grows with the distance from the
// last sample, and what came after it by the new one.
func TestFlushAcrossABoot(t *testing.T) {
	t.Parallel()
	const s = int64(1e9)
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := run.NewTrial(rundir.TrialMeta{Scenario: "nfs.x", Profile: "p", Repeat: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cell{Trial: w}
	old := &vantage{machine: "worker1", samples: []agent.ClockSample{{At: 100 * s, Offset: 90 * s, ErrorNS: 1000}}}
	b := &Batch{Cells: []*Cell{c}, vantages: map[string]*vantage{"worker1": old}}
	// 20 s after the last sample: 20 ms may have been lost.
	c.op("worker1", history.Op{Client: "worker1", Func: history.Append, Invoke: 30 * s, Return: 31 * s, Result: history.OK})

	b.vantages["worker1, boot 1"] = old
	c.retire("worker1", "worker1, boot 1")
	b.vantages["worker1"] = &vantage{machine: "worker1", samples: []agent.ClockSample{{At: 200 * s, Offset: 195 * s, ErrorNS: 1000}}}
	c.op("worker1", history.Op{Client: "worker1", Func: history.Read, Invoke: 5 * s, Return: 5 * s, Result: history.OK})

	if err := b.flush(c); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(nil); err != nil {
		t.Fatal(err)
	}
	got, _, err := history.LoadFile(filepath.Join(w.Dir(), "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	want := []history.Op{
		{Client: "worker1", Func: history.Append, Invoke: 120 * s, Return: 121 * s, ErrNS: 1000 + 21*s/1000, Result: history.OK},
		{Client: "worker1", Func: history.Read, Invoke: 200 * s, Return: 200 * s, ErrNS: 1000, Result: history.OK},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNoteUnanswered checks that the record whose answer died with its client is
// noted for the log that it is in, and for no other.
func TestNoteUnanswered(t *testing.T) {
	t.Parallel()
	appended := func(file string, seq int64) timed[history.Op] {
		return timed[history.Op]{"worker1", history.Op{Client: "worker1", Func: history.Append, File: file, Seq: seq, Value: recordValue(payload.Record{Client: "worker1", Seq: seq}), Invoke: seq * 10, Return: seq*10 + 5, Result: history.OK}}
	}
	onDisk := func(file string, seq int64) timed[history.Op] {
		return timed[history.Op]{"", history.Op{Client: history.ClientDisk, Func: history.Truth, File: file, Value: recordValue(payload.Record{Client: "worker1", Seq: seq}), Result: history.OK}}
	}
	c := &Cell{}
	c.pending.ops = []timed[history.Op]{
		appended("a", 1), appended("b", 1), appended("b", 2),
		onDisk("a", 1), onDisk("a", 2), onDisk("b", 1), onDisk("b", 2),
	}
	before := len(c.pending.ops)
	c.noteUnanswered("worker1", "b")
	if len(c.pending.ops) != before {
		t.Errorf("noted for a log with no such record: %+v", c.pending.ops[before:])
	}
	c.noteUnanswered("worker1", "a")
	want := []timed[history.Op]{{"worker1", history.Op{
		Client: "worker1", Func: history.Append, File: "a", Seq: 2, Value: "worker1#2", Invoke: 15, Result: history.Unknown,
	}}}
	if diff := cmp.Diff(want, c.pending.ops[before:], cmp.AllowUnexported(timed[history.Op]{})); diff != "" {
		t.Error(diff)
	}
}
