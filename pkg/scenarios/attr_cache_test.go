package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
)

func TestAttrTimeouts(t *testing.T) {
	t.Parallel()
	for silence, want := range map[time.Duration]time.Duration{
		0: 3, 2: 3, 3: 6, 8: 6, 9: 12, 20: 12, 21: 24, 44: 24, 45: 48, 92: 48, 93: 60, 200: 60,
	} {
		if got := attrTimes(nil).after(silence * time.Second); got != want*time.Second {
			t.Errorf("after %d s of quiet: %s, want %d s", silence, got, want)
		}
	}
	for s, want := range map[string]time.Duration{"0": 0, "1": time.Second, "60": time.Minute} {
		times := attrTimes(map[string]string{"acregmin": s, "acregmax": s})
		if got := times.after(100 * time.Second); got != want {
			t.Errorf("acregmin = acregmax = %s s: %s", s, got)
		}
	}
}

// TestWithoutLateName checks that names are told apart, and that an unlink may be
// late, too.
func TestWithoutLateName(t *testing.T) {
	t.Parallel()
	op := func(fn, name, value string, at float64) history.Op {
		ns := int64(at * 1e9)
		return history.Op{Func: fn, File: "removed-stat/" + name, Value: value, Invoke: ns, Return: ns + 1, Result: history.OK}
	}
	ops := []history.Op{
		op(history.Write, "name1", namePresent, 1), op(history.Read, "name1", namePresent, 2), op(history.Unlink, "name1", "", 13),
		op(history.Read, "name1", namePresent, 23), op(history.Read, "name1", "", 24),
		op(history.Write, "name2", namePresent, 25), op(history.Read, "name2", namePresent, 26), op(history.Unlink, "name2", "", 27),
		op(history.Read, "name2", namePresent, 30), op(history.Read, "name2", "", 31),
	}
	kept, notes, inTime := withoutLate(ops, modeRemovedStat, attrTimes(nil))
	if len(kept) != len(ops)-1 || inTime != 1 || len(notes) != 1 || !strings.HasPrefix(notes[0], "unlink of removed-stat/name1 came after 11.00 s") {
		t.Errorf("%d of %d operations kept, %d in time, %q", len(kept), len(ops), inTime, notes)
	}
}

// TestWithoutLate checks that what a late version shows is left out, and only as
// far as its quiet allows.
func TestWithoutLate(t *testing.T) {
	t.Parallel()
	const mode = "held-ro"
	op := func(fn, value string, at float64) history.Op {
		ns := int64(at * 1e9)
		return history.Op{Func: fn, File: mode, Value: value, Invoke: ns, Return: ns + 1, Result: history.OK}
	}
	for _, tc := range []struct {
		name    string
		ops     []history.Op
		actimeo string
		kept    int
		inTime  int
		note    string
	}{
		{"in time", []history.Op{op(history.Write, "v1", 1), op(history.Read, "v1", 2), op(history.Write, "v2", 10), op(history.Read, "v1", 15), op(history.Read, "v2", 16)}, "", 5, 1, ""},
		{"late", []history.Op{op(history.Write, "v1", 1), op(history.Read, "v1", 2), op(history.Write, "v2", 12), op(history.Read, "v1", 23), op(history.Read, "v2", 24)}, "", 4, 0, "after 10.00 s of quiet, and the one before was seen for 11.00 s"},
		{"late, and stale for longer than that allows", []history.Op{op(history.Write, "v1", 1), op(history.Read, "v1", 2), op(history.Write, "v2", 12), op(history.Read, "v1", 13), op(history.Read, "v1", 26)}, "", 5, 0, ""},
		{"late, with attributes that are not cached", []history.Op{op(history.Write, "v1", 1), op(history.Read, "v1", 2), op(history.Write, "v2", 12), op(history.Read, "v1", 23), op(history.Read, "v2", 24)}, "0", 5, 0, ""},
		{"late, and seen soon", []history.Op{op(history.Write, "v1", 1), op(history.Read, "v1", 2), op(history.Write, "v2", 12), op(history.Read, "v1", 15), op(history.Read, "v2", 16)}, "", 5, 0, ""},
		{"late, then in time", []history.Op{
			op(history.Write, "v1", 1), op(history.Read, "v1", 2), op(history.Write, "v2", 12), op(history.Read, "v1", 23),
			op(history.Read, "v2", 24), op(history.Write, "v3", 25), op(history.Read, "v2", 27), op(history.Read, "v3", 28),
		}, "", 7, 1, "v2 came"},
	} {
		kept, notes, inTime := withoutLate(tc.ops, mode, attrTimes(map[string]string{"acregmin": tc.actimeo, "acregmax": tc.actimeo}))
		if len(kept) != tc.kept || inTime != tc.inTime || !strings.Contains(strings.Join(notes, " "), tc.note) || (tc.note == "") != (len(notes) == 0) {
			t.Errorf("%s: %d operations kept, %d versions in time, %q", tc.name, len(kept), inTime, notes)
		}
	}
}
