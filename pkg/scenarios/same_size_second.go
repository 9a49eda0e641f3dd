package scenarios

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

const (
	// secondAttempts is how often two versions are written for one second to hold
	// both. Each attempt takes a fraction of a second, unless the machines are
	// very slow.
	secondAttempts = 20
	// secondLanes is how many cells try at once: more of them take longer than a
	// second each.
	secondLanes = 4
)

// stampSeen is the observation of what the server's disk has of a version of a
// file: the time of its last change, in ns since 1970.
const stampSeen = "ctime"

// sameSizeSecond does what sameSizeTick does with a clock that leaves nothing to
// luck: on a file system of whole seconds a version is written, the other side
// reads it, and another of the same size is written within the same second. Each
// attempt is a file of its own, until the disk says that both got one ctime.
func (b *Batch) sameSizeSecond(ctx context.Context, c *Cell, lanes chan struct{}) error {
	select {
	case lanes <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	file, err := b.writeWithinASecond(ctx, c)
	fresh := true
	if err == nil {
		fresh, err = b.readAgain(ctx, c, file)
	}
	<-lanes
	if err != nil || fresh {
		return err
	}
	last := versionToken(2)
	look, err := c.watch(ctx, b.on(b.Other), watchSpec{
		file: file, path: b.coarsePlace(c).mounted + "/" + file, poll: proto.PollReopen, mode: history.ModeReopen, every: tickWatchEvery,
	})
	if err != nil {
		return err
	}
	_, awaitErr := look.awaitShown(ctx, last, b.watchFor(tickWatch))
	if err := look.end(ctx); err != nil {
		return err
	}
	return awaitErr
}

// writeWithinASecond makes attempts until both versions of a file got one ctime,
// and returns the last attempt's file.
func (b *Batch) writeWithinASecond(ctx context.Context, c *Cell) (file string, err error) {
	in := b.coarsePlace(c)
	if _, err := b.on(b.server()).must(ctx, proto.Request{Op: proto.OpMkdir, Path: in.exported + "/" + modeSameSizeSecond}); err != nil {
		return "", err
	}
	for attempt := 1; attempt <= secondAttempts; attempt++ {
		w := c.versions(b.on(b.Target), fmt.Sprintf("%s/%d", modeSameSizeSecond, attempt), byClose())
		w.in, w.how.size = in, tickSize
		var stamps [2]int64
		for i := range stamps {
			if err := w.next(ctx); err != nil {
				return "", err
			}
			if stamps[i], err = b.stamp(ctx, w); err != nil {
				return "", err
			}
			if i > 0 {
				break
			}
			if _, err := c.readRegister(ctx, b.on(b.Other), w.path(), w.file); err != nil {
				return "", err
			}
		}
		if err := w.truth(ctx, b.on(b.server())); err != nil {
			return "", err
		}
		if file = w.file; stamps[0] == stamps[1] {
			break
		}
	}
	return file, nil
}

// stamp notes and returns the ctime that the disk has of the version written
// last.
func (b *Batch) stamp(ctx context.Context, w *versions) (int64, error) {
	server := b.on(b.server())
	t, err := server.must(ctx, proto.Request{Op: proto.OpStat, Lane: w.cell.Key, Path: w.onServer()})
	if err != nil {
		return 0, err
	}
	w.cell.observe(server.machine, rundir.Observation{
		T: t.T1, Source: history.ClientDisk, Event: stampSeen, Subject: w.file,
		Detail: w.latest(), Value: strconv.FormatInt(t.Stat.CtimeNS, 10),
	})
	return t.Stat.CtimeNS, nil
}

// readAgain opens and reads an attempt's file; fresh says that it showed the
// last version.
func (b *Batch) readAgain(ctx context.Context, c *Cell, file string) (fresh bool, err error) {
	got, err := c.readRegister(ctx, b.on(b.Other), b.coarsePlace(c).mounted+"/"+file, file)
	return got == versionToken(2), err
}

// judgeSameSizeSecond judges the attempts. One of them must have put both
// versions into one second with a read of the first between them, or nothing was
// put to the test. ok is false for a trial from before there was the mode: it
// does not say whether the server could have a file system of whole seconds.
func judgeSameSizeSecond(e *Evidence) (m Mode, ok bool) {
	if why, no := e.Trial.Facts[factNoCoarse].(string); no {
		return Mode{Name: modeSameSizeSecond, Outcomes: []outcome.Outcome{
			outcome.New(outcome.NotApplicable, "the server cannot have a file system of whole seconds: %s", why).In("trial.json"),
		}}, true
	}
	if _, ok := e.Trial.Facts[factCoarse]; !ok {
		return m, false
	}
	m = judgeRegister(e, modeSameSizeSecond, 2)
	attempts, why := 0, "there was none"
	for attempt := 1; attempt <= secondAttempts; attempt++ {
		file := fmt.Sprintf("%s/%d", modeSameSizeSecond, attempt)
		ops := opsOf(e.Ops, file)
		if len(ops) == 0 {
			break
		}
		attempts++
		if why = e.notWithinASecond(ops, file); why == "" {
			m.Notes = append(m.Notes, fmt.Sprintf("attempt %d put both versions, of %d bytes each, into one second of the server's disk, and the reader had read the first", attempt, tickSize))
			return m, true
		}
	}
	m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "none of %d attempts put two versions into one second with a read between them: %s", attempts, why).
		In("history.jsonl", "observations.jsonl"))
	return m, true
}

// notWithinASecond says why an attempt proves nothing, "" when it does: both
// versions have one size and one ctime, which is a whole second; the first was
// read before the second was written, and somebody read afterwards.
func (e *Evidence) notWithinASecond(ops []history.Op, file string) string {
	stamps := map[string]string{}
	for _, o := range e.Observations {
		if o.Event == stampSeen && o.Subject == file {
			stamps[o.Detail] = o.Value
		}
	}
	first, second := versionToken(1), versionToken(2)
	switch {
	case stamps[first] == "" || stamps[second] == "":
		return "the disk's ctime of a version is not known"
	case stamps[first] != stamps[second]:
		return "the second was over before the last version was written"
	case !strings.HasSuffix(stamps[first], "000000000"):
		return "the disk's ctime is no whole second"
	}
	var writes [2]*history.Op
	for i := range ops {
		if op := &ops[i]; op.Func == history.Write && op.Result == history.OK {
			for k, token := range []string{first, second} {
				if op.Value == token {
					writes[k] = op
				}
			}
		}
	}
	if writes[0] == nil || writes[1] == nil || writes[0].Size != writes[1].Size {
		return "there are no two versions of one size"
	}
	_, written := writes[0].Wide()
	begun, replaced := writes[1].Wide()
	between, after := false, false
	for i := range ops {
		op := &ops[i]
		if op.Func != history.Read || op.Result != history.OK {
			continue
		}
		invoke, ret := op.Wide()
		between = between || op.Value == first && invoke >= written && ret <= begun
		after = after || invoke >= replaced
	}
	switch {
	case !between:
		return "nobody read the first version before the last was written"
	case !after:
		return "nobody read after the last version was written"
	}
	return ""
}
