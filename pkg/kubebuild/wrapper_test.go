package kubebuild

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
)

func upstream(t testing.TB, version string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", version+".mod"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWrapperGoMod(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"v1.36.3": `module nfsim.local/wrapper

go 1.26.0

godebug default=go1.26

require k8s.io/kubernetes v1.36.3

replace k8s.io/api => k8s.io/api v0.36.3

replace k8s.io/apiextensions-apiserver => k8s.io/apiextensions-apiserver v0.36.3

replace k8s.io/apimachinery => k8s.io/apimachinery v0.36.3

replace k8s.io/streaming => k8s.io/streaming v0.36.3
`,
		"v1.29.6": `module nfsim.local/wrapper

go 1.21

require k8s.io/kubernetes v1.29.6

replace k8s.io/api => k8s.io/api v0.29.6

replace k8s.io/apiextensions-apiserver => k8s.io/apiextensions-apiserver v0.29.6

replace k8s.io/apimachinery => k8s.io/apimachinery v0.29.6

replace k8s.io/sample-controller => k8s.io/sample-controller v0.29.6
`,
	}
	for version, want := range tests {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			got, err := wrapperGoMod(upstream(t, version), version)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrapperGoModRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, version, want string }{
		"not a go.mod":       {"modul x", "v1.36.3", "parse go.mod of k8s.io/kubernetes v1.36.3"},
		"no staging":         {"module k8s.io/kubernetes\n\ngo 1.26.0\n", "v1.36.3", "names no staging modules"},
		"some other place":   {"module k8s.io/kubernetes\n\nreplace k8s.io/api => ../api\n", "v1.36.3", "k8s.io/api is replaced by ../api"},
		"outside of staging": {"module k8s.io/kubernetes\n\nreplace k8s.io/api => ./staging/src/../../etc\n", "v1.36.3", "not a staging module"},
		"version":            {"module k8s.io/kubernetes\n", "v2.0.0", `"v2.0.0" is not a version`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wrapperGoMod([]byte(tt.text), tt.version)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("wrapperGoMod() = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestWrapperKeepsPublishedReplacements(t *testing.T) {
	t.Parallel()
	text := "module k8s.io/kubernetes\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\texample.org/a => example.org/b v1.2.3\n)\n"
	got, err := wrapperGoMod([]byte(text), "v1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), "replace example.org/a => example.org/b v1.2.3") {
		t.Errorf("replacement is lost:\n%s", got)
	}
}

func TestWrapperSubstitutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ module, version, want string }{
		{"k8s.io/legacy-cloud-providers", "v1.29.6", "v0.29.5"},
		{"k8s.io/legacy-cloud-providers", "v1.30.4", "v0.30.4"},
		{"k8s.io/kube-scheduler", "v1.31.14", "v0.31.13"},
		{"k8s.io/kube-scheduler", "v1.31.13", "v0.31.13"},
	} {
		got, err := wrapperGoMod([]byte("module k8s.io/kubernetes\n\nreplace "+c.module+" => ./staging/src/"+c.module+"\n"), c.version)
		if err != nil {
			t.Fatal(err)
		}
		if want := "=> " + c.module + " " + c.want; !strings.Contains(string(got), want) {
			t.Errorf("%s: no %q in\n%s", c.version, want, got)
		}
	}
}

func TestEtcdGoMod(t *testing.T) {
	t.Parallel()
	got, err := etcdGoMod([]byte("module go.etcd.io/etcd/server/v3\n\ngo 1.24.0\n\nreplace go.etcd.io/etcd/api/v3 => ../api\n"), "v3.6.16")
	if err != nil {
		t.Fatal(err)
	}
	want := "module nfsim.local/wrapper\n\ngo 1.24.0\n\nrequire go.etcd.io/etcd/server/v3 v3.6.16\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func FuzzWrapperGoMod(f *testing.F) {
	f.Add(upstream(f, "v1.36.3"))
	f.Add(upstream(f, "v1.29.6"))
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := wrapperGoMod(text, "v1.36.3")
		if err != nil {
			return
		}
		mod, err := modfile.Parse("go.mod", out, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		for _, r := range mod.Replace {
			if r.New.Version == "" {
				t.Errorf("%s is replaced by directory %s", r.Old.Path, r.New.Path)
			}
		}
	})
}
