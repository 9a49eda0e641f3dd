package payload

import (
	"io"
	"slices"
)

// maxListed bounds every list of a LogSummary; the counts go on.
const maxListed = 64

// LogSummary is what a whole log file holds.
type LogSummary struct {
	Bytes        int64                     `json:"bytes"`
	Records      int64                     `json:"records"` // sound ones, repeated ones included
	Clients      map[string]*ClientSummary `json:"clients,omitempty"`
	NULBytes     int64                     `json:"nul_bytes,omitempty"`
	TornBytes    int64                     `json:"torn_bytes,omitempty"`
	PartialBytes int64                     `json:"partial_bytes,omitempty"` // of the cut record at the end
	Gaps         []Item                    `json:"gaps,omitempty"`          // the first 64 stretches that are no records
	GapCount     int64                     `json:"gap_count,omitempty"`
}

// ClientSummary is what a log file holds of one client.
type ClientSummary struct {
	Records    int64   `json:"records"`
	First      int64   `json:"first"`                // smallest sequence number
	Last       int64   `json:"last"`                 // largest sequence number
	Duplicates int64   `json:"duplicates,omitempty"` // records whose number had come before
	Repeated   []int64 `json:"repeated,omitempty"`   // the first 64 numbers that came again
	Backward   int64   `json:"backward,omitempty"`   // records with a smaller number than the one before
	Ranges     []Range `json:"ranges,omitempty"`     // the numbers that are there, ascending
}

// Range is the sequence numbers From to To, both included.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Has says whether the file holds the record.
func (s LogSummary) Has(r Record) bool {
	c := s.Clients[r.Client]
	if c == nil {
		return false
	}
	_, found := c.search(r.Seq)
	return found
}

// Missing lists the ranges that lack between first and last, both included.
func (c *ClientSummary) Missing(first, last int64) []Range {
	var out []Range
	next := first
	for _, r := range c.Ranges {
		if r.To < next {
			continue
		}
		if r.From > last {
			break
		}
		if r.From > next {
			out = append(out, Range{From: next, To: r.From - 1})
		}
		next = r.To + 1
	}
	if next <= last {
		out = append(out, Range{From: next, To: last})
	}
	return out
}

// Summarize reads a log file to its end. The error is the reader's.
func Summarize(r io.Reader) (LogSummary, error) {
	sum := LogSummary{Clients: map[string]*ClientSummary{}}
	previous := map[string]int64{}
	scan := NewScanner(r, 0)
	for scan.Scan() {
		item := scan.Item()
		sum.Bytes += item.Len
		if item.Kind != RecordItem {
			sum.addGap(item)
			continue
		}
		sum.Records++
		c := sum.Clients[item.Record.Client]
		if c == nil {
			c = &ClientSummary{First: item.Record.Seq, Last: item.Record.Seq}
			sum.Clients[item.Record.Client] = c
		} else if item.Record.Seq < previous[item.Record.Client] {
			c.Backward++
		}
		previous[item.Record.Client] = item.Record.Seq
		c.add(item.Record.Seq)
	}
	return sum, scan.Err()
}

func (s *LogSummary) addGap(item Item) {
	s.GapCount++
	if len(s.Gaps) < maxListed {
		s.Gaps = append(s.Gaps, item)
	}
	switch item.Kind {
	case NULItem:
		s.NULBytes += item.Len
	case PartialItem:
		s.PartialBytes += item.Len
	default:
		s.TornBytes += item.Len
	}
}

// search finds the range that holds seq, or the place where one would go.
func (c *ClientSummary) search(seq int64) (int, bool) {
	return slices.BinarySearchFunc(c.Ranges, seq, func(r Range, seq int64) int {
		switch {
		case r.To < seq:
			return -1
		case r.From > seq:
			return 1
		}
		return 0
	})
}

func (c *ClientSummary) add(seq int64) {
	c.Records++
	c.First, c.Last = min(c.First, seq), max(c.Last, seq)
	i, found := c.search(seq)
	if found {
		c.Duplicates++
		if len(c.Repeated) < maxListed {
			c.Repeated = append(c.Repeated, seq)
		}
		return
	}
	joinsLeft := i > 0 && c.Ranges[i-1].To == seq-1
	joinsRight := i < len(c.Ranges) && c.Ranges[i].From == seq+1
	switch {
	case joinsLeft && joinsRight:
		c.Ranges[i-1].To = c.Ranges[i].To
		c.Ranges = slices.Delete(c.Ranges, i, i+1)
	case joinsLeft:
		c.Ranges[i-1].To = seq
	case joinsRight:
		c.Ranges[i].From = seq
	default:
		c.Ranges = slices.Insert(c.Ranges, i, Range{From: seq, To: seq})
	}
}
