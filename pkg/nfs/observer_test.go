package nfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-billy/v5/util"
	"github.com/google/go-cmp/cmp"
	gonfs "github.com/willscott/go-nfs"
)

// serveNFS serves a file system over NFSv3 and MOUNT on one port of 127.0.0.1.
func serveNFS(t *testing.T, files billy.Filesystem) string {
	t.Helper()
	l := listen(t)
	handler := plainHandler{files}
	go func() {
		// Ends with the listener.
		_ = gonfs.Serve(l, handler)
	}()
	return l.Addr().String()
}

// plainHandler gives everybody everything; a file handle is the path itself.
type plainHandler struct{ files billy.Filesystem }

func (h plainHandler) Mount(context.Context, net.Conn, gonfs.MountRequest) (gonfs.MountStatus, billy.Filesystem, []gonfs.AuthFlavor) {
	return gonfs.MountStatusOk, h.files, []gonfs.AuthFlavor{gonfs.AuthFlavorUnix}
}

func (plainHandler) Change(billy.Filesystem) billy.Change { return nil }

func (plainHandler) FSStat(context.Context, billy.Filesystem, *gonfs.FSStat) error { return nil }

func (plainHandler) ToHandle(_ billy.Filesystem, path []string) []byte {
	return []byte("/" + strings.Join(path, "/"))
}

func (h plainHandler) FromHandle(fh []byte) (billy.Filesystem, []string, error) {
	if p := strings.Trim(string(fh), "/"); p != "" {
		return h.files, strings.Split(p, "/"), nil
	}
	return h.files, nil, nil
}

func (plainHandler) InvalidateHandle(billy.Filesystem, []byte) error { return nil }

func (plainHandler) HandleLimit() int { return 4096 }

func listen(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// wire records the procedures that go over the connections that it dials.
type wire struct {
	addr string
	mu   sync.Mutex
	sent []string
}

func (w *wire) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, w.addr)
	if err != nil {
		return nil, err
	}
	return &tap{Conn: c, wire: w}, nil
}

func (w *wire) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.sent...)
}

// tap sees whole records: the library sends each call with one write.
type tap struct {
	net.Conn
	wire *wire
}

func (c *tap) Write(b []byte) (int, error) {
	if len(b) >= 28 {
		c.wire.mu.Lock()
		c.wire.sent = append(c.wire.sent, fmt.Sprintf("%d/%d", binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[24:])))
		c.wire.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func TestObserver(t *testing.T) {
	t.Parallel()
	files := memfs.New()
	large := bytes.Repeat([]byte("0123456789abcdef"), 10_000) // three READs
	for name, data := range map[string][]byte{"a": []byte("token 1"), "empty": nil, "dir/large": large} {
		if err := util.WriteFile(files, name, data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	w := &wire{addr: serveNFS(t, files)}
	o := &Observer{Dial: w.dial, Host: "server"}
	ctx := t.Context()

	for _, tc := range []struct {
		name  string
		limit int
		want  []byte
		size  uint64
	}{
		{"a", 1 << 20, []byte("token 1"), 7},
		{"a", 3, []byte("tok"), 7},
		{"a", 0, nil, 7},
		{"empty", 10, nil, 0},
		{"dir/large", 1 << 20, large, 160_000},
		{"dir/large", 70_000, large[:70_000], 160_000},
	} {
		data, attr, err := o.ReadFile(ctx, "/", tc.name, tc.limit)
		if err != nil {
			t.Fatalf("%s up to %d: %v", tc.name, tc.limit, err)
		}
		if !bytes.Equal(data, tc.want) || attr.Size != tc.size || attr.Type != TypeRegular {
			t.Errorf("%s up to %d: %d bytes, %+v", tc.name, tc.limit, len(data), attr)
		}
	}

	attr, err := o.Stat(ctx, "/", "dir")
	if err != nil || attr.Type != TypeDirectory {
		t.Errorf("dir: %+v, %v", attr, err)
	}
	entries, err := o.List(ctx, "/", ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"a", "dir", "empty"}, names); diff != "" {
		t.Error(diff)
	}

	// What the wire sees now is what is there now.
	if err := util.WriteFile(files, "a", []byte("token 2"), 0o640); err != nil {
		t.Fatal(err)
	}
	if data, _, err := o.ReadFile(ctx, "/", "a", 100); err != nil || string(data) != "token 2" {
		t.Errorf("%q, %v", data, err)
	}

	_, _, err = o.ReadFile(ctx, "/", "missing", 100)
	var status *StatusError
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &status) || status.Call != "LOOKUP" {
		t.Errorf("missing: %v", err)
	}

	allowed := map[string]bool{"100005/1": true, "100003/1": true, "100003/3": true, "100003/6": true, "100003/16": true}
	for _, c := range w.calls() {
		if !allowed[c] {
			t.Errorf("sent program/procedure %s", c)
		}
	}
}

func TestObserverListsManyNames(t *testing.T) {
	t.Parallel()
	files := memfs.New()
	for i := range 300 {
		if err := util.WriteFile(files, fmt.Sprintf("d/f%03d", i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := &Observer{Dial: (&wire{addr: serveNFS(t, files)}).dial, Host: "server"}
	entries, err := o.List(t.Context(), "/", "d")
	if err != nil || len(entries) != 300 || entries[299].Name != "f299" {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestObserverInParallel(t *testing.T) {
	t.Parallel()
	files := memfs.New()
	if err := util.WriteFile(files, "a", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &Observer{Dial: (&wire{addr: serveNFS(t, files)}).dial, Host: "server"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := o.Stat(t.Context(), "/", "a"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// serveBytes answers every call with what reply makes of its xid. A nil reply
// closes the connection; a nil function never answers.
func serveBytes(t *testing.T, reply func(xid []byte) []byte) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := c.Read(buf)
					if err != nil || n < 8 {
						return
					}
					if reply == nil {
						_, _ = io.Copy(io.Discard, c)
						return
					}
					b := reply(buf[4:8])
					if b == nil {
						return
					}
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// record puts words behind a record mark.
func record(xid []byte, words ...uint32) []byte {
	b := append(make([]byte, 4), xid...)
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	binary.BigEndian.PutUint32(b, 0x80000000|uint32(len(b)-4))
	return b
}

func TestObserverFaults(t *testing.T) {
	t.Parallel()
	const accepted, success = 0, 0
	ok := func(xid []byte, words ...uint32) []byte {
		return record(xid, append([]uint32{1, accepted, 0, 0, success}, words...)...)
	}
	for _, tc := range []struct {
		name  string
		reply func(xid []byte) []byte
		want  string // within the error
		as    func(error) bool
	}{
		{name: "stalls", want: "deadline exceeded", as: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{name: "closes", reply: func([]byte) []byte { return nil }, want: "closed the connection"},
		{name: "export refused", reply: func(xid []byte) []byte { return ok(xid, 13) }, want: "MNT: NFS3ERR_ACCES", as: func(err error) bool {
			var s *StatusError
			return errors.As(err, &s) && s.Status == 13
		}},
		{name: "no status", reply: func(xid []byte) []byte { return ok(xid) }, want: "ends too early"},
		{name: "handle cut short", reply: func(xid []byte) []byte { return ok(xid, 0, 64, 1, 2) }, want: "ends too early"},
		{name: "handle of 4 GiB", reply: func(xid []byte) []byte { return ok(xid, 0, 0xffffffff) }, want: "ends too early"},
		{name: "header cut short", reply: func(xid []byte) []byte { return record(xid, 1, accepted) }, want: "panicked", as: func(err error) bool {
			var p *PanicError
			return errors.As(err, &p)
		}},
		{name: "RPC version denied", reply: func(xid []byte) []byte { return record(xid, 1, 1, 0, 2, 2) }, want: "panicked"},
		{name: "credentials denied", reply: func(xid []byte) []byte { return record(xid, 1, 1, 1, 5) }, want: "rejectedStatus"},
		{name: "program missing", reply: func(xid []byte) []byte { return record(xid, 1, accepted, 0, 0, 1) }, want: "PROG_UNAVAIL"},
		{name: "another call's reply", reply: func([]byte) []byte { return record([]byte{0, 0, 0, 0}, 1, 0, 0, 0, 0, 0) }, want: "xid did not match"},
		{name: "reply of 2 GiB", reply: func([]byte) []byte { return []byte{0xff, 0xff, 0xff, 0xff} }, want: "announced a reply of 2147483647 bytes"},
		{name: "fragments", reply: func(xid []byte) []byte {
			b := ok(xid, 0, 0)
			b[0] = 0
			return b
		}, want: "several fragments"},
		{name: "reply cut short", reply: func(xid []byte) []byte {
			b := ok(xid, 0, 0)
			return append(b[:len(b)-4:len(b)-4], b[:3]...)[:len(b)-4]
		}, want: "deadline exceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := &wire{addr: serveBytes(t, tc.reply)}
			timeout := 10 * time.Second
			if strings.Contains(tc.want, "deadline") {
				timeout = 200 * time.Millisecond
			}
			o := &Observer{Dial: w.dial, Host: "server", Timeout: timeout}
			_, err := o.Stat(t.Context(), "/x", "y")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			if tc.as != nil && !tc.as(err) {
				t.Errorf("error %v is not of its type", err)
			}
		})
	}
}

func TestObserverUnreachable(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	o := &Observer{Host: "server", Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
	if _, err := o.Stat(t.Context(), "/x", "y"); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Dial = (&wire{addr: serveBytes(t, nil)}).dial
	if _, err := o.Stat(ctx, "/x", "y"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &decoder{rest: b}
		if s := d.opaque(); len(s) > len(b) {
			t.Errorf("%d bytes out of %d", len(s), len(b))
		}
		d.postOpAttr()
		d.uint64()
		if d.err == nil && len(d.rest) >= len(b) {
			t.Error("nothing was read")
		}
	})
}
