package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
)

func summary(t testing.TB, path string) payload.LogSummary {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := payload.Summarize(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestAppender(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec  proto.StreamSpec
		calls string
	}{
		"plain":          {proto.StreamSpec{}, "write"},
		"as fast":        {proto.StreamSpec{Size: 100, StartSeq: 5}, "write"},
		"fsync":          {proto.StreamSpec{Sync: "fsync"}, "write fsync"},
		"fdatasync":      {proto.StreamSpec{Sync: "fdatasync"}, "write fdatasync"},
		"osync":          {proto.StreamSpec{Sync: "osync"}, "write"},
		"close":          {proto.StreamSpec{Sync: "close"}, "open write close"},
		"posix lock":     {proto.StreamSpec{Lock: "posix"}, "lock write unlock"},
		"flock, fsync":   {proto.StreamSpec{Lock: "flock", Sync: "fsync"}, "lock write fsync unlock"},
		"with a pace":    {proto.StreamSpec{IntervalUS: 2000}, "write"},
		"name made anew": {proto.StreamSpec{Client: "pod-*"}, "write"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, newAgent(t))
			path := tempPath(t, "log")
			spec := tt.spec
			spec.Kind, spec.Path, spec.MaxRecords, spec.WithSteps = proto.Appender, path, 10, true
			if spec.Client == "" {
				spec.Client = "a"
			}
			first := max(spec.StartSeq, 1)
			s := startStream(t, c, spec)
			events := rest(t, s)
			if len(events) != 10 {
				t.Fatalf("%d events", len(events))
			}
			var last int64
			for i, ev := range events {
				if ev.Seq != first+int64(i) || ev.Errno != "" || ev.T0 <= last || ev.T1 < ev.T0 {
					t.Errorf("event %+v", ev)
				}
				last = ev.T0
				var calls []string
				for _, step := range ev.Steps {
					calls = append(calls, step.Call)
				}
				want := tt.calls
				if i == 0 && spec.Sync != "close" {
					want = "open " + want
				}
				if got := strings.Join(calls, " "); got != want {
					t.Errorf("calls %s, want %s", got, want)
				}
			}
			end, _ := s.End()
			if end.Reason != "max_records" || end.OK != 10 || end.FirstSeq != first || end.LastSeq != first+9 || end.Events != 11 {
				t.Errorf("end %+v", end)
			}
			if spec.Client == "pod-*" && (len(end.Client) != 12 || !strings.HasPrefix(end.Client, "pod-")) {
				t.Errorf("client %q", end.Client)
			}
			sum := summary(t, path)
			if diff := cmp.Diff([]payload.Range{{From: first, To: first + 9}}, sum.Clients[end.Client].Ranges); diff != "" || sum.GapCount > 0 {
				t.Errorf("%+v (-want +got):\n%s", sum, diff)
			}
		})
	}
}

func TestAppenderErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec proto.StreamSpec
		want []int64 // sequence numbers tried, until the directory is there
		end  string
	}{
		"stop":    {proto.StreamSpec{OnError: "stop"}, []int64{1}, "error"},
		"retry":   {proto.StreamSpec{OnError: "retry", MaxRecords: 1}, []int64{1, 1, 1}, "max_records"},
		"reopen":  {proto.StreamSpec{OnError: "reopen", MaxRecords: 1}, []int64{1, 1, 1}, "max_records"},
		"advance": {proto.StreamSpec{Advance: true, MaxRecords: 100}, []int64{1, 2, 3}, "max_records"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, newAgent(t))
			dir := tempPath(t, "later")
			spec := tt.spec
			spec.Kind, spec.Path, spec.Client, spec.RetryMS = proto.Appender, filepath.Join(dir, "log"), "a", 1
			s := startStream(t, c, spec)
			for _, seq := range tt.want {
				if ev := next(t, s); ev.Seq != seq || ev.Errno != "ENOENT" || ev.Call != "open" {
					t.Errorf("event %+v", ev)
				}
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			events := rest(t, s)
			end, _ := s.End()
			if end.Reason != tt.end {
				t.Errorf("end %+v", end)
			}
			if tt.end == "error" {
				return
			}
			if last := events[len(events)-1]; last.Errno != "" {
				t.Errorf("last event %+v", last)
			}
			if sum := summary(t, filepath.Join(dir, "log")); sum.Clients["a"].Last != end.LastSeq || sum.Clients["a"].First != end.FirstSeq {
				t.Errorf("log %+v, end %+v", sum.Clients["a"], end)
			}
		})
	}
}

func TestAppenderMakesNoFileWhereTheMountShouldBe(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path := tempPath(t, "log")
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Appender, Path: path, Client: "a", NoCreate: true, OnError: "stop"})
	if ev := next(t, s); ev.Errno != "ENOENT" {
		t.Errorf("event %+v", ev)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec  proto.StreamSpec
		calls string
	}{
		"trunc":               {proto.StreamSpec{}, "open write close"},
		"trunc, fsync":        {proto.StreamSpec{Sync: "fsync"}, "open write fsync close"},
		"trunc under a lock":  {proto.StreamSpec{Lock: "flock"}, "open lock ftruncate write unlock close"},
		"in place":            {proto.StreamSpec{Mode: "inplace", Sync: "fsync"}, "write fsync"},
		"in place and closed": {proto.StreamSpec{Mode: "inplace", Sync: "close"}, "open write close"},
		"rename":              {proto.StreamSpec{Mode: "rename"}, "open write close rename"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, newAgent(t))
			path := tempPath(t, "reg")
			spec := tt.spec
			spec.Kind, spec.Path, spec.Client, spec.MaxRecords, spec.WithSteps = proto.Writer, path, "w", 5, true
			events := rest(t, startStream(t, c, spec))
			if len(events) != 5 {
				t.Fatalf("%d events", len(events))
			}
			last := events[4]
			var calls []string
			for _, step := range last.Steps {
				calls = append(calls, step.Call)
			}
			if got := strings.Join(calls, " "); got != tt.calls {
				t.Errorf("calls %s, want %s", got, tt.calls)
			}
			if last.Token != "w-5" || last.Seq != 5 || last.Bytes != 8192 {
				t.Errorf("last event %+v", last)
			}
			if v := do(t, c, proto.Request{Op: proto.OpReadRecord, Path: path, Close: true}).Value; v.Token != "w-5" || v.Size != 8192 {
				t.Errorf("file holds %+v", v)
			}
		})
	}
}

func TestPollerModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reg, err := payload.Register("v-1", 1, 8192)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "f")
	writeFile(t, file, reg)
	for _, mode := range []string{
		proto.PollStat, proto.PollFstat, proto.PollHeldRO, proto.PollHeldRW, proto.PollReopen,
		proto.PollLookup, proto.PollReaddir, proto.PollDirect, proto.PollLocked,
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := connect(t, newAgent(t))
			spec := proto.StreamSpec{Kind: proto.Poller, Mode: mode, Path: file, MaxRecords: 3}
			if mode == proto.PollReaddir {
				spec.Path, spec.Name = dir, "f"
			}
			events := rest(t, startStream(t, c, spec))
			if len(events) != 3 {
				t.Fatalf("%d events", len(events))
			}
			for _, ev := range events {
				if mode == proto.PollDirect && ev.Errno == "EINVAL" {
					t.Skip("the file system of the temporary directory has no O_DIRECT")
				}
				if ev.Errno != "" || ev.T0 == 0 || ev.T1 < ev.T0 {
					t.Fatalf("event %+v", ev)
				}
				switch mode {
				case proto.PollStat, proto.PollFstat:
					if ev.Stat == nil || ev.Stat.Size != 8192 || ev.Stat.Ino == 0 {
						t.Errorf("event %+v", ev)
					}
				case proto.PollReaddir:
					if ev.Found == nil || !*ev.Found || ev.Count != 1 {
						t.Errorf("event %+v", ev)
					}
				case proto.PollLookup:
				default:
					if ev.Value == nil || ev.Value.Token != "v-1" || ev.Bytes != 8192 {
						t.Errorf("event %+v", ev)
					}
				}
			}
		})
	}
}

func TestPollerChangesOnly(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "f")
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Poller, Mode: proto.PollReopen, Path: file, IntervalUS: 200, ChangesOnly: true})
	missing := next(t, s)
	if missing.Errno != "ENOENT" || missing.Prev != nil {
		t.Errorf("first event %+v", missing)
	}
	do(t, c, proto.Request{Op: proto.OpWriteRecord, Path: file + ".new", Token: "a", Seq: 1, Size: 64, Close: true})
	do(t, c, proto.Request{Op: proto.OpRename, Path: file + ".new", To: file})
	there := next(t, s)
	if there.Errno != "" || there.Value.Token != "a" {
		t.Errorf("second event %+v", there)
	}
	if p := there.Prev; p == nil || p.FirstT0 != missing.T0 || p.Count < 1 || p.LastT1 > there.T0 {
		t.Errorf("rounds before: %+v", p)
	}
	end := stopStream(t, s)
	if end.Last == nil || end.Last.FirstT0 != there.T0 || end.Last.Count+there.Prev.Count != end.OK+end.Failed {
		t.Errorf("end %+v, last %+v", end, end.Last)
	}
}

func TestPollerOfALog(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "log")
	rec := func(seq int64) []byte {
		b, err := payload.Record{Client: "a", Seq: seq}.Append(nil, 64)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	writeFile(t, file, append(rec(1), rec(2)[:40]...))
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Poller, Mode: proto.PollHeldRO, Path: file, IntervalUS: 200, ChangesOnly: true, Decode: "log"})
	if ev := next(t, s); ev.Seq != 1 || ev.Count != 1 || ev.Gap != payload.PartialItem || ev.Offset != 64 || ev.Bytes != 64 {
		t.Errorf("event %+v", ev)
	}
	fd := do(t, c, proto.Request{Op: proto.OpOpen, Path: file, Flags: []proto.Flag{proto.WRONLY}}).FD
	do(t, c, proto.Request{Op: proto.OpWrite, FD: fd, Data: append(rec(2), rec(3)...), Offset: 64})
	if ev := next(t, s); ev.Seq != 3 || ev.Count != 3 || ev.Gap != "" || ev.Client != "a" || ev.Bytes != 192 {
		t.Errorf("event %+v", ev)
	}
	stopStream(t, s)
}

func TestTail(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "log")
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Tail, Path: file, GapMS: 1})
	if ev := next(t, s); ev.Note != "missing" || ev.Errno != "ENOENT" {
		t.Errorf("first event %+v", ev)
	}
	// Two writers, one after the other, while the tail follows.
	for _, client := range []string{"a", "b"} {
		rest(t, startStream(t, c, proto.StreamSpec{Kind: proto.Appender, Path: file, Client: client, MaxRecords: 20, IntervalUS: 500}))
	}
	var got []payload.Record
	var last int64
	for range 40 {
		ev := next(t, s)
		if ev.Offset != int64(len(got))*64 || ev.T1 < ev.T0 || ev.T1 < last {
			t.Errorf("event %+v", ev)
		}
		last = ev.T1
		got = append(got, payload.Record{Client: ev.Client, Seq: ev.Seq})
	}
	if got[0] != (payload.Record{Client: "a", Seq: 1}) || got[39] != (payload.Record{Client: "b", Seq: 20}) {
		t.Errorf("records %v", got)
	}

	// A record written over another, as two appending clients do.
	over, err := payload.Record{Client: "c", Seq: 9}.Append(nil, 64)
	if err != nil {
		t.Fatal(err)
	}
	fd := do(t, c, proto.Request{Op: proto.OpOpen, Path: file, Flags: []proto.Flag{proto.WRONLY}}).FD
	do(t, c, proto.Request{Op: proto.OpWrite, FD: fd, Data: over, Offset: 64})
	if ev := next(t, s); ev.Client != "c" || ev.Offset != 64 || ev.Over == nil || *ev.Over != (payload.Record{Client: "a", Seq: 2}) {
		t.Errorf("event %+v, over %+v", ev, ev.Over)
	}
	// A hole at the end, and a record behind it.
	do(t, c, proto.Request{Op: proto.OpWrite, FD: fd, Data: over, Offset: 42 * 64})
	want := map[int64]bool{40 * 64: true, 42 * 64: true}
	for range 2 {
		ev := next(t, s)
		if !want[ev.Offset] || (ev.Gap == payload.NULItem) != (ev.Offset == 40*64) {
			t.Errorf("event %+v", ev)
		}
		delete(want, ev.Offset)
	}
	// A new file of the same name.
	do(t, c, proto.Request{Op: proto.OpRename, Path: file, To: file + ".old"})
	writeFile(t, file, over)
	for {
		ev := next(t, s)
		if ev.Note == "missing" {
			continue
		}
		if ev.Note == "replaced" {
			break
		}
		t.Errorf("event %+v", ev)
	}
	if ev := next(t, s); ev.Client != "c" || ev.Offset != 0 {
		t.Errorf("event %+v", ev)
	}
	if end := stopStream(t, s); end.OK != 43 || end.Failed != 1 || end.Errnos["NUL"] != 1 {
		t.Errorf("end %+v", end)
	}
}

func TestStreamDuration(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Poller, Mode: proto.PollStat, Path: "/", DurationMS: 20, IntervalUS: 1000})
	rest(t, s)
	if end, ok := s.End(); !ok || end.Reason != "duration" || end.T1-end.T0 < 20e6 {
		t.Errorf("end %+v", end)
	}
}
