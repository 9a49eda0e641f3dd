package nfs

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuiltinOptionsAreKnown(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range Builtin() {
		if seen[p.Name] {
			t.Errorf("profile %q twice", p.Name)
		}
		seen[p.Name] = true
		if p.Doc == "" || p.Export == "" {
			t.Errorf("profile %q has no doc or no export options", p.Name)
		}
		list, err := splitOptions(p.Options)
		if err != nil {
			t.Errorf("profile %q: %v", p.Name, err)
		}
		if _, unknown := askedTraits(list); len(unknown) > 0 {
			t.Errorf("profile %q: Compare does not know %v", p.Name, unknown)
		}
		if _, err := (Export{Path: ExportRoot + "/x", Options: p.Export, FSID: NewFSID("x")}).withDefaults(); err != nil {
			t.Errorf("profile %q: %v", p.Name, err)
		}
	}
	if Builtin()[0].Name != "default" {
		t.Errorf("the first profile is %q", Builtin()[0].Name)
	}
}

func names(profiles []Profile) []string {
	var out []string
	for _, p := range profiles {
		out = append(out, p.Name)
	}
	return out
}

func TestAspects(t *testing.T) {
	t.Parallel()
	want := map[string][]Aspect{"nconnect=4": {Connections}, "nodeleg": {Delegations}, "short-lease": {Lease}}
	for _, p := range Builtin() {
		if diff := cmp.Diff(want[p.Name], p.Aspects()); diff != "" {
			t.Errorf("%s: %s", p.Name, diff)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		globs []string
		want  []string
		fails bool
	}{
		{name: "none selects all", want: names(Builtin())},
		{name: "in the order of the list", globs: []string{"soft", "default"}, want: []string{"default", "soft"}},
		{name: "glob", globs: []string{"ac*", "no*c"}, want: []string{"noac", "actimeo=1", "actimeo=60"}},
		{name: "twice is once", globs: []string{"v3", "v*"}, want: []string{"v4.1", "v4.0", "v3"}},
		{name: "unknown", globs: []string{"v3", "v9"}, fails: true},
		{name: "malformed", globs: []string{"["}, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Match(Builtin(), tc.globs)
			if (err != nil) != tc.fails {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, names(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	var none *NoMatchError
	if _, err := Match(Builtin(), []string{"v9"}); !errors.As(err, &none) || none.Glob != "v9" {
		t.Errorf("error %v", err)
	}
}
