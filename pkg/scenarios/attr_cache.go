package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// attrMost is how many versions a file has at most, and attrTime how long new
	// ones are begun: a reader that sees each version at once sees many.
	attrMost = 16
	attrTime = 12 * time.Second
	// attrEvery is the time from look to look and the resolution of the staleness
	// that is measured. quietEvery is that of readers that wait for long: a
	// revalidation that comes sooner after the timeout than the RPC before it took
	// does not double it (fs/nfs/inode.c nfs_update_inode: the timeout runs from
	// when the RPC was sent, the doubling from when it was answered).
	attrEvery  = 50 * time.Millisecond
	quietEvery = 500 * time.Millisecond
	// secondDoubling is after how much quiet the timeout of attributes has doubled
	// twice, with the default options: acregmin and twice that, 3 + 6 s. A version
	// that comes later is late for the modes that are about less quiet, and is
	// followed by another, up to mostLate times.
	secondDoubling = 9 * time.Second
	mostLate       = 3
	// statUnit is by how many bytes every version of a file that grows is longer.
	statUnit = 64
	// firstLook bounds the time until a watch has looked for the first time.
	firstLook = 30 * time.Second
)

// attrDelegated is the mode in which the reader may have been given a
// delegation before the write.
const attrDelegated = "held-ro-delegated"

// attrModes are the ways of looking, each at a file of its own: a stat would
// refresh what a held descriptor sees.
func attrModes(full bool) []string {
	modes := []string{"held-ro", "held-rw", "stat", attrDelegated, "held-ro-quiet25"}
	if full {
		modes = append(modes, "held-ro-quiet5", "held-ro-quiet70")
	}
	return modes
}

func attrCache() Scenario {
	return Scenario{
		Name: "attr-cache", Family: FamilyNFS, Quiet: true, Estimate: 95 * time.Second,
		Apart:   []nfs.Aspect{nfs.Delegations},
		Modes:   attrModes(true),
		Doc:     "B polls stat and an already open descriptor while A appends and rewrites, and closes",
		Decides: "staleness window in ms, with error bound; against acregmin, acregmax, actimeo, noac, and how long B had looked quietly before",
		Drive:   driveAttrCache,
		Judge:   judgeAttrCache,
	}
}

func driveAttrCache(ctx context.Context, b *Batch) error {
	modes := attrModes(b.Full)
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "poll while the other side rewrites", func(ctx context.Context, c *Cell) error {
			return atOnce(len(modes), func(i int) error { return b.attrMode(ctx, c, modes[i]) })
		})
	})
}

// attrMode watches one file while its versions are replaced, each as soon as
// the one before was seen and had been looked at quietly for the mode's time.
func (b *Batch) attrMode(ctx context.Context, c *Cell, mode string) (err error) {
	spec, how := attrLook(mode)
	w := c.versions(b.on(b.Target), mode, how)
	if err := w.next(ctx); err != nil {
		return err
	}
	release := func() error { return nil }
	if mode != attrDelegated {
		if release, err = w.hinderDelegation(ctx); err != nil {
			return err
		}
	}
	look, err := c.watch(ctx, b.on(b.Other), spec)
	if err != nil {
		return errors.Join(err, release())
	}
	err = errors.Join(look.awaitAny(ctx), release())
	if err == nil {
		err = w.replaceWhenSeen(ctx, look, quietOf(mode))
	}
	return errors.Join(err, look.end(ctx), w.truth(ctx, b.on(b.server())))
}

// attrLook is how a mode looks, and how its file is written.
func attrLook(mode string) (watchSpec, writeHow) {
	spec := watchSpec{file: mode, poll: proto.PollHeldRO, mode: history.ModeHeldRO, every: attrEvery}
	switch {
	case mode == "stat":
		spec.poll, spec.mode, spec.shows = proto.PollStat, history.Stat, sizeShown
		return spec, byAppending()
	case mode == "held-rw":
		spec.poll, spec.mode = proto.PollHeldRW, history.ModeHeldRW
	case quietOf(mode) > 0:
		spec.every = quietEvery
	}
	return spec, byClose()
}

// quietOf is how long the mode's reader looks without seeing a change before
// each version.
func quietOf(mode string) time.Duration {
	_, text, ok := strings.Cut(mode, "-quiet")
	s, err := strconv.Atoi(text)
	switch {
	case mode == attrDelegated:
		return 5 * time.Second // longer than acregmin
	case !ok || err != nil:
		return 0
	}
	return time.Duration(s) * time.Second
}

// hinderDelegation holds the file open for writing until release is called:
// nobody is given a delegation to read it meanwhile (RFC 8881 section 10.4),
// and none later without another open. With a delegation the attributes need
// no timeout.
func (w *versions) hinderDelegation(ctx context.Context) (release func() error, err error) {
	t, err := w.at.must(ctx, proto.Request{Op: proto.OpOpen, Lane: w.lane(), Path: w.path(), Flags: []proto.Flag{proto.WRONLY}})
	return func() error {
		_, err := w.at.must(ctx, proto.Request{Op: proto.OpClose, Lane: w.lane(), FD: t.FD})
		return err
	}, err
}

// replaceWhenSeen replaces the version each time that the watch has seen the
// last one. A version that is not seen in time ends it: a result, no error. A
// quiet reader is asked once. One that was quiet for too long, because machines
// are slow, is asked again.
func (w *versions) replaceWhenSeen(ctx context.Context, look *watch, silence time.Duration) error {
	began, shown := time.Now(), time.Now()
	for late := 0; ; {
		if err := quiet(ctx, silence); err != nil {
			return err
		}
		if err := w.next(ctx); err != nil {
			return err
		}
		wasLate := silence < secondDoubling && time.Since(shown) > secondDoubling-time.Second
		seen, err := look.awaitShown(ctx, w.latest(), staleDeadline)
		shown = time.Now()
		switch {
		case err != nil || !seen || w.n >= attrMost:
			return err
		case wasLate && late < mostLate:
			late++
		case silence > 0 || time.Since(began) > attrTime:
			return nil
		}
	}
}

func judgeAttrCache(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	for _, mode := range modesOf(e, attrModes) {
		if quietOf(mode) >= secondDoubling {
			j.Modes = append(j.Modes, judgeRegister(e, mode, 2))
			continue
		}
		ops, notes, inTime := withoutLate(e.Ops, mode, attrTimes(e.Trial.Granted))
		if len(notes) > 0 && inTime == 0 {
			j.Modes = append(j.Modes, Mode{Name: mode, Notes: notes, Outcomes: []outcome.Outcome{outcome.New(outcome.Inconclusive,
				"the machines were too slow: each version came when the reader had looked quietly for longer than the mode is about").In("history.jsonl")}})
			continue
		}
		kept := *e
		kept.Ops = ops
		m := judgeRegister(&kept, mode, 2)
		m.Notes = append(m.Notes, notes...)
		j.Modes = append(j.Modes, m)
	}
	return j
}

// withoutLate leaves out what a mode's reader saw of an old version after the
// next had come late, when that was for longer than in time and for no longer
// than so much quiet allows with the mount's options: it is a measurement of
// another mode. It counts the versions that came in time.
func withoutLate(ops []history.Op, mode string, times attrTimeouts) (kept []history.Op, notes []string, inTime int) {
	own := opsOf(ops, mode)
	writes, reads := funcOps(own, history.Write), funcOps(own, history.Read)
	type window struct {
		value    string
		from, to int64
	}
	var left []window
	for i := 1; i < len(writes); i++ {
		before, now := writes[i-1], writes[i]
		first := slices.IndexFunc(reads, func(r history.Op) bool { return r.Value == before.Value })
		if now.Result != history.OK || first < 0 {
			continue
		}
		silence := time.Duration(now.Invoke - reads[first].Invoke)
		if silence < secondDoubling {
			inTime++
			continue
		}
		inTimeToo, allowed := times.after(secondDoubling-1)+attrSlack, times.after(silence)+attrSlack
		stale := time.Duration(0)
		for _, r := range reads {
			if r.Value == before.Value {
				stale = max(stale, time.Duration(r.Invoke-now.Return))
			}
		}
		if stale > inTimeToo && stale <= allowed {
			left = append(left, window{before.Value, now.Return, now.Return + allowed.Nanoseconds()})
			notes = append(notes, fmt.Sprintf("version %s came after %s of quiet, and the one before was seen for %s after it, of the %s that so much quiet allows: left out",
				now.Value, seconds(silence.Nanoseconds()), seconds(stale.Nanoseconds()), seconds(allowed.Nanoseconds())))
		}
	}
	kept = slices.DeleteFunc(slices.Clone(ops), func(op history.Op) bool {
		return op.Func == history.Read && (op.File == mode || strings.HasPrefix(op.File, mode+"/")) &&
			slices.ContainsFunc(left, func(w window) bool { return op.Value == w.value && op.Invoke > w.from && op.Invoke <= w.to })
	})
	return kept, notes, inTime
}

// attrSlack is by how much a window may be longer than the timeout: the looks are
// attrEvery apart, and take time.
const attrSlack = 500 * time.Millisecond

// attrTimeouts are a mount's acregmin and acregmax (nfs(5)).
type attrTimeouts struct{ least, most time.Duration }

// attrTimes reads them from the options that the kernel granted, which name them
// when they are not the defaults, in s; noac is zero for both.
func attrTimes(granted map[string]string) attrTimeouts {
	times := attrTimeouts{3 * time.Second, time.Minute}
	for option, field := range map[string]*time.Duration{"acregmin": &times.least, "acregmax": &times.most} {
		if s, err := strconv.Atoi(granted[option]); err == nil {
			*field = time.Duration(s) * time.Second
		}
	}
	return times
}

// after is for how long attributes are trusted when the reader has found no
// change for as long as silence: acregmin, doubled at every revalidation that
// found none, up to acregmax (fs/nfs/inode.c nfs_update_inode).
func (a attrTimeouts) after(silence time.Duration) time.Duration {
	timeout := a.least
	for due := timeout; 0 < timeout && timeout < a.most && due <= silence; due += timeout {
		timeout = min(2*timeout, a.most)
	}
	return timeout
}
