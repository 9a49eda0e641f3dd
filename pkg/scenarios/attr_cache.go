package scenarios

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
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
		j.Modes = append(j.Modes, judgeInTime(e, mode, 2))
	}
	return j
}
