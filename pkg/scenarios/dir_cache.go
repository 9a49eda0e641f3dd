package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
)

const (
	// nameMost is how many names are made or removed at most, one after the
	// other, and nameTime how long new ones are begun.
	nameMost = 6
	nameTime = 4 * time.Second
	// nameEvery is the time from look to look.
	nameEvery = 50 * time.Millisecond
	// modeRemovedStat is the mode that measures a file's attributes: how long the
	// reader has looked quietly before matters, as in attr-cache.
	modeRemovedStat = "removed-stat"
	// namePresent is what a look at a name that exists shows.
	namePresent = "made"
)

// dirModes are the ways of looking at names, each in a directory of its own: a
// listing would refresh what lookups see.
func dirModes(full bool) []string {
	modes := []string{"negative", "listing", "removed", modeRemovedStat, "removed-open"}
	if full {
		modes = append(modes, "negative-quiet5", "negative-quiet25", "negative-quiet70")
	}
	return modes
}

func dirCache() Scenario {
	return Scenario{
		Name: "dir-cache", Family: FamilyNFS, Quiet: true, Estimate: 80 * time.Second,
		Modes:   dirModes(true),
		Doc:     "B polls names that do not exist yet, a listing, and names that exist; A creates the former and unlinks the latter",
		Decides: "staleness of lookups and listings in ms; against acdirmin, acdirmax, lookupcache",
		Drive:   driveDirCache,
		Judge:   judgeDirCache,
	}
}

func driveDirCache(ctx context.Context, b *Batch) error {
	modes := dirModes(b.Full)
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "poll names while the other side makes and removes them", func(ctx context.Context, c *Cell) error {
			return atOnce(len(modes), func(i int) error { return b.dirMode(ctx, c, modes[i]) })
		})
	})
}

// dirMode changes one name after the other in a directory, each while it is
// looked at.
func (b *Batch) dirMode(ctx context.Context, c *Cell, mode string) error {
	writer := b.on(b.Target)
	dir := c.mountPoint() + "/" + mode
	if _, err := writer.must(ctx, proto.Request{Op: proto.OpMkdir, Lane: c.Key + " " + mode, Path: dir}); err != nil {
		return err
	}
	began := time.Now()
	for n, late := 1, 0; ; n++ {
		name := nameChange{cell: c, at: writer, dir: mode, name: fmt.Sprintf("name%d", n)}
		seen, err := b.changeName(ctx, &name, mode)
		err = errors.Join(err, name.truth(ctx, b.on(b.server())))
		again := mode == modeRemovedStat && name.quiet > secondDoubling-time.Second && late < mostLate
		if again {
			late++
		}
		if err != nil || !seen || n == nameMost || time.Since(began) > nameTime && !again {
			return err
		}
	}
}

// changeName makes or removes a name while it is looked at, and says whether
// the change was seen in time.
func (b *Batch) changeName(ctx context.Context, name *nameChange, mode string) (seen bool, err error) {
	removes := strings.HasPrefix(mode, "removed")
	before, after, change := history.KindAbsent, namePresent, name.create
	if removes {
		if err := name.create(ctx); err != nil {
			return false, err
		}
		before, after, change = namePresent, history.KindAbsent, name.unlink
	}
	look, err := name.cell.watch(ctx, b.on(b.Other), nameLook(mode, name))
	if err != nil {
		return false, err
	}
	seen, err = look.awaitShown(ctx, before, firstLook)
	if err == nil && !seen {
		err = fmt.Errorf("%s: a new look at %s does not show %s", mode, name.file(), before)
	}
	if err == nil {
		err = quiet(ctx, quietOf(mode))
	}
	shown := time.Now()
	if err == nil {
		err = change(ctx)
	}
	name.quiet = time.Since(shown)
	if err == nil {
		seen, err = look.awaitShown(ctx, after, staleDeadline)
	}
	return seen, errors.Join(err, look.end(ctx))
}

// nameLook is how a mode looks at a name.
func nameLook(mode string, n *nameChange) watchSpec {
	exists := func(proto.Event) (string, string) { return namePresent, history.KindToken }
	spec := watchSpec{file: n.file(), poll: proto.PollLookup, mode: history.ModeLookup, every: nameEvery, shows: exists}
	switch mode {
	case "listing":
		spec.path, spec.poll, spec.mode, spec.name = n.cell.mountPoint()+"/"+n.dir, proto.PollReaddir, history.Readdir, n.name
		spec.shows = func(ev proto.Event) (string, string) {
			if ev.Found == nil || !*ev.Found {
				return "", history.KindAbsent
			}
			return namePresent, history.KindToken
		}
	case modeRemovedStat:
		spec.poll, spec.mode = proto.PollStat, history.Stat
	case "removed-open":
		spec.poll, spec.mode = proto.PollReopen, history.ModeReopen
	}
	return spec
}

// nameChange is one name that is made or removed, as a register that holds
// namePresent while it exists.
type nameChange struct {
	cell *Cell
	at   *vantage
	dir  string
	name string
	// quiet is how long it was looked at before it changed.
	quiet time.Duration
}

func (n *nameChange) file() string { return n.dir + "/" + n.name }

func (n *nameChange) create(ctx context.Context) error {
	return n.do(ctx, history.Op{Func: history.Write, Mode: history.ModeClose, Value: namePresent}, proto.Request{
		Op: proto.OpWriteRecord, Flags: []proto.Flag{proto.WRONLY, proto.CREAT, proto.EXCL}, Token: namePresent, Size: statUnit, Close: true,
	})
}

func (n *nameChange) unlink(ctx context.Context) error {
	return n.do(ctx, history.Op{Func: history.Unlink}, proto.Request{Op: proto.OpUnlink})
}

func (n *nameChange) do(ctx context.Context, op history.Op, req proto.Request) error {
	req.Lane, req.Path = n.cell.Key+" "+n.dir, n.cell.mountPoint()+"/"+n.file()
	t, err := n.at.do(ctx, req)
	if err != nil {
		return err
	}
	op.Client, op.Lane, op.File, op.Result = n.at.machine, "change "+n.dir, n.file(), writeResult(t.Response)
	n.cell.op(n.at.machine, timedOp(t, op))
	if !t.OK() {
		return fmt.Errorf("%s %s on %s: %s", op.Func, n.file(), n.at.machine, orHung(t.Errno))
	}
	return nil
}

// truth reads from the server's disk whether the name exists.
func (n *nameChange) truth(ctx context.Context, server *vantage) error {
	t, err := server.do(ctx, proto.Request{Op: proto.OpLstat, Path: n.cell.Export.Path + "/" + n.file()})
	if err != nil {
		return err
	}
	op := history.Op{Client: history.ClientDisk, Func: history.Truth, File: n.file(), Result: history.OK}
	switch {
	case t.OK():
		op.Value, op.Kind = namePresent, history.KindToken
	case t.Errno == "ENOENT":
		op.Kind = history.KindAbsent
	default:
		return fmt.Errorf("look at %s on the server's disk: %s", n.file(), orHung(t.Errno))
	}
	t.Errno = ""
	n.cell.op(server.machine, timedOp(t, op))
	return nil
}

func judgeDirCache(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	for _, mode := range modesOf(e, dirModes) {
		least := 1
		if strings.HasPrefix(mode, "removed") {
			least = 2 // it was made before
		}
		if mode == modeRemovedStat {
			j.Modes = append(j.Modes, judgeInTime(e, mode, least))
			continue
		}
		j.Modes = append(j.Modes, judgeRegister(e, mode, least))
	}
	return j
}
