package run

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// controls lists the control scenarios of some families.
func controls(families ...string) []string {
	var out []string
	for _, s := range scenarios.List() {
		if s.Control && slices.Contains(families, s.Family) {
			out = append(out, s.ID())
		}
	}
	return out
}

func TestMakePlan(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		req       Request
		batches   []string // without those of controls
		unplanned string   // pattern of scenarios that must not be there
		profiles  int
		added     []string
	}{
		{
			name:    "one scenario brings the controls of its family along",
			req:     Request{Scenarios: []string{"close-to-open"}, Profiles: []string{"default", "v3"}},
			batches: []string{"close-to-open-1"}, unplanned: "kubelet/*", profiles: 2,
			added: controls("nfs"),
		},
		{
			name:    "a pod's mounts are mounts too",
			req:     Request{Scenarios: []string{"kubelet-restart"}, Profiles: []string{"default"}},
			batches: []string{"kubelet-restart-1"}, profiles: 1,
			added: controls("nfs", "kubelet"),
		},
		{
			name:    "a family has its controls in it, twice",
			req:     Request{Scenarios: []string{"kubelet-restart", "force-delete-while-down", "control-*"}, Profiles: []string{"noac"}, Repeat: 2},
			batches: []string{"force-delete-while-down-1", "force-delete-while-down-2", "kubelet-restart-1", "kubelet-restart-2"}, profiles: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan, err := MakePlan(tc.req, nfs.Builtin())
			if err != nil {
				t.Fatal(err)
			}
			var batches []string
			planned, once := map[string]int{}, 0
			for _, b := range plan.Batches {
				planned[b.Scenario.ID()]++
				if b.Scenario.OneProfile {
					once++
				}
				if !b.Scenario.Control {
					batches = append(batches, b.ID)
				}
				if hit, err := path.Match(tc.unplanned, b.Scenario.ID()); hit || err != nil {
					t.Errorf("%s is planned", b.ID)
				}
			}
			for _, id := range tc.added {
				if planned[id] != 1 {
					t.Errorf("%s is planned %d times", id, planned[id])
				}
			}
			if diff := cmp.Diff(tc.batches, batches); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
			if len(plan.Profiles) != tc.profiles {
				t.Errorf("%d profiles, want %d", len(plan.Profiles), tc.profiles)
			}
			if diff := cmp.Diff(tc.added, plan.Added); diff != "" {
				t.Errorf("added (-want +got):\n%s", diff)
			}
			if want := (len(plan.Batches)-once)*tc.profiles + once; plan.Cells() != want {
				t.Errorf("%d cells, want %d", plan.Cells(), want)
			}
		})
	}
}

// TestOneProfile checks that a scenario that needs but one profile takes none
// that would want a batch apart, if it can.
func TestOneProfile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ chosen, want []string }{
		{[]string{"nconnect=4", "v3", "noac"}, []string{"v3"}},
		{[]string{"nconnect=4"}, []string{"nconnect=4"}},
	} {
		var chosen []nfs.Profile
		for _, name := range tc.chosen {
			p, err := nfs.Match(nfs.Builtin(), []string{name})
			must(t, err)
			chosen = append(chosen, p...)
		}
		var got []string
		for _, p := range (columns{chosen: chosen}).of(scenarios.Scenario{OneProfile: true}) {
			got = append(got, p.Name)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("of %v (-want +got):\n%s", tc.chosen, diff)
		}
	}
}

func TestMakePlanRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		req  Request
		want string
	}{
		{"unknown scenario", Request{Scenarios: []string{"nope"}}, `no scenario matches "nope"`},
		{"malformed scenario", Request{Scenarios: []string{"["}}, "syntax error in pattern"},
		{"unknown profile", Request{Profiles: []string{"nope"}}, `"nope"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := MakePlan(tc.req, nfs.Builtin())
			var usage *lab.UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a *lab.UsageError", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q does not say %q", err, tc.want)
			}
		})
	}
}

// TestShaped checks that a quick run gives the shapes of volumes to one profile,
// which needs no batch apart, and a full run to all.
func TestShaped(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		chosen []string
		full   bool
		want   []string
	}{
		{[]string{"default", "soft", "v3"}, false, []string{"default"}},
		{[]string{"soft", "v3"}, false, []string{"v3"}},
		{[]string{"nconnect=4", "v3"}, false, []string{"v3"}},
		{[]string{"nconnect=4"}, false, []string{"nconnect=4"}},
		{[]string{"default", "nconnect=4"}, true, []string{"default", "nconnect=4"}},
	} {
		chosen, err := nfs.Match(nfs.Builtin(), tc.chosen)
		if err != nil {
			t.Fatal(err)
		}
		plan := Plan{Profiles: chosen, Full: tc.full, Shapes: true}
		var got []string
		for _, p := range chosen {
			if plan.shaped(p) {
				got = append(got, p.Name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%v, full %v (-want +got):\n%s", tc.chosen, tc.full, diff)
		}
		plan.Shapes = false
		if plan.shaped(chosen[0]) != tc.full {
			t.Errorf("%v, full %v: shapes that nobody asked for", tc.chosen, tc.full)
		}
	}
}

// TestColumns checks which profiles scenarios with and without columns of their
// own are executed for.
func TestColumns(t *testing.T) {
	t.Parallel()
	rows := scenarios.Scenario{Name: "rows"}
	own := scenarios.Scenario{Name: "own", Profiles: []nfs.Profile{{Name: "hard"}, {Name: "soft", Options: "its own"}}}
	control := scenarios.Scenario{Name: "control", OneProfile: true}
	profiles := []nfs.Profile{{Name: "default"}, {Name: "soft"}, {Name: "v3"}}
	for _, tc := range []struct {
		name             string
		patterns         []string
		selected         []scenarios.Scenario
		rows, own, error string
	}{
		{"all", nil, []scenarios.Scenario{rows, own}, "default soft v3", "hard soft", ""},
		{"both have it", []string{"so*"}, []scenarios.Scenario{rows, own}, "soft", "soft", ""},
		{"meant for others", []string{"v3"}, []scenarios.Scenario{rows, own}, "v3", "hard soft", ""},
		{"its own alone", []string{"hard"}, []scenarios.Scenario{own, control}, "default", "hard", ""},
		{"its own alone, with rows", []string{"hard"}, []scenarios.Scenario{own, rows}, "", "", "columns of family share-server alone"},
		{"its own, not selected", []string{"hard"}, []scenarios.Scenario{rows}, "", "", `no profile matches "hard"`},
		{"a profile in its place", []string{"soft", "hard"}, []scenarios.Scenario{rows, own}, "soft", "hard soft", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := chooseColumns(tc.patterns, profiles, tc.selected)
			if tc.error != "" {
				if err == nil || !strings.Contains(err.Error(), tc.error) {
					t.Fatalf("error %v, want %q", err, tc.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := func(list []nfs.Profile) string {
				names := make([]string, len(list))
				for i, p := range list {
					names[i] = p.Name
				}
				return strings.Join(names, " ")
			}
			if got := text(c.of(rows)); got != tc.rows {
				t.Errorf("rows: %q, want %q", got, tc.rows)
			}
			if got := text(c.of(own)); got != tc.own {
				t.Errorf("own columns: %q, want %q", got, tc.own)
			}
			if one := c.of(scenarios.Scenario{OneProfile: true, Profiles: own.Profiles}); len(one) != 1 || len(c.of(control)) != 1 {
				t.Errorf("one profile: %v, %v", one, c.of(control))
			}
			for _, p := range c.of(own) {
				if p.Name == "soft" && p.Options != "its own" {
					t.Error("a profile of the run's stands in place of its own")
				}
			}
		})
	}
}
