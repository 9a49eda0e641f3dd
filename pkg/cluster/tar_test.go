package cluster

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func archived(t *testing.T, files []File) []string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTar(&b, files); err != nil {
		t.Fatalf("WriteTar: %v", err)
	}
	return entries(t, &b)
}

func entries(t *testing.T, r io.Reader) []string {
	t.Helper()
	var out []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%v %s", h.FileInfo().Mode(), h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		if len(body) > 0 {
			line += fmt.Sprintf(" %q", body)
		}
		if h.Uid != 0 || h.Gid != 0 {
			line += " not of root"
		}
		out = append(out, line)
	}
}

func TestWriteTar(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(source, []byte("big"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := archived(t, []File{
		link("/etc/b.service", "/dev/null"),
		executable("/usr/bin/big", source),
		text("/root/.ssh/authorized_keys", 0o600, "key"),
		directory("/root/.ssh", 0o700),
		text("/etc/a", 0o644, "a"),
		text("/etc/empty", 0o644, ""),
	})
	want := []string{
		`drwxr-xr-x etc/`,
		`-rw-r--r-- etc/a "a"`,
		`Lrwxrwxrwx etc/b.service -> /dev/null`,
		`-rw-r--r-- etc/empty`,
		`drwx------ root/`,
		`drwx------ root/.ssh/`,
		`-rw------- root/.ssh/authorized_keys "key"`,
		`drwxr-xr-x usr/`,
		`drwxr-xr-x usr/bin/`,
		`-rwxr-xr-x usr/bin/big "big"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestWriteTarIsDeterministic(t *testing.T) {
	t.Parallel()
	files := build(t, testSpec(t)).Files["worker1"]
	var a, b bytes.Buffer
	if err := WriteTar(&a, files); err != nil {
		t.Fatal(err)
	}
	reversed := make([]File, 0, len(files))
	for i := range files {
		reversed = append(reversed, files[len(files)-1-i])
	}
	if err := WriteTar(&b, reversed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the order of the files shows in the archive")
	}
}

func TestWriteTarErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files []File
		want  string
	}{
		"twice":        {[]File{text("/a", 0o644, ""), link("/a", "b")}, "there twice"},
		"relative":     {[]File{text("a", 0o644, "")}, "clean absolute"},
		"climbing":     {[]File{text("/a/../b", 0o644, "")}, "clean absolute"},
		"root":         {[]File{directory("/", 0o755)}, "clean absolute"},
		"below a file": {[]File{text("/a", 0o644, ""), text("/a/b", 0o644, "")}, "no directory"},
		"below a link": {[]File{link("/a", "b"), text("/a/b", 0o644, "")}, "no directory"},
		"no source":    {[]File{executable("/a", "/nonexistent/binary")}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := WriteTar(io.Discard, tc.files)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("WriteTar: %v, want an error with %q", err, tc.want)
			}
		})
	}
	if err := WriteTar(io.Discard, []File{executable("/a", "/nonexistent/binary")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteTar: %v does not wrap fs.ErrNotExist", err)
	}
}
