package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// turns is a history of a lock that passes between two clients, n times, 5 ms
// after it was given back; whoever waits for it asked 30 ms before.
func turns(n int) []history.Op {
	op := func(client, lane, fn, mode, value string, from, to int64) history.Op {
		return history.Op{
			Client: client, Lane: lane, Func: fn, File: "posix", Mode: mode, Value: value,
			Invoke: from, Return: to, Result: history.OK,
		}
	}
	ops := []history.Op{op("worker1", "", history.Write, history.ModeClose, "first", 1, ms)}
	before := "first"
	for i := range n {
		client := fmt.Sprintf("worker%d", 1+i%2)
		given := int64(i+1) * 100 * ms // and given back 95 ms later
		value := fmt.Sprintf("%s-%d", client, i)
		ops = append(ops,
			op(client, "lock", history.Lock, history.ModeWaiting, "", given-30*ms, given),
			op(client, "data", history.Read, history.ModeLocked, before, given+20*ms, given+30*ms),
			op(client, "data", history.Write, history.ModeLocked, value, given+50*ms, given+96*ms),
			op(client, "lock", history.Unlock, "", "", given+95*ms, given+96*ms))
		before = value
	}
	truth := op(history.ClientDisk, "", history.Truth, "", before, 1e12, 1e12+ms)
	truth.Kind = history.KindToken
	return append(ops, truth)
}

func TestJudgeLocks(t *testing.T) {
	t.Parallel()
	good := turns(12)
	if problems := history.Validate(good); len(problems) > 0 {
		t.Fatal(problems)
	}
	exclusive := []outcome.Word{outcome.Linearizable, outcome.Durable, outcome.Exclusive}
	for _, tc := range []struct {
		name string
		ops  []history.Op
		want []outcome.Word
	}{
		{"passed on", good, exclusive},
		{
			"given while the other side had it", mapOps(good, func(op *history.Op) {
				if op.Func == history.Lock && op.Invoke > 650*ms && op.Invoke < 700*ms {
					op.Return -= 20 * ms
				}
			}),
			[]outcome.Word{outcome.Linearizable, outcome.Durable, outcome.TwoWriters},
		},
		{
			"two rewrites began from one value", mapOps(good, func(op *history.Op) {
				if op.Func == history.Read && op.Value == "worker2-5" {
					op.Value = "worker1-4"
				}
			}),
			[]outcome.Word{outcome.BoundedStale, outcome.Durable, outcome.Exclusive, outcome.LostUpdate},
		},
		{
			"a lock that was never given", append(slices.Clone(good), history.Op{
				Client: "worker2", Lane: "lock", Func: history.Lock, File: "posix", Invoke: 5000 * ms, Result: history.Unknown,
			}),
			append([]outcome.Word{outcome.Hung}, exclusive...),
		},
		{
			"nobody had to wait", mapOps(good, func(op *history.Op) {
				if op.Func == history.Lock {
					op.Invoke = op.Return - ms
				}
			}),
			[]outcome.Word{outcome.Inconclusive},
		},
		{"nothing", nil, []outcome.Word{outcome.Inconclusive}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := judgeLocks(tc.ops, "posix")
			if diff := cmp.Diff(tc.want, wordsOf(m.Outcomes)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s%v", diff, m.Outcomes)
			}
		})
	}
}

// TestHandovers checks the latency of a hand-over: from the call of the unlock
// to the return of the other side's lock.
func TestHandovers(t *testing.T) {
	t.Parallel()
	m := judgeLocks(turns(12), "posix")
	want := "5.0 ms (min 5.0, median 5.0, p95 5.0, n=11)"
	if !slices.ContainsFunc(m.Notes, func(n string) bool { return strings.Contains(n, want) }) {
		t.Errorf("no %q in %q", want, m.Notes)
	}
}

func mapOps(ops []history.Op, f func(op *history.Op)) []history.Op {
	out := slices.Clone(ops)
	for i := range out {
		f(&out[i])
	}
	return out
}
