package cluster

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update is set by `go test ./pkg/cluster -run Golden -update`.
var update = flag.Bool("update", false, "write the golden files anew")

func TestGoldenFiles(t *testing.T) {
	t.Parallel()
	p := build(t, testSpec(t))
	for _, machine := range []string{"server", "worker1"} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			checkGolden(t, machine+".golden", describeFiles(p.Files[machine]))
		})
	}
}

// describeFiles lists all files, with the content of those that hold nothing
// that is made anew at every build.
func describeFiles(files []File) []byte {
	var list, texts bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&list, "%v %s", f.Mode, f.Path)
		switch {
		case f.Link != "":
			fmt.Fprintf(&list, " -> %s", f.Link)
		case f.Source != "":
			fmt.Fprintf(&list, " from %s", filepath.Base(f.Source))
		}
		fmt.Fprintln(&list)
		if isRecipe(f) {
			fmt.Fprintf(&texts, "\n-- %s --\n%s", f.Path, f.Content)
		}
	}
	return append(list.Bytes(), texts.Bytes()...)
}

func isRecipe(f File) bool {
	random := strings.HasPrefix(f.Path, pkiDir) || strings.HasPrefix(f.Path, "/root/.ssh") || strings.Contains(f.Path, "ssh_host_") ||
		filepath.Dir(f.Path) == "/etc/kubernetes"
	return !f.Mode.IsDir() && f.Link == "" && f.Source == "" && !random && f.Path != imageArchive && f.Path != agentPath
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to make it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestKeysAreProtected(t *testing.T) {
	t.Parallel()
	p := build(t, testSpec(t))
	for machine, files := range p.Files {
		for _, f := range files {
			private := bytes.Contains(f.Content, []byte("PRIVATE KEY")) || bytes.Contains(f.Content, []byte("client-key-data"))
			if private && f.Mode != 0o600 {
				t.Errorf("%s: %s holds a key and has mode %v", machine, f.Path, f.Mode)
			}
		}
	}
}

func TestWorkersHoldOnlyTheirOwnKeys(t *testing.T) {
	t.Parallel()
	p := build(t, testSpec(t))
	var keys []string
	for _, f := range p.Files["worker2"] {
		if f.Mode == 0o600 {
			keys = append(keys, f.Path)
		}
	}
	want := []string{
		"/etc/kubernetes/kubelet.conf",
		"/etc/kubernetes/pki/kubelet-serving.key",
		"/etc/ssh/ssh_host_ed25519_key",
		"/root/.ssh/authorized_keys",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("files of mode 0600 on worker2 (-want +got):\n%s", diff)
	}
}

func TestBuildRefusesABadSpec(t *testing.T) {
	t.Parallel()
	s := testSpec(t)
	s.AgentBinary = nil
	if _, err := Build(s); err == nil {
		t.Error("Build with no agent succeeded")
	}
}
