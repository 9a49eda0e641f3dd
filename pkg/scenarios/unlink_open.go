package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// The modes of unlink-open: the file is open on another client, in the process
// that unlinks it, or in one that is killed while it holds the file.
const (
	modeOtherClient = "other-client"
	modeOwn         = "own"
	modeOwnKilled   = "own-killed"
)

const (
	// sillyPrefix begins the name that a client gives a file that it removes and
	// still has open (fs/nfs/unlink.c nfs_sillyrename).
	sillyPrefix = ".nfs"
	// sillyGone bounds the time until that name is gone after the last close.
	sillyGone = 10 * time.Second
	// What the server's disk showed, as observations: their Detail is the names.
	sillySeen  = "silly-name-seen"
	sillyEnded = "silly-name-ended"
)

func unlinkOpen() Scenario {
	return Scenario{
		Name: "unlink-open", Family: FamilyNFS, Estimate: 25 * time.Second,
		Modes:   []string{modeOtherClient, modeOwn, modeOwnKilled},
		Doc:     "A deletes what B has open, and what A itself has open; in one variant A's process is then killed",
		Decides: "ESTALE or the old contents; whether silly-rename names are left over",
		Drive:   driveUnlinkOpen,
		Judge:   judgeUnlinkOpen,
	}
}

func driveUnlinkOpen(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "unlink what is open", func(ctx context.Context, c *Cell) error {
			modes := []func() error{
				func() error { return b.unlinkOther(ctx, c) },
				func() error { return b.unlinkOwn(ctx, c) },
				func() error { return b.unlinkKilled(ctx, c) },
			}
			return atOnce(len(modes), func(i int) error { return modes[i]() })
		})
	})
}

// openFileIn makes the directory of a mode with one file in it, one version.
func (c *Cell) openFileIn(ctx context.Context, v *vantage, mode string) (*versions, error) {
	if _, err := v.must(ctx, proto.Request{Op: proto.OpMkdir, Lane: c.Key + " " + mode, Path: c.mountPoint() + "/" + mode}); err != nil {
		return nil, err
	}
	w := c.versions(v, mode+"/file", byClose())
	return w, w.next(ctx)
}

// unlink removes the file and notes it.
func (w *versions) unlink(ctx context.Context) error {
	t, err := w.at.do(ctx, proto.Request{Op: proto.OpUnlink, Lane: w.lane(), Path: w.path()})
	if err != nil {
		return err
	}
	w.cell.op(w.at.machine, timedOp(t, history.Op{
		Client: w.at.machine, Lane: w.writer(), Func: history.Unlink, File: w.file, Result: writeResult(t.Response),
	}))
	if !t.OK() {
		return fmt.Errorf("unlink %s on %s: %s", w.file, w.at.machine, orHung(t.Errno))
	}
	return nil
}

// unlinkOther removes what B reads through a descriptor.
func (b *Batch) unlinkOther(ctx context.Context, c *Cell) error {
	w, err := c.openFileIn(ctx, b.on(b.Target), modeOtherClient)
	if err != nil {
		return err
	}
	look, err := b.lookHeld(ctx, c, w.file)
	if err != nil {
		return err
	}
	if err = w.unlink(ctx); err == nil {
		err = quiet(ctx, heldWatch)
	}
	return errors.Join(err, look.end(ctx))
}

// unlinkOwn removes what the same process reads through a descriptor.
func (b *Batch) unlinkOwn(ctx context.Context, c *Cell) error {
	own := b.on(b.Target)
	w, err := c.openFileIn(ctx, own, modeOwn)
	if err != nil {
		return err
	}
	look, err := c.watch(ctx, own, holdOpen(w.file))
	if err != nil {
		return err
	}
	if err = look.awaitAny(ctx); err == nil {
		err = w.unlink(ctx)
	}
	if err == nil {
		err = b.observeSilly(ctx, c, modeOwn, sillySeen)
	}
	if err == nil {
		err = quiet(ctx, heldWatch)
	}
	// The watch closes its descriptor when it ends.
	if err = errors.Join(err, look.end(ctx)); err != nil {
		return err
	}
	return b.awaitSillyGone(ctx, c, modeOwn)
}

// unlinkKilled lets a process open and remove a file, and kills it.
func (b *Batch) unlinkKilled(ctx context.Context, c *Cell) error {
	w, err := c.openFileIn(ctx, b.on(b.Target), modeOwnKilled)
	if err != nil {
		return err
	}
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return err
	}
	stop := waiting(ctx)
	res, err := node.Run(ctx, openRemoveDie(w.path()))
	stop()
	var failed *sshnode.ExitError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	for line := range strings.Lines(string(res.Stdout)) {
		c.now("client", sillySeen, modeOwnKilled, strings.TrimSpace(line))
	}
	return b.awaitSillyGone(ctx, c, modeOwnKilled)
}

// openRemoveDie is a process that opens a file, removes it, prints what is left
// of it in the directory, and is killed.
func openRemoveDie(name string) string {
	return fmt.Sprintf(`sh -c 'exec 9<"$1"; rm "$1"; ls -A "$2"; kill -KILL $$' sh %s %s`, sshnode.Quote(name), sshnode.Quote(path.Dir(name)))
}

// sillyNames lists the silly-rename names in a mode's directory on the server's
// disk.
func (b *Batch) sillyNames(ctx context.Context, c *Cell, mode string) ([]string, error) {
	t, err := b.on(b.server()).must(ctx, proto.Request{Op: proto.OpReaddir, Path: c.Export.Path + "/" + mode})
	return slices.DeleteFunc(t.Names, func(name string) bool { return !strings.HasPrefix(name, sillyPrefix) }), err
}

// observeSilly notes which silly-rename names the server's disk shows now.
func (b *Batch) observeSilly(ctx context.Context, c *Cell, mode, event string) error {
	names, err := b.sillyNames(ctx, c, mode)
	if err == nil {
		c.now(history.ClientDisk, event, mode, strings.Join(names, " "))
	}
	return err
}

// awaitSillyGone waits until the server's disk shows no silly-rename name, and
// notes what it shows in the end.
func (b *Batch) awaitSillyGone(ctx context.Context, c *Cell, mode string) error {
	until := time.Now().Add(sillyGone)
	for time.Now().Before(until) {
		names, err := b.sillyNames(ctx, c, mode)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			break
		}
		if err := quiet(ctx, againAfter); err != nil {
			return err
		}
	}
	return b.observeSilly(ctx, c, mode, sillyEnded)
}

func judgeUnlinkOpen(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	for _, mode := range []string{modeOtherClient, modeOwn} {
		m := judgeMode(e, mode, consistency.Untorn)
		m.Outcomes = append(m.Outcomes, judgeHeld(opsOf(e.Ops, mode), versionToken(1), history.Unlink))
		j.Modes = append(j.Modes, m)
	}
	own := &j.Modes[len(j.Modes)-1]
	own.Outcomes = append(own.Outcomes, judgeSilly(e, modeOwn)...)
	j.Modes = append(j.Modes, Mode{Name: modeOwnKilled, Outcomes: judgeSilly(e, modeOwnKilled)})
	return j
}

// judgeSilly says whether the name that keeps a removed file alive goes with
// the last close.
func judgeSilly(e *Evidence, mode string) []outcome.Outcome {
	seen, looked := e.First(sillySeen, mode)
	ended, waited := e.Last(sillyEnded, mode)
	switch {
	case !looked || !strings.HasPrefix(seen.Detail, sillyPrefix):
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "no silly-rename name was seen while the removed file was open: %q", seen.Detail).In("observations.jsonl")}
	case !waited:
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "nobody looked after the last close").In("observations.jsonl")}
	case ended.Detail != "":
		return []outcome.Outcome{leftName(ended)}
	default:
		return []outcome.Outcome{outcome.New(outcome.Clean, "%s was there while the file was open, and is gone", seen.Detail).
			From(history.ClientDisk).In("observations.jsonl")}
	}
}

func leftName(o rundir.Observation) outcome.Outcome {
	return outcome.New(outcome.Leaked, "%s is left on the server's disk %s after the last close", o.Detail, sillyGone).
		From(history.ClientDisk).In("observations.jsonl")
}
