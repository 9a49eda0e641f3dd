package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// attrRounds is how many versions there are at least, and attrMost at most
	// within attrTime: a reader that sees each version at once sees many.
	attrRounds = 4
	attrMost   = 40
	attrTime   = 3 * time.Second
	// attrPollUS is the pollers' interval in µs; it is the resolution of the
	// staleness that is measured.
	attrPollUS = 5000
	// statUnit is by how many bytes every version of the stat file is longer.
	statUnit = 64
)

func attrCache() Scenario {
	return Scenario{
		Name: "attr-cache", Family: FamilyNFS, Quiet: true, Estimate: 25 * time.Second,
		Doc:     "B polls stat and an already open descriptor while A appends and rewrites, and closes",
		Decides: "staleness window in ms, with error bound; against acregmin, acregmax, actimeo, noac",
		Drive:   driveAttrCache,
		Judge:   judgeAttrCache,
	}
}

// Each way of looking has a file of its own: a stat would refresh what the
// held descriptor sees.
const (
	statFile = "grows"   // version k is k*statUnit bytes long
	heldFile = "rewrite" // version k is a register with token k
)

func driveAttrCache(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		writer, reader := b.on(b.Target), b.on(b.Other)
		return b.each(ctx, "poll while the other side rewrites", func(ctx context.Context, c *Cell) error {
			// Each file goes at its own pace: a version follows as soon as the one
			// before it was seen, so that the readers' attributes are as young as can
			// be when it comes.
			err := errors.Join(
				c.newVersion(ctx, writer, statFile, 1),
				c.newVersion(ctx, writer, heldFile, 1),
			)
			if err != nil {
				return err
			}
			pollers, err := c.startPollers(ctx, reader)
			if err != nil {
				return err
			}
			files := []string{statFile, heldFile}
			err = atOnce(len(files), func(i int) error { return c.replaceVersions(ctx, writer, files[i], pollers[files[i]]) })
			return errors.Join(err, c.stopPollers(ctx, b, reader, pollers))
		})
	})
}

func versionToken(n int) string { return fmt.Sprintf("v%d", n) }

// replaceVersions replaces a file's version each time that its poller has seen
// the last one. A version that is not seen in time ends it: a result, no error.
func (c *Cell) replaceVersions(ctx context.Context, writer *vantage, file string, f *follower) error {
	began := time.Now()
	for version := 1; ; version++ {
		seen, err := c.awaitVersion(ctx, file, f, version)
		if err != nil || !seen {
			return err
		}
		if version == attrMost || version >= attrRounds && time.Since(began) > attrTime {
			return nil
		}
		if err := c.newVersion(ctx, writer, file, version+1); err != nil {
			return err
		}
	}
}

// newVersion makes a file's next version on v.
func (c *Cell) newVersion(ctx context.Context, v *vantage, file string, n int) error {
	path := c.mountPoint() + "/" + file
	flags := []proto.Flag{proto.WRONLY}
	if n == 1 {
		flags = append(flags, proto.CREAT)
	}
	if file == heldFile {
		return c.writeRegister(ctx, v, path, file, versionToken(n), flags...)
	}
	t, err := v.do(ctx, proto.Request{
		Op: proto.OpWriteRecord, Lane: c.Key + file, Path: path, Flags: append(flags, proto.APPEND),
		Token: versionToken(n), Size: statUnit, Close: true,
	})
	if err != nil {
		return err
	}
	c.op(v.machine, timedOp(t, history.Op{
		Client: v.machine, Lane: file, Func: history.Write, File: file, Mode: history.ModeClose,
		Value: versionToken(n), Size: int64(n) * statUnit, Result: writeResult(t.Response),
	}))
	if !t.OK() {
		return fmt.Errorf("append to %s: %s", file, orHung(t.Errno))
	}
	return nil
}

// startPollers starts one poller a file on v.
func (c *Cell) startPollers(ctx context.Context, v *vantage) (map[string]*follower, error) {
	pollers := map[string]*follower{}
	for file, spec := range map[string]proto.StreamSpec{
		statFile: {Mode: proto.PollStat, Decode: "none"},
		heldFile: {Mode: proto.PollHeldRO, Decode: "register", Size: registerSize},
	} {
		spec.Kind, spec.Path, spec.IntervalUS, spec.ChangesOnly = proto.Poller, c.mountPoint()+"/"+file, attrPollUS, true
		s, err := v.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &spec})
		if err != nil {
			return nil, fmt.Errorf("poll %s: %w", file, err)
		}
		pollers[file] = follow(s, func(f *follower, ev proto.Event) { c.pollEvent(f, v, file, ev) })
	}
	return pollers, nil
}

// pollEvent notes the last look that saw the old version and the first that
// saw the new one: together they hold the whole window of staleness. A version
// that one look saw was noted by that look.
func (c *Cell) pollEvent(f *follower, v *vantage, file string, ev proto.Event) {
	op := history.Op{Client: v.machine, Lane: file, Func: history.Read, File: file, Mode: history.ModeHeldRO}
	if file == statFile {
		op.Mode = history.Stat
	}
	if ev.Prev != nil && ev.Prev.Count > 1 && f.value != "" {
		old := op
		old.Value, old.Result = f.value, history.OK
		old.Invoke, old.Return = ev.Prev.LastT0, ev.Prev.LastT1
		c.op(v.machine, old)
	}
	op.Invoke, op.Return, op.Errno = ev.T0, ev.T1, ev.Errno
	op.Result = history.OK
	switch {
	case ev.Hung:
		return
	case ev.Errno != "":
		op.Result = history.Fail
	case file == statFile && ev.Stat != nil:
		op.Size, op.Mtime = ev.Stat.Size, ev.Stat.MtimeNS
		op.Value = versionToken(int(ev.Stat.Size / statUnit))
	case ev.Value != nil:
		op.Value, op.Kind = decoded(*ev.Value)
	}
	f.value = op.Value
	c.op(v.machine, op)
}

// awaitVersion waits until the poller sees the version, as long as
// staleDeadline.
func (c *Cell) awaitVersion(ctx context.Context, file string, f *follower, version int) (seen bool, err error) {
	defer waiting(ctx)()
	wait, cancel := context.WithTimeout(ctx, staleDeadline)
	defer cancel()
	err = f.await(wait, file, func(f *follower) bool { return f.value == versionToken(version) })
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// stopPollers ends the pollers, notes their last looks, and reads the truth.
func (c *Cell) stopPollers(ctx context.Context, b *Batch, v *vantage, pollers map[string]*follower) error {
	for file, f := range pollers {
		end, err := f.stop(ctx)
		if err != nil {
			return fmt.Errorf("stop polling %s: %w", file, err)
		}
		c.Trial.SetFact("looks_"+file, end.OK)
		if end.Last == nil || end.Last.Count == 1 || f.seen() == "" {
			continue
		}
		mode := history.ModeHeldRO
		if file == statFile {
			mode = history.Stat
		}
		c.op(v.machine, history.Op{
			Client: v.machine, Lane: file, Func: history.Read, File: file, Mode: mode, Value: f.seen(),
			Result: history.OK, Invoke: end.Last.LastT0, Return: end.Last.LastT1,
		})
	}
	return errors.Join(
		c.registerTruth(ctx, b.on(b.server()), c.Export.Path+"/"+heldFile, heldFile),
		c.sizeTruth(ctx, b.on(b.server())),
	)
}

// sizeTruth reads from the server's disk which version the stat file is.
func (c *Cell) sizeTruth(ctx context.Context, server *vantage) error {
	t, err := server.must(ctx, proto.Request{Op: proto.OpStat, Path: c.Export.Path + "/" + statFile})
	if err != nil {
		return err
	}
	c.op(server.machine, timedOp(t, history.Op{
		Client: history.ClientDisk, Func: history.Truth, File: statFile, Result: history.OK,
		Value: versionToken(int(t.Stat.Size / statUnit)), Size: t.Stat.Size,
	}))
	return nil
}

func judgeAttrCache(e *Evidence) Judgement {
	j := judgeModels(e.Ops, consistency.Linearizable, consistency.BoundedStale,
		consistency.MonotonicReads, consistency.Untorn, consistency.Durable)
	for _, file := range []string{statFile, heldFile} {
		var ops []history.Op
		for _, op := range e.Ops {
			if op.File == file {
				ops = append(ops, op)
			}
		}
		for _, m := range judgeModels(ops, consistency.BoundedStale).Models {
			if m.Figure != nil {
				j.note("%s: %s", modeName(file), m.Figure.Detail())
			}
		}
	}
	if n := countOK(e.Ops); n < 3*attrRounds {
		j.Outcomes = append(j.Outcomes, outcome.New(outcome.Inconclusive, "%d operations succeeded, at least %d are wanted", n, 3*attrRounds))
	}
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	return j
}

func modeName(file string) string {
	if file == statFile {
		return "stat"
	}
	return "descriptor held open read-only"
}
