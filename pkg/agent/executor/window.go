package executor

import (
	"bytes"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
)

// A tail looks at the last keepWindow bytes again each time, so that it sees
// records written over others; it reads at most maxWindow bytes at once.
const (
	keepWindow = 64 << 10
	maxWindow  = 1 << 20
)

// window is the end of a log as it was seen last. Bytes may arrive out of
// order: a server that has the second of two writes shows zeros in the first
// one's place until it comes.
type window struct {
	base  int64 // offset of data[0]
	data  []byte
	items []payload.Item         // what data is, in order
	gaps  map[int64]*gapSighting // by offset, those in items
	buf   []byte
}

type gapSighting struct {
	since int64 // CLOCK_MONOTONIC, when first seen
	told  bool
}

func newWindow() *window {
	return &window{gaps: map[int64]*gapSighting{}, buf: make([]byte, maxWindow)}
}

// room is where to read the file's bytes from base on into.
func (w *window) room() []byte { return w.buf }

// end is the offset after the last byte seen.
func (w *window) end() int64 { return w.base + int64(len(w.data)) }

// waits says whether there is a gap that has not been told of yet.
func (w *window) waits() bool {
	for _, g := range w.gaps {
		if !g.told {
			return true
		}
	}
	return false
}

// take compares what the file holds from base on with what was seen, and
// returns events for new records and for gaps older than patience. With all
// set, every gap is reported now. More says that the file goes on behind b.
func (w *window) take(b []byte, now int64, all, more bool, patience time.Duration) []proto.Event {
	same := commonPrefix(w.data, b)
	var out []proto.Event
	if same < len(b) || same < len(w.data) {
		out = w.rescan(b, same)
	}
	w.data = append(w.data[:0], b...)
	out = append(out, w.tellGaps(now, all || more, patience, more)...)
	w.trim(more)
	return out
}

// rescan decodes b again from where it differs and returns the new records.
func (w *window) rescan(b []byte, same int) []proto.Event {
	keep := 0
	for keep < len(w.items) && w.items[keep].Offset+w.items[keep].Len <= w.base+int64(same) {
		keep++
	}
	for keep > 0 && w.items[keep-1].Kind != payload.RecordItem {
		keep--
	}
	before := map[int64]payload.Record{}
	for _, it := range w.items[keep:] {
		if it.Kind == payload.RecordItem {
			before[it.Offset] = it.Record
		}
	}
	from := w.base
	if keep > 0 {
		from = w.items[keep-1].Offset + w.items[keep-1].Len
	}
	w.items = w.items[:keep]
	var out []proto.Event
	scan := payload.NewScanner(bytes.NewReader(b[from-w.base:]), from)
	for scan.Scan() {
		it := scan.Item()
		w.items = append(w.items, it)
		old, was := before[it.Offset]
		if it.Kind != payload.RecordItem || was && old == it.Record {
			continue
		}
		ev := proto.Event{Offset: it.Offset, Bytes: it.Len, Client: it.Record.Client, Seq: it.Record.Seq}
		if was {
			ev.Over = &old
		}
		out = append(out, ev)
	}
	return out
}

// tellGaps returns events for the gaps that have been there for too long. A
// record that only the end of the buffer cuts is no gap.
func (w *window) tellGaps(now int64, all bool, patience time.Duration, more bool) []proto.Event {
	var out []proto.Event
	still := map[int64]*gapSighting{}
	for i, it := range w.items {
		if it.Kind == payload.RecordItem || more && i == len(w.items)-1 {
			continue
		}
		g := w.gaps[it.Offset]
		if g == nil {
			g = &gapSighting{since: now}
		}
		still[it.Offset] = g
		if !g.told && (all || time.Duration(now-g.since) >= patience) {
			g.told = true
			out = append(out, proto.Event{Offset: it.Offset, Bytes: it.Len, Gap: it.Kind})
		}
	}
	w.gaps = still
	return out
}

// trim forgets what is far from the end, but no gap that may still be filled.
// With more to come it always makes room.
func (w *window) trim(more bool) {
	limit := w.end() - keepWindow
	for offset, g := range w.gaps {
		if !g.told {
			limit = min(limit, offset)
		}
	}
	drop := 0
	for drop < len(w.items) && w.items[drop].Offset+w.items[drop].Len <= limit {
		drop++
	}
	base := w.base
	if drop > 0 {
		base = w.items[drop-1].Offset + w.items[drop-1].Len
	}
	if more && base == w.base { // one stretch longer than the buffer
		base = w.end() - keepWindow
		drop = len(w.items)
		w.items = append(w.items, payload.Item{Kind: w.items[drop-1].Kind, Offset: base, Len: keepWindow})
		w.gaps[base] = &gapSighting{told: true}
	}
	w.data = append(w.data[:0], w.data[base-w.base:]...)
	w.items = slices.Delete(w.items, 0, drop)
	w.base = base
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	const step = 512
	i := 0
	for i+step <= n && bytes.Equal(a[i:i+step], b[i:i+step]) {
		i += step
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
