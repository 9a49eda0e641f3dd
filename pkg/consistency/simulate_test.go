package consistency

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
)

// sim makes valid histories: clients on a timeline of their own against a
// server whose state changes at one moment inside each operation.
type sim struct {
	rng    *rand.Rand
	ops    []history.Op
	events []simEvent
	reads  []simRead
	next   int
}

type simEvent struct {
	at    int64
	file  string
	token string
}

type simRead struct {
	op int   // index in ops
	at int64 // when it, or its open, looked at the server
}

// simulate returns a history of n or so operations on files registers that is
// linearizable, or close-to-open when held is true: then some reads are made
// through descriptors that were opened long before.
func simulate(seed uint64, n, files int, held bool) []history.Op {
	s := &sim{rng: rand.New(rand.NewPCG(seed, 3)), ops: make([]history.Op, 0, n+n/3+files)}
	const lanes = 3
	for f := range files {
		for lane := range lanes {
			s.lane(fmt.Sprintf("file%d", f), fmt.Sprintf("client%d", lane), n/files/lanes, held)
		}
	}
	return s.finish()
}

func (s *sim) lane(file, client string, n int, held bool) {
	now := 1000 + s.rng.Int64N(50)
	var opened int64 // when the held descriptor was opened, 0 if none is
	op := func(fn, mode string) (*history.Op, int64) {
		now += 20 + s.rng.Int64N(40)
		invoke := now
		now += 1 + s.rng.Int64N(60)
		err := s.rng.Int64N(4)
		off := s.rng.Int64N(2*err+1) - err
		o := history.Op{Client: client, Lane: file, File: file, Func: fn, Mode: mode, Result: history.OK,
			Invoke: invoke + off, Return: now + off, ErrNS: err}
		if s.rng.IntN(2) == 0 {
			o.OuterInvoke, o.OuterReturn = invoke-1-s.rng.Int64N(9), now+1+s.rng.Int64N(9)
		}
		s.ops = append(s.ops, o)
		return &s.ops[len(s.ops)-1], invoke + s.rng.Int64N(now-invoke+1)
	}
	for range n {
		switch k := s.rng.IntN(10); {
		case k < 3 && opened == 0:
			o, at := op(history.Write, history.ModeClose)
			s.next++
			o.Value = fmt.Sprintf("t%d", s.next)
			s.events = append(s.events, simEvent{at, file, o.Value})
		case k < 4 && held && opened == 0:
			op(history.Open, "")
			w, _ := op(history.Write, "")
			s.next++
			w.Value = fmt.Sprintf("t%d", s.next)
			_, at := op(history.Close, "")
			s.events = append(s.events, simEvent{at, file, fmt.Sprintf("t%d", s.next)})
		case k < 5 && held && opened == 0:
			_, opened = op(history.Open, "")
		case k < 6 && opened != 0:
			op(history.Close, "")
			opened = 0
		case opened != 0:
			op(history.Read, history.ModeHeldRO)
			s.reads = append(s.reads, simRead{len(s.ops) - 1, opened})
		default:
			_, at := op(history.Read, history.ModeReopen)
			s.reads = append(s.reads, simRead{len(s.ops) - 1, at})
		}
	}
}

// finish fills in what was read, and the truth.
func (s *sim) finish() []history.Op {
	slices.SortStableFunc(s.events, func(a, b simEvent) int { return cmp.Compare(a.at, b.at) })
	byFile := make(map[string][]simEvent)
	for _, e := range s.events {
		byFile[e.file] = append(byFile[e.file], e)
	}
	for _, r := range s.reads {
		op := &s.ops[r.op]
		op.Kind = history.KindEmpty
		for _, e := range byFile[op.File] {
			if e.at > r.at {
				break
			}
			op.Kind, op.Value = history.KindToken, e.token
		}
	}
	end := int64(0)
	for i := range s.ops {
		end = max(end, s.ops[i].Return+20, s.ops[i].OuterReturn+20)
	}
	for file, events := range byFile {
		s.ops = append(s.ops, history.Op{Client: history.ClientDisk, Func: history.Truth, File: file, Kind: history.KindToken,
			Value: events[len(events)-1].token, Invoke: end, Return: end + 1, Result: history.OK})
	}
	slices.SortStableFunc(s.ops, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	return s.ops
}
