package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
)

func TestFileOperations(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	dir := t.TempDir()
	file := filepath.Join(dir, "f")

	fd := do(t, c, proto.Request{Op: proto.OpOpen, Path: file, Flags: []proto.Flag{proto.RDWR, proto.CREAT, proto.EXCL}}).FD
	if n := do(t, c, proto.Request{Op: proto.OpWrite, FD: fd, Data: []byte("hello world")}).N; n != 11 {
		t.Errorf("wrote %d bytes", n)
	}
	do(t, c, proto.Request{Op: proto.OpFsync, FD: fd})
	do(t, c, proto.Request{Op: proto.OpFdatasync, FD: fd})
	if got := do(t, c, proto.Request{Op: proto.OpRead, FD: fd, Offset: 6, Size: 100}).Data; string(got) != "world" {
		t.Errorf("read %q", got)
	}
	do(t, c, proto.Request{Op: proto.OpTruncate, FD: fd, Size: 5})
	do(t, c, proto.Request{Op: proto.OpTruncate, Path: file, Size: 4})
	if st := do(t, c, proto.Request{Op: proto.OpFstat, FD: fd}).Stat; st == nil || st.Size != 4 {
		t.Errorf("fstat %+v", st)
	}
	do(t, c, proto.Request{Op: proto.OpMkdir, Path: filepath.Join(dir, "d")})
	do(t, c, proto.Request{Op: proto.OpRename, Path: file, To: filepath.Join(dir, "g")})
	if diff := cmp.Diff([]string{"d", "g"}, do(t, c, proto.Request{Op: proto.OpReaddir, Path: dir}).Names); diff != "" {
		t.Errorf("readdir (-want +got):\n%s", diff)
	}
	do(t, c, proto.Request{Op: proto.OpAccess, Path: filepath.Join(dir, "g")})
	if st := do(t, c, proto.Request{Op: proto.OpStat, Path: filepath.Join(dir, "g")}).Stat; st.Size != 4 {
		t.Errorf("stat %+v", st)
	}
	do(t, c, proto.Request{Op: proto.OpUnlink, Path: filepath.Join(dir, "g")})
	do(t, c, proto.Request{Op: proto.OpRmdir, Path: filepath.Join(dir, "d")})
	do(t, c, proto.Request{Op: proto.OpClose, FD: fd})
	if fs := do(t, c, proto.Request{Op: proto.OpStatfs, Path: dir}).Statfs; fs == nil || fs.Bsize <= 0 {
		t.Errorf("statfs %+v", fs)
	}
	if info := do(t, c, proto.Request{Op: proto.OpInfo}).Info; info.PID != os.Getpid() || info.Version != proto.Version || info.BootID == "" {
		t.Errorf("info %+v", info)
	}
	if text := do(t, c, proto.Request{Op: proto.OpMountinfo}).Text; !strings.Contains(text, " - ") {
		t.Errorf("mountinfo %q", text)
	}
}

func TestErrnoIsAResult(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	tests := []struct {
		req  proto.Request
		want string
	}{
		{proto.Request{Op: proto.OpOpen, Path: missing}, "ENOENT"},
		{proto.Request{Op: proto.OpStat, Path: missing}, "ENOENT"},
		{proto.Request{Op: proto.OpReaddir, Path: missing}, "ENOENT"},
		{proto.Request{Op: proto.OpReadFile, Path: missing}, "ENOENT"},
		{proto.Request{Op: proto.OpReadFile, Path: dir}, "EISDIR"},
		{proto.Request{Op: proto.OpReadRecord, Path: missing}, "ENOENT"},
		{proto.Request{Op: proto.OpWriteRecord, Path: missing + "/f", Token: "a", Size: 64}, "ENOENT"},
		{proto.Request{Op: proto.OpMountinfo, PID: 1 << 30}, "ENOENT"},
	}
	for _, tt := range tests {
		resp, err := c.Do(testContext(t), tt.req)
		if err != nil || resp.Errno != tt.want || resp.Call == "" || resp.T0 == 0 || resp.T1 < resp.T0 {
			t.Errorf("%s %s: %+v, %v; want %s", tt.req.Op, tt.req.Path, resp, err, tt.want)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	tests := []proto.Request{
		{Op: "format"},
		{Op: proto.OpClose, FD: 99},
		{Op: proto.OpOpen, Path: "/x", Flags: []proto.Flag{"tmpfile"}},
		{Op: proto.OpOpen},
		{Op: proto.OpWriteRecord, Path: "/x", Token: "a b", Size: 64},
		{Op: proto.OpWriteRecord, Token: "a", Size: 64},
		{Op: proto.OpRead, FD: 1, Size: proto.MaxData + 1},
		{Op: proto.OpLoad, Map: 7, Size: 1},
		{Op: proto.OpStop, Stream: "s99"},
		{Op: proto.OpAttach, Stream: "s99"},
		{Op: proto.OpStart},
		{Op: proto.OpStart, Start: &proto.StreamSpec{Kind: "bomber", Path: "/x"}},
		{Op: proto.OpStart, Start: &proto.StreamSpec{Kind: proto.Appender, Path: "/x", Client: "a", Sync: "maybe"}},
		{Op: proto.OpStart, Start: &proto.StreamSpec{Kind: proto.Appender, Path: "/x"}},
		{Op: proto.OpStart, Start: &proto.StreamSpec{Kind: proto.Poller, Path: "/x", Mode: "guess"}},
		{Op: proto.OpExit},
	}
	for _, req := range tests {
		_, err := c.Do(testContext(t), req)
		var refused *RequestError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", req.Op, err)
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "reg")
	calls := func(resp proto.Response) (out []string) {
		for _, s := range resp.Steps {
			if s.T0 == 0 || s.T1 < s.T0 {
				t.Errorf("step %+v", s)
			}
			out = append(out, s.Call)
		}
		return out
	}

	resp := do(t, c, proto.Request{Op: proto.OpWriteRecord, Path: file, Token: "a-1", Seq: 1, Size: 8192, Fsync: true, Close: true})
	if diff := cmp.Diff([]string{"open", "write", "fsync", "close"}, calls(resp)); diff != "" || resp.FD != 0 || resp.N != 8192 {
		t.Errorf("write %+v (-want +got):\n%s", resp, diff)
	}
	resp = do(t, c, proto.Request{Op: proto.OpReadRecord, Path: file, Close: true, WithStat: true})
	if diff := cmp.Diff([]string{"open", "read", "fstat", "close"}, calls(resp)); diff != "" || resp.Stat.Size != 8192 {
		t.Errorf("read %+v (-want +got):\n%s", resp, diff)
	}
	want := &payload.Value{Kind: payload.Token, Size: 8192, Token: "a-1", Seq: 1}
	if diff := cmp.Diff(want, resp.Value); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}

	// A descriptor that stays open, and a register larger than a first read.
	resp = do(t, c, proto.Request{Op: proto.OpWriteRecord, Path: file, Token: "b-2", Seq: 2, Size: 256 << 10})
	if resp.FD == 0 {
		t.Fatalf("no descriptor: %+v", resp)
	}
	do(t, c, proto.Request{Op: proto.OpWriteRecord, FD: resp.FD, Token: "b-3", Seq: 3, Size: 256 << 10, Close: true})
	if v := do(t, c, proto.Request{Op: proto.OpReadRecord, Path: file, Close: true}).Value; v.Token != "b-3" || !v.Whole() {
		t.Errorf("value %+v", v)
	}
	if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpClose, FD: resp.FD}); err == nil {
		t.Error("the closed descriptor is still there")
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "log")
	var data []byte
	for seq := range int64(3000) {
		var err error
		if data, err = (payload.Record{Client: "a", Seq: seq}).Append(data, 64); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, file, data)
	resp := do(t, c, proto.Request{Op: proto.OpReadFile, Path: file, Decode: "log", Limit: 64})
	sum := sha256.Sum256(data)
	if resp.SHA256 != hex.EncodeToString(sum[:]) || resp.Size != int64(len(data)) || !resp.Cut || string(resp.Data) != string(data[:64]) {
		t.Errorf("%+v", resp)
	}
	if resp.Log == nil || resp.Log.Records != 3000 || resp.Log.GapCount != 0 {
		t.Errorf("log %+v", resp.Log)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "lock")
	open := func() int64 {
		return do(t, c, proto.Request{Op: proto.OpOpen, Path: file, Flags: []proto.Flag{proto.RDWR, proto.CREAT}}).FD
	}
	for _, kind := range []string{"ofd", "flock"} {
		a, b := open(), open()
		do(t, c, proto.Request{Op: proto.OpLock, FD: a, Lock: &proto.Lock{Kind: kind, Type: "write"}})
		resp, err := c.Do(testContext(t), proto.Request{Op: proto.OpLock, FD: b, Lock: &proto.Lock{Kind: kind, Type: "read"}})
		if err != nil || resp.Errno != "EAGAIN" {
			t.Errorf("%s: second lock: %+v, %v", kind, resp, err)
		}
		do(t, c, proto.Request{Op: proto.OpLock, FD: a, Lock: &proto.Lock{Kind: kind, Type: "unlock"}})
		do(t, c, proto.Request{Op: proto.OpLock, FD: b, Lock: &proto.Lock{Kind: kind, Type: "write", Wait: true}})
		do(t, c, proto.Request{Op: proto.OpClose, FD: a})
		do(t, c, proto.Request{Op: proto.OpClose, FD: b})
	}
	fd := open()
	do(t, c, proto.Request{Op: proto.OpLock, FD: fd, Lock: &proto.Lock{Kind: "posix", Type: "write", Start: 10, Len: 5}})
	if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpLock, FD: fd, Lock: &proto.Lock{Kind: "mandatory", Type: "write"}}); err == nil {
		t.Error("unknown kind of lock was taken")
	}
}

func TestMappings(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "map")
	writeFile(t, file, make([]byte, 8192))
	fd := do(t, c, proto.Request{Op: proto.OpOpen, Path: file, Flags: []proto.Flag{proto.RDWR}}).FD
	m := do(t, c, proto.Request{Op: proto.OpMap, FD: fd, Size: 8192, Flags: []proto.Flag{proto.RDWR}}).Map
	if n := do(t, c, proto.Request{Op: proto.OpStore, Map: m, Token: "m-1", Seq: 1, Size: 8192}).N; n != 8192 {
		t.Errorf("stored %d bytes", n)
	}
	do(t, c, proto.Request{Op: proto.OpMsync, Map: m})
	if v := do(t, c, proto.Request{Op: proto.OpReadRecord, Path: file, Close: true}).Value; v.Token != "m-1" {
		t.Errorf("file holds %v", v)
	}
	if v := do(t, c, proto.Request{Op: proto.OpLoad, Map: m, Size: 8192, Decode: "register"}).Value; v.Token != "m-1" {
		t.Errorf("mapping holds %v", v)
	}

	// What a program would be told by SIGBUS is an errno here.
	do(t, c, proto.Request{Op: proto.OpTruncate, Path: file, Size: 0})
	for _, req := range []proto.Request{{Op: proto.OpLoad, Map: m, Size: 64}, {Op: proto.OpStore, Map: m, Data: []byte("x")}} {
		resp, err := c.Do(testContext(t), req)
		if err != nil || resp.Errno != "EFAULT" {
			t.Errorf("%s behind the end of the file: %+v, %v", req.Op, resp, err)
		}
	}
	if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpLoad, Map: m, Offset: 8000, Size: 500}); err == nil {
		t.Error("load beyond the mapping was done")
	}
	do(t, c, proto.Request{Op: proto.OpUnmap, Map: m})
}
