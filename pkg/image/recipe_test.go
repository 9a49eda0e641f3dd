package image

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestRecipeIsWhole(t *testing.T) {
	t.Parallel()
	r, err := loadRecipe()
	if err != nil {
		t.Fatal(err)
	}
	// What the build names by path.
	for _, path := range []string{"packages.txt", "provision.sh", "masked.txt", "mkdisk.sh", "initramfs/init", "initramfs/make.sh", "initramfs/modules.txt", "modules-unpacked.txt"} {
		if len(r[path]) == 0 {
			t.Errorf("no %s in the recipe", path)
		}
	}
	packages, err := r.packages("amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"linux-image-cloud-amd64", "nfs-kernel-server", "nfs-common", "containerd", "busybox-static"} {
		if !slices.Contains(packages, want) {
			t.Errorf("package %s is missing", want)
		}
	}
}

func TestRecipeHash(t *testing.T) {
	t.Parallel()
	base := recipe{"packages.txt": []byte("systemd\n"), "provision.sh": []byte("true\n")}
	changed := map[string]func(recipe){
		"content":  func(r recipe) { r["provision.sh"] = []byte("false\n") },
		"new file": func(r recipe) { r["x"] = nil },
		"renamed":  func(r recipe) { r["y"] = r["provision.sh"]; delete(r, "provision.sh") },
	}
	if got := maps.Clone(base).hash(); got != base.hash() {
		t.Errorf("hash of equal recipes differs: %s, %s", got, base.hash())
	}
	for name, change := range changed {
		r := maps.Clone(base)
		change(r)
		if r.hash() == base.hash() {
			t.Errorf("%s: the hash stays the same", name)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	r := recipe{"packages.txt": []byte("systemd\n")}
	base := builder{debian: "trixie", arch: "amd64", debArch: "amd64", recipe: r}
	if got := base.key(); !strings.HasPrefix(got, "trixie-amd64-") {
		t.Errorf("key %q does not begin with release and architecture", got)
	}
	other := base
	other.debian = "bookworm"
	if strings.TrimPrefix(other.key(), "bookworm") == strings.TrimPrefix(base.key(), "trixie") {
		t.Error("the release is not in the hash")
	}
	if r.hash() == "" || !strings.Contains(base.describe(), r.hash()) {
		t.Errorf("describe() = %q, want the recipe's hash in it", base.describe())
	}
}

func TestReadRecipeLeavesOutDocuments(t *testing.T) {
	t.Parallel()
	r, err := readRecipe(fstest.MapFS{
		"README.md":       {Data: []byte("# words")},
		"provision.sh":    {Data: []byte("true")},
		"rootfs/etc/motd": {Data: []byte("hi")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"provision.sh", "rootfs/etc/motd"}, r.paths()); diff != "" {
		t.Error(diff)
	}
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{"provision.sh": 0o755, "rootfs/etc/motd": 0o644} {
		st, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, st.Mode().Perm(), want)
		}
	}
}

func TestParsePackages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string
		err  string
	}{
		"plain":    {"# head\nsystemd\n\n  linux-image-cloud-@ARCH@  # kernel\n", []string{"systemd", "linux-image-cloud-arm64"}, ""},
		"two":      {"systemd udev\n", nil, `line 1: "systemd udev" is not a package name`},
		"option":   {"ok\n--force\n", nil, `line 2: "--force"`},
		"comma":    {"a,b\n", nil, "not a package name"},
		"nothing":  {"# only words\n", nil, "no packages"},
		"longline": {strings.Repeat("a", 1<<20), nil, "read packages.txt"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parsePackages([]byte(tt.text), "arm64")
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParsePackages(f *testing.F) {
	f.Add([]byte("# head\nsystemd\nlinux-image-cloud-@ARCH@\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		names, err := parsePackages(text, "amd64")
		if err != nil {
			return
		}
		for _, name := range names {
			if strings.ContainsAny(name, ", \t\n") || strings.HasPrefix(name, "-") {
				t.Errorf("took %q for a package", name)
			}
		}
	})
}
