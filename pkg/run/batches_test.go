package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// shape formats batches: ID, "alone" or "not executed", profiles.
func shape(batches []Batch) []string {
	var out []string
	for _, b := range batches {
		var names []string
		for _, p := range b.Profiles {
			names = append(names, p.Name)
		}
		how := ""
		if b.Alone {
			how = " alone"
		}
		if b.NotApplicable != "" {
			how = " not executed"
		}
		out = append(out, fmt.Sprintf("%s%s: %s", b.ID, how, strings.Join(names, " ")))
	}
	return out
}

func TestBatchesOf(t *testing.T) {
	t.Parallel()
	chosen, err := nfs.Match(nfs.Builtin(), []string{"default", "v3", "noac", "nconnect=4", "nodeleg", "short-lease"})
	if err != nil {
		t.Fatal(err)
	}
	own := append(chosen[:2:2], nfs.Profile{Name: "mine", Options: "vers=4.2,nconnect=8", Added: true})
	for _, tc := range []struct {
		name     string
		scenario scenarios.Scenario
		profiles []nfs.Profile
		full     bool
		want     []string
	}{
		{name: "one batch", profiles: chosen[:3], want: []string{"s-1: default v3 noac"}},
		{
			name: "quick: what cannot matter is left out, in one batch a reason", profiles: chosen,
			want: []string{"s-1a: default v3 noac", "s-1b not executed: nconnect=4", "s-1c not executed: nodeleg", "s-1d not executed: short-lease"},
		},
		{
			name: "quick: what can matter is executed alone", profiles: chosen, scenario: scenarios.Scenario{Apart: []nfs.Aspect{nfs.Delegations}},
			want: []string{"s-1a: default v3 noac", "s-1b not executed: nconnect=4", "s-1c alone: nodeleg", "s-1d not executed: short-lease"},
		},
		{
			name: "full: everything is", profiles: chosen, full: true,
			want: []string{"s-1a: default v3 noac", "s-1b alone: nconnect=4", "s-1c alone: nodeleg", "s-1d alone: short-lease"},
		},
		{
			name: "the user's own always are", profiles: own,
			want: []string{"s-1a: default v3", "s-1b alone: mine"},
		},
		{
			name: "no more cells than a batch bears", profiles: nfs.Builtin()[:5], scenario: scenarios.Scenario{Cells: 2, Quiet: true},
			want: []string{"s-1a alone: default", "s-1b alone: v4.1 v4.0", "s-1c alone: v3 noac"},
		},
		{
			name: "full: pods of every shape", profiles: nfs.Builtin()[:3], scenario: scenarios.Scenario{Shapes: true}, full: true,
			want: []string{"s-1a: default", "s-1b: v4.1 v4.0"},
		},
		{name: "quick: pods of every shape in one cell", profiles: nfs.Builtin()[:3], scenario: scenarios.Scenario{Shapes: true}, want: []string{"s-1: default v4.1 v4.0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.scenario.Name = "s"
			if diff := cmp.Diff(tc.want, shape(batchesOf(tc.scenario, tc.profiles, 1, tc.full))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlanOfEverything checks that every cell is planned exactly once, that no
// two batches share an ID, and that none mixes what cannot be side by side.
func TestPlanOfEverything(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		plan, err := MakePlan(Request{Repeat: 2, Full: full}, nfs.Builtin())
		if err != nil {
			t.Fatal(err)
		}
		ids, cells := map[string]bool{}, map[string]int{}
		for _, b := range plan.Batches {
			if ids[b.ID] {
				t.Errorf("two batches %s", b.ID)
			}
			ids[b.ID] = true
			if full && b.NotApplicable != "" {
				t.Errorf("a full run leaves %s out: %s", b.ID, b.NotApplicable)
			}
			for _, p := range b.Profiles {
				cells[fmt.Sprint(b.Scenario.ID(), p.Name, b.Repeat)]++
				if b.NotApplicable == "" && (p.Server != b.Server || p.Connections() != b.Profiles[0].Connections()) {
					t.Errorf("%s: %s does not go with %s", b.ID, p.Name, b.Profiles[0].Name)
				}
			}
		}
		want := 0
		for _, s := range scenarios.List() {
			want += 2 * len(columns{chosen: nfs.Builtin()}.of(s))
		}
		if len(cells) != want || plan.Cells() != want {
			t.Errorf("%d cells, %d different ones, want %d", plan.Cells(), len(cells), want)
		}
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	s := scenarios.Scenario{Estimate: time.Minute, FullEstimate: time.Hour}
	for _, tc := range []struct {
		b    Batch
		full bool
		want time.Duration
	}{
		{Batch{Scenario: s}, false, time.Minute},
		{Batch{Scenario: s}, true, time.Hour},
		{Batch{Scenario: scenarios.Scenario{Estimate: time.Minute}}, true, time.Minute},
		{Batch{Scenario: s, NotApplicable: "left out"}, true, 0},
	} {
		if got := tc.b.Estimate(tc.full); got != tc.want {
			t.Errorf("%+v, full %v: %s, want %s", tc.b.Scenario.Estimate, tc.full, got, tc.want)
		}
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	for i, want := range map[int]string{0: "a", 25: "z", 26: "aa", 51: "az", 52: "ba", 701: "zz", 702: "aaa"} {
		if got := letters(i); got != want {
			t.Errorf("%d is %s, want %s", i, got, want)
		}
	}
}
