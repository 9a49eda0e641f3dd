package sshnode_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

func TestPutGet(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	tests := []struct {
		name string
		path string
		size int
		mode fs.FileMode
	}{
		{"empty", "/empty", 0, 0o600},
		{"small", "/etc/systemd/system/x.service", 10, 0o644},
		{"executable", "/usr/local/bin/agent", 5 << 20, 0o755},
		{"odd size", "/var/lib/odd name", 1<<20 + 1, 0o400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := bytes.Repeat([]byte("0123456789abc"), tt.size/13+1)[:tt.size]
			for range 2 { // the second time over the first
				if err := n.PutBytes(testContext(t), want, tt.path, tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			info, err := os.Stat(filepath.Join(srv.Root, tt.path))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != tt.mode {
				t.Errorf("mode %v, want %v", info.Mode(), tt.mode)
			}
			var got bytes.Buffer
			if err := n.Get(testContext(t), tt.path, &got, max(int64(tt.size), 1)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got %d bytes back that differ from the %d put", got.Len(), len(want))
			}
		})
	}
}

func TestPutLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	if err := n.PutBytes(testContext(t), []byte("old"), "/d/file", 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("source on fire")
	err := n.Put(testContext(t), io.MultiReader(strings.NewReader("new"), iotest.ErrReader(broken)), "/d/file", 0o644)
	if !errors.Is(err, broken) {
		t.Errorf("Put = %v, want %v", err, broken)
	}
	if err := n.PutBytes(testContext(t), nil, "/d/", 0o644); err == nil {
		t.Error("Put to a directory: no error")
	}
	if err := os.Mkdir(filepath.Join(srv.Root, "d", "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := n.PutBytes(testContext(t), nil, "/d/taken", 0o644); err == nil {
		t.Error("Put over a directory: no error")
	}
	entries, err := os.ReadDir(filepath.Join(srv.Root, "d"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"file", "taken"}, names); diff != "" {
		t.Errorf("directory mismatch (-want +got):\n%s", diff)
	}
	if got, err := os.ReadFile(filepath.Join(srv.Root, "d", "file")); err != nil || string(got) != "old" {
		t.Errorf("file holds %q, %v, want the old content", got, err)
	}
}

func TestGetErrors(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	if err := n.PutBytes(testContext(t), []byte("0123456789"), "/file", 0o644); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	var large *sshnode.TooLargeError
	if err := n.Get(testContext(t), "/file", &got, 9); !errors.As(err, &large) || got.String() != "012345678" {
		t.Errorf("Get with a limit = %v, %q, want a *TooLargeError and 9 bytes", err, got.String())
	}
	if err := n.Get(testContext(t), "/nothing", io.Discard, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get = %v, want fs.ErrNotExist", err)
	}
	var usage *sshnode.UsageError
	if err := n.Get(testContext(t), "/file", io.Discard, 0); !errors.As(err, &usage) {
		t.Errorf("Get without a limit = %v, want a *UsageError", err)
	}
	full := errors.New("disk full")
	if err := n.Get(testContext(t), "/file", failingWriter{full}, 10); !errors.Is(err, full) {
		t.Errorf("Get to a full disk = %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// A transfer that hangs is given up with its context and does not take later
// ones with it.
func TestTransferHangs(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	if err := n.PutBytes(testContext(t), []byte("x"), "/file", 0o644); err != nil {
		t.Fatal(err)
	}
	srv.HangFiles()
	var wg sync.WaitGroup
	for _, f := range []func(context.Context) error{
		func(ctx context.Context) error { return n.PutBytes(ctx, []byte("y"), "/other", 0o644) },
		func(ctx context.Context) error { return n.Get(ctx, "/file", io.Discard, 1) },
	} {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
			defer cancel()
			if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("hanging transfer = %v, want context.DeadlineExceeded", err)
			}
		})
	}
	wg.Wait()
	srv.UnhangFiles()
	var got bytes.Buffer
	if err := n.Get(testContext(t), "/file", &got, 1); err != nil || got.String() != "x" {
		t.Errorf("Get afterwards = %q, %v", got.String(), err)
	}
	if n.Err() != nil {
		t.Errorf("connection ended: %v", n.Err())
	}
}

func TestTransferLosesConnection(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(make([]byte, 1<<20))
		srv.DropConnections()
		_, _ = w.Write(make([]byte, 1<<20))
		w.Close()
	}()
	var transport *sshnode.TransportError
	if err := n.Put(testContext(t), r, "/file", 0o644); !errors.As(err, &transport) {
		t.Errorf("Put = %v, want a *TransportError", err)
	}
	r.Close()
	if err := n.Get(testContext(t), "/file", io.Discard, 1); !errors.As(err, &transport) {
		t.Errorf("Get = %v, want a *TransportError", err)
	}
	if _, err := os.Stat(filepath.Join(srv.Root, "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a file took the name: %v", err)
	}
}

func TestSFTPIsShared(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{}).Dial(t)
	a, err := n.SFTP(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.SFTP(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Error("two SFTP clients on one connection")
	}
	if _, err := a.Stat("/"); err != nil {
		t.Error(err)
	}
}

func TestSFTPAsSubsystem(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{OnlySubsystem: true}).Dial(t)
	if err := n.PutBytes(testContext(t), []byte("x"), "/file", 0o644); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := n.Get(testContext(t), "/file", &got, 1); err != nil || got.String() != "x" {
		t.Errorf("Get = %q, %v", got.String(), err)
	}
}
