package nfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodProfiles = `# mine
profiles:
  - name: patient
    options: vers=4.1,timeo=1200,frobnicate=7
    doc: waits twice as long
  - {name: 42, options: "vers=3,nconnect=8", export: "rw,async,insecure", server: {delegations: false, lease: 30}}
`

func TestParseProfiles(t *testing.T) {
	t.Parallel()
	got, err := ParseProfiles("f.yaml", []byte(goodProfiles))
	if err != nil {
		t.Fatal(err)
	}
	want := []Profile{
		{Name: "patient", Options: "vers=4.1,timeo=1200,frobnicate=7", Export: DefaultExport, Doc: "waits twice as long", Unknown: []string{"frobnicate=7"}, Added: true},
		{Name: "42", Options: "vers=3,nconnect=8", Export: "rw,async,insecure", Server: ServerSetting{NoDelegations: true, LeaseSeconds: 30}, Added: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseProfilesRefuses(t *testing.T) {
	t.Parallel()
	one := func(fields string) string { return "profiles:\n  - name: x\n    " + fields + "\n" }
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "f.yaml: empty"},
		{"only a comment", "# nothing\n", "f.yaml"},
		{"not YAML", "profiles: [\n", "f.yaml:"},
		{"no list", "profiles: {}\n", "f.yaml:1: want a list"},
		{"empty list", "profiles: []\n", "f.yaml:1: want a list"},
		{"not a mapping", "- name: x\n", "f.yaml:1: want fields"},
		{"unknown field on top", "profile:\n  - name: x\n", `f.yaml:1: unknown field "profile"`},
		{"unknown field", one("option: vers=3"), `f.yaml:3: unknown field "option" (there are name, options`},
		{"field twice", one("options: vers=3\n    options: vers=4"), `f.yaml:4: field "options" is there twice`},
		{"no options", "profiles:\n  - name: x\n", "f.yaml:2: a profile has a name and options"},
		{"no name", "profiles:\n  - options: vers=3\n", "f.yaml:2: a profile has a name and options"},
		{"two documents", goodProfiles + "---\nprofiles: []\n", "f.yaml: more than one YAML document"},
		{"options not text", one("options: [vers=3]"), "f.yaml:3: options: want text"},
		{"an alias", "profiles:\n  - name: &a x\n    options: *a\n", "f.yaml:3: options: want text"},
		{"null", one("options: ~"), "f.yaml:3: options: want text"},
		{"name taken by nfsim", "profiles:\n  - name: noac\n    options: noac\n", `f.yaml:2: name "noac" is nfsim's own`},
		{"name taken before", one("options: vers=3") + "  - name: x\n    options: vers=4\n", `f.yaml:4: name "x" is taken in line 2`},
		{"name is a glob", "profiles:\n  - name: a*\n    options: vers=3\n", `f.yaml:2: name "a*"`},
		{"name is a path", "profiles:\n  - name: ../x\n    options: vers=3\n", `f.yaml:2: name "../x"`},
		{"name too long", "profiles:\n  - name: " + strings.Repeat("a", 49) + "\n    options: vers=3\n", "at most 48"},
		{"white space in options", one("options: vers=3, soft"), "f.yaml:3: profile x: parse mount options"},
		{"impossible", one("options: vers=4.2,nolock"), "f.yaml:3: profile x: vers=4.2 and nolock: nfs(5)"},
		{"export with fsid", one("options: vers=3\n    export: rw,fsid=0"), "f.yaml:4: profile x: export options"},
		{"export not plain", one("options: vers=3\n    export: rw;reboot"), "f.yaml:4: profile x: export options"},
		{"empty export", one("options: vers=3\n    export: ''"), "f.yaml:4: profile x: export options"},
		{"unknown setting", one("options: vers=3\n    server: {leases: 1}"), `f.yaml:4: unknown field "leases"`},
		{"lease too short", one("options: vers=3\n    server: {lease: 9}"), "f.yaml:4: lease of 9 s"},
		{"lease no number", one("options: vers=3\n    server: {lease: ten}"), "f.yaml:4: lease: want a number"},
		{"delegations no truth value", one("options: vers=3\n    server: {delegations: off!}"), "f.yaml:4: delegations: want true or false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseProfiles("f.yaml", []byte(tc.text))
			var at *ProfileFileError
			if !errors.As(err, &at) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestLoadProfiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, large := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "large.yaml")
	for file, text := range map[string]string{good: goodProfiles, large: strings.Repeat("#", maxProfileFile+1)} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := LoadProfiles(good)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(names(Builtin()), "patient", "42"), names(list)); diff != "" {
		t.Error(diff)
	}
	for _, file := range []string{large, filepath.Join(dir, "none.yaml"), dir} {
		var at *ProfileFileError
		if _, err := LoadProfiles(file); !errors.As(err, &at) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func FuzzParseProfiles(f *testing.F) {
	f.Add(goodProfiles)
	f.Add("profiles:\n  - name: &a x\n    options: *a\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseProfiles("f.yaml", []byte(text))
		if err != nil {
			var at *ProfileFileError
			if !errors.As(err, &at) {
				t.Errorf("error without a place: %v", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, p := range append(Builtin(), list...) {
			if seen[p.Name] || Impossible(p.Options) != nil || p.Server.Validate() != nil {
				t.Errorf("%+v", p)
			}
			seen[p.Name] = true
			if _, err := Match([]Profile{p}, []string{p.Name}); err != nil {
				t.Errorf("profile %q cannot be selected by its name: %v", p.Name, err)
			}
		}
		if len(list) == 0 {
			t.Error("no profile and no error")
		}
	})
}
