package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const ms = int64(1_000_000)

// raceHistory is a mode in which two sides append at once, each record
// overlapping one of the other side, and all of them are in the file.
func raceHistory(file string) []history.Op {
	var ops []history.Op
	place := int64(0)
	for seq := int64(1); seq <= raceRecords; seq++ {
		for i, client := range []string{"worker1", "worker2"} {
			from := seq*100*ms + int64(i)*10*ms
			value := fmt.Sprintf("%s#%d", client, seq)
			ops = append(ops,
				history.Op{
					Client: client, Lane: "appender", Func: history.Append, File: file, Mode: history.ModeFsync, Value: value, Seq: seq,
					Size: raceRecordSize, Invoke: from, Return: from + 50*ms, Result: history.OK,
				},
				history.Op{
					Client: history.ClientDisk, Func: history.Truth, File: file, Kind: history.KindToken, Value: value, Seq: place,
					Offset: place * raceRecordSize, Size: raceRecordSize, Invoke: 1e12, Return: 1e12 + ms, Result: history.OK,
				})
			place++
		}
	}
	return ops
}

// change returns ops with f done to those of a function and a value.
func change(ops []history.Op, fn, value string, f func(op *history.Op)) []history.Op {
	out := slices.Clone(ops)
	for i := range out {
		if out[i].Func == fn && out[i].Value == value {
			f(&out[i])
		}
	}
	return out
}

// without drops the operations of a function and a value.
func without(ops []history.Op, fn, value string) []history.Op {
	return slices.DeleteFunc(slices.Clone(ops), func(op history.Op) bool { return op.Func == fn && op.Value == value })
}

func wordsOf(list []outcome.Outcome) []outcome.Word {
	var out []outcome.Word
	for _, o := range list {
		out = append(out, o.Word)
	}
	return out
}

func TestJudgeRecords(t *testing.T) {
	t.Parallel()
	whole := raceHistory(modeRacing)
	for _, tc := range []struct {
		name string
		ops  []history.Op
		mode string // "" is racing
		want []outcome.Word
	}{
		{name: "all there", ops: whole, want: []outcome.Word{outcome.Durable}},
		{
			name: "written over by the other side", ops: without(whole, history.Truth, "worker1#7"),
			want: []outcome.Word{outcome.LostUpdate},
		},
		{
			name: "lost, and nobody wrote after it", ops: without(change(whole, history.Append, "worker2#16", func(op *history.Op) {
				op.Invoke, op.Return = op.Invoke+1000*ms, op.Return+1000*ms
			}), history.Truth, "worker2#16"),
			want: []outcome.Word{outcome.AckedLost},
		},
		{
			name: "laid over each other", ops: change(whole, history.Truth, "worker1#7", func(op *history.Op) {
				op.Kind, op.Value = history.KindTorn, ""
			}),
			want: []outcome.Word{outcome.LostUpdate, outcome.Torn},
		},
		{
			name: "torn, and nobody was told that it is there",
			ops: change(change(whole, history.Truth, "worker1#7", func(op *history.Op) { op.Kind, op.Value = history.KindTorn, "" }),
				history.Append, "worker1#7", func(op *history.Op) { op.Result = history.Unknown }),
			want: []outcome.Word{outcome.Torn},
		},
		{
			name: "no answer, and not there",
			ops: without(change(whole, history.Append, "worker1#7", func(op *history.Op) { op.Result = history.Unknown }),
				history.Truth, "worker1#7"),
			want: []outcome.Word{outcome.Durable},
		},
		{
			name: "no answer, and zeros in its place",
			ops: change(change(whole, history.Truth, "worker1#7", func(op *history.Op) { op.Kind, op.Value = history.KindNUL, "" }),
				history.Append, "worker1#7", func(op *history.Op) { op.Result = history.Unknown }),
			want: []outcome.Word{outcome.Corrupt},
		},
		{
			name: "no answer, and zeros in its slot", mode: modeDisjoint,
			ops: change(change(whole, history.Truth, "worker1#7", func(op *history.Op) { op.Kind, op.Value = history.KindNUL, "" }),
				history.Append, "worker1#7", func(op *history.Op) { op.Result = history.Unknown }),
			want: []outcome.Word{outcome.Inconclusive},
		},
		{
			name: "under locks that were waited for", ops: withLocks(whole, true),
			want: []outcome.Word{outcome.Durable},
		},
		{
			name: "under locks that nobody waited for", ops: withLocks(whole, false),
			want: []outcome.Word{outcome.Inconclusive},
		},
		{
			name: "twice", ops: append(slices.Clone(whole), history.Op{
				Client: history.ClientDisk, Func: history.Truth, File: modeRacing, Kind: history.KindToken, Value: "worker1#7", Seq: 32,
				Offset: 32 * raceRecordSize, Size: raceRecordSize, Invoke: 1e12, Return: 1e12 + ms, Result: history.OK,
			}),
			want: []outcome.Word{outcome.Corrupt},
		},
		{
			name: "one after the other", ops: spread(whole),
			want: []outcome.Word{outcome.Inconclusive},
		},
		{name: "one after the other, as they should", ops: spread(whole), mode: modeAlternating, want: []outcome.Word{outcome.Durable}},
		{
			name: "one side only", ops: slices.DeleteFunc(slices.Clone(whole), func(op history.Op) bool { return op.Client == "worker2" }),
			want: []outcome.Word{outcome.Inconclusive},
		},
		{
			name: "nobody read the disk", ops: slices.DeleteFunc(slices.Clone(whole), func(op history.Op) bool { return op.Func == history.Truth }),
			mode: modeAlternating, want: []outcome.Word{outcome.Inconclusive},
		},
		{name: "nothing", want: []outcome.Word{outcome.Inconclusive}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mode := cmp.Or(tc.mode, modeRacing)
			m := judgeRecords(&Evidence{Ops: mapOps(tc.ops, func(op *history.Op) { op.File = mode })}, mode)
			if diff := gocmp.Diff(tc.want, wordsOf(m.Outcomes)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s%v", diff, m.Outcomes)
			}
		})
	}
}

// spread lets the second side append when the first has finished.
func spread(ops []history.Op) []history.Op {
	out := slices.Clone(ops)
	for i := range out {
		if out[i].Client == "worker2" {
			out[i].Invoke, out[i].Return = out[i].Invoke+10_000*ms, out[i].Return+10_000*ms
		}
	}
	return out
}

// withLocks puts every append under a lock, one side after the other in each
// round. The second side asks early, while the first side holds it, or only
// when it is free.
func withLocks(ops []history.Op, early bool) []history.Op {
	out := mapOps(ops, func(op *history.Op) {
		if op.Client == "worker2" {
			op.Invoke, op.Return = op.Seq*100*ms+60*ms, op.Seq*100*ms+95*ms
		}
	})
	for _, op := range slices.Clone(out) {
		if op.Func != history.Append {
			continue
		}
		lock, unlock := op, op
		lock.Func, lock.Lane, lock.Value, lock.Mode = history.Lock, "lock", "", history.ModeRetried
		lock.Invoke, lock.Return = op.Invoke-2*ms, op.Invoke-ms
		if early && op.Client == "worker2" {
			lock.Invoke -= 30 * ms
		}
		unlock.Func, unlock.Lane, unlock.Value, unlock.Mode = history.Unlock, "lock", "", ""
		unlock.Invoke, unlock.Return = op.Return, op.Return+ms
		out = append(out, lock, unlock)
	}
	return out
}
