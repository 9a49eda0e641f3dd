package image

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rootfs is a tar archive of files with their names as content.
func rootfs(t *testing.T, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range names {
		hdr := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(name))}
		if target, ok := strings.CutSuffix(name, "@"); ok {
			hdr = &tar.Header{Name: target, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}
		}
		if err := w.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if hdr.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestExtract(t *testing.T) {
	t.Parallel()
	whole := []string{"./boot/vmlinuz-6.12-cloud", "./boot/initrd.img", "./usr/bin/busybox", "./usr/share/nfsim-packages.list", "./etc/other"}
	tests := map[string]struct {
		names []string
		err   string
	}{
		"whole":               {whole, ""},
		"no kernel":           {whole[1:], "no boot/vmlinuz-* in it"},
		"a link is no kernel": {append([]string{"./boot/vmlinuz-1@"}, whole[1:]...), "no boot/vmlinuz-* in it"},
		"empty":               {nil, "no boot/initrd.img, no boot/vmlinuz-*, no usr/bin/busybox, no usr/share/nfsim-packages.list in it"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			archive := filepath.Join(dir, "rootfs.tar")
			if err := os.WriteFile(archive, rootfs(t, tt.names...), 0o644); err != nil {
				t.Fatal(err)
			}
			out := t.TempDir()
			err := extract(archive, out, wanted())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("extract() = %v, want %q in it", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for file, content := range map[string]string{fileKernel: whole[0], fileInitrd: whole[1], fileBusybox: whole[2], filePackages: whole[3]} {
				got, err := os.ReadFile(filepath.Join(out, file))
				if err != nil || string(got) != content {
					t.Errorf("%s is %q, %v, want %q", file, got, err, content)
				}
			}
		})
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := t.TempDir()
		if err := extractFrom(bytes.NewReader(data), out, wanted()); err == nil {
			if _, err := os.Stat(filepath.Join(out, fileKernel)); err != nil {
				t.Error("no error, and no kernel")
			}
		}
	})
}
