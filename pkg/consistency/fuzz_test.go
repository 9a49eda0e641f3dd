package consistency

import (
	"strings"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
)

// FuzzCheck feeds histories that no client could have made: no model may
// break, and no verdict may come without its proof.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("write one, read two, truth three, and some more to make it long enough"))
	funcs := []string{history.Open, history.Read, history.Write, history.Append, history.Fsync, history.Close, history.Truncate,
		history.Stat, history.Create, history.Unlink, history.Rename, history.Lock, history.Unlock, history.Truth, "nonsense"}
	modes := []string{"", history.ModeClose, history.ModeReopen, history.ModeHeldRO, history.ModeFsync, history.ModeTrunc, history.ModeShared}
	kinds := []string{"", history.KindEmpty, history.KindAbsent, history.KindTorn, history.KindToken, "nonsense"}
	results := []string{history.OK, history.OK, history.OK, history.Fail, history.Unknown}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ops []history.Op
		for i := 0; i+6 <= len(data) && len(ops) < 40; i += 6 {
			b := data[i : i+6]
			ops = append(ops, history.Op{
				Client: string('a' + rune(b[0]%3)), Lane: string('x' + rune(b[0]>>4%2)), File: string('f' + rune(b[0]>>6%2)),
				Func: funcs[int(b[1])%len(funcs)], Mode: modes[int(b[2])%len(modes)], Kind: kinds[int(b[2]>>4)%len(kinds)],
				Value: string('0' + rune(b[3])), Result: results[int(b[3])%len(results)],
				Invoke: int64(b[4]), Return: int64(b[4]) + int64(int8(b[5])), ErrNS: int64(b[5] % 4),
			})
		}
		for _, r := range Check(t.Context(), ops, Options{Linearizable: 50 * time.Millisecond}) {
			if strings.Contains(r.Words, "checker broke") {
				t.Errorf("%s: %s\n%s", r.Model, r.Words, dump(ops))
			}
			if r.Verdict == Violated && r.Words == "" || r.Verdict == Holds && r.Checked == 0 {
				t.Errorf("%s is %s without proof: %+v", r.Model, r.Verdict, r)
			}
		}
	})
}
