package executor

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrnoName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want string
	}{
		{nil, ""},
		{unix.ESTALE, "ESTALE"},
		{unix.EDQUOT, "EDQUOT"},
		{fmt.Errorf("write: %w", unix.EIO), "EIO"},
		{unix.Errno(521), "errno 521"}, // EBADHANDLE, which the kernel should not let out
		{errors.New("odd"), "odd"},
	}
	for _, tt := range tests {
		if got := errnoName(tt.err); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestThreadState(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"12 (nfsim-agent) D 1 12 12 0": "D",
		"12 (odd) name)) S 1":          "S",
		"12 (cut)":                     "",
		"":                             "",
	}
	for in, want := range tests {
		if got := threadState(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestInterruptedCallsAreMadeAgain(t *testing.T) {
	t.Parallel()
	th := &thread{}
	calls := 0
	s := th.do("open", func() error {
		if calls++; calls < 3 {
			return unix.EINTR
		}
		return unix.ENOENT
	})
	if calls != 3 || s.Errno != "ENOENT" || s.T1 < s.T0 || th.current.Load() != nil {
		t.Errorf("%d calls, %+v", calls, s)
	}
}

func TestAligned(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4095, 4096, 100000} {
		if b := aligned(size); len(b) != size || cap(b) != size {
			t.Errorf("size %d: %d bytes of %d", size, len(b), cap(b))
		}
	}
}
