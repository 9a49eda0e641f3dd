package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// judgeInTime is judgeRegister without what a reader saw of a version after the
// next one had come late (withoutLate). With none in time nothing was measured.
func judgeInTime(e *Evidence, mode string, least int) Mode {
	ops, notes, inTime := withoutLate(e.Ops, mode, attrTimes(e.Trial.Granted))
	if len(notes) > 0 && inTime == 0 {
		return Mode{Name: mode, Notes: notes, Outcomes: []outcome.Outcome{outcome.New(outcome.Inconclusive,
			"the machines were too slow: each version came when the reader had looked quietly for longer than the mode is about").In("history.jsonl")}}
	}
	kept := *e
	kept.Ops = ops
	m := judgeRegister(&kept, mode, least)
	m.Notes = append(m.Notes, notes...)
	return m
}

// withoutLate leaves out what a mode's reader saw of an old version after the
// next had come late, when that was for longer than in time and for no longer
// than so much quiet allows with the mount's options: it is a measurement of
// another mode. It counts the versions that came in time.
func withoutLate(ops []history.Op, mode string, times attrTimeouts) (kept []history.Op, notes []string, inTime int) {
	own := opsOf(ops, mode)
	type window struct {
		file, value string
		from, to    int64
	}
	var left []window
	last := map[string]history.Op{} // of each file
	for _, now := range own {
		if !isWrite(&now) {
			continue
		}
		before, replaced := last[now.File]
		last[now.File] = now
		if !replaced {
			continue
		}
		reads := slices.DeleteFunc(funcOps(own, history.Read), func(r history.Op) bool { return r.File != now.File })
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
			left = append(left, window{now.File, before.Value, now.Return, now.Return + allowed.Nanoseconds()})
			what := "version " + now.Value
			if now.Value == "" {
				what = now.Func + " of " + now.File
			}
			notes = append(notes, fmt.Sprintf("%s came after %s of quiet, and the one before was seen for %s after it, of the %s that so much quiet allows: left out",
				what, seconds(silence.Nanoseconds()), seconds(stale.Nanoseconds()), seconds(allowed.Nanoseconds())))
		}
	}
	kept = slices.DeleteFunc(slices.Clone(ops), func(op history.Op) bool {
		return op.Func == history.Read && slices.ContainsFunc(left, func(w window) bool {
			return op.File == w.file && op.Value == w.value && op.Invoke > w.from && op.Invoke <= w.to
		})
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
