package image

import (
	"errors"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/cache"
)

func TestParseDebian(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "trixie", "trixie": "trixie", "13": "trixie", "debian13": "trixie", "Debian12": "bookworm", "bookworm": "bookworm",
	} {
		got, err := ParseDebian(in)
		if err != nil || got != want {
			t.Errorf("ParseDebian(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	_, err := ParseDebian("sid")
	var unknown *ReleaseError
	if !errors.As(err, &unknown) {
		t.Fatalf("ParseDebian(sid) = %v, want a ReleaseError", err)
	}
	if got, want := err.Error(), `unknown Debian release "sid": the machine image can be trixie (13) or bookworm (12)`; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

func TestGetRefusesBeforeBuilding(t *testing.T) {
	t.Parallel()
	dir, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var unknown *ReleaseError
	if _, err := Get(t.Context(), dir, Options{Debian: "sid"}); !errors.As(err, &unknown) {
		t.Errorf("unknown release: %v", err)
	}
	foreign := "arm64"
	if runtime.GOARCH == foreign {
		foreign = "amd64"
	}
	var arch *ArchError
	if _, err := Get(t.Context(), dir, Options{Arch: foreign}); !errors.As(err, &arch) {
		t.Errorf("foreign architecture: %v", err)
	}
	infos, err := dir.Entries()
	if err != nil || len(infos) > 0 {
		t.Errorf("cache holds %v, %v", infos, err)
	}
}

func TestCheckTools(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		root bool
		what made
		has  []string
		want string
	}{
		"container": {true, asContainer, []string{"mmdebstrap", "tar", "/usr/share/keyrings/debian-archive-keyring.gpg"}, ""},
		"all":       {true, asDisk, []string{"mmdebstrap", "mke2fs", "qemu-img", "tar", "/usr/share/keyrings/debian-archive-keyring.gpg"}, ""},
		"no mmdebstrap": {true, asDisk, []string{"mke2fs", "qemu-img", "tar", "/usr/share/keyrings/debian-archive-keyring.gpg"},
			"building an image needs mmdebstrap, which this host has not got: apt-get install mmdebstrap"},
		"user": {false, asDisk, []string{"mmdebstrap", "mke2fs", "tar", "/usr/share/keyrings/debian-archive-keyring.gpg"},
			"building an image needs qemu-img, newuidmap, which this host has not got: apt-get install qemu-utils uidmap"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkTools(tt.root, tt.what, func(name string) bool {
				for _, h := range tt.has {
					if h == name {
						return true
					}
				}
				return false
			})
			got := ""
			if err != nil {
				got = err.Error()
				var missing *MissingToolsError
				if !errors.As(err, &missing) {
					t.Errorf("error is a %T", err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
