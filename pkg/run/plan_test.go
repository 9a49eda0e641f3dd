package run

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
)

func planned(p Plan) []string {
	var out []string
	for _, b := range p.Batches {
		out = append(out, b.ID)
	}
	return out
}

func TestMakePlan(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		req      Request
		batches  []string
		profiles int
		added    []string
	}{
		{
			name:    "one scenario brings the controls along",
			req:     Request{Scenarios: []string{"close-to-open"}, Profiles: []string{"default", "v*"}},
			batches: []string{"control-flipped-byte-1", "close-to-open-1"}, profiles: 2,
			added: []string{"nfs/control-flipped-byte"},
		},
		{
			name:    "a family, twice",
			req:     Request{Scenarios: []string{"kubelet/*", "control-*"}, Profiles: []string{"noac"}, Repeat: 2},
			batches: []string{"force-delete-while-down-1", "force-delete-while-down-2", "kubelet-restart-1", "kubelet-restart-2", "control-flipped-byte-1", "control-flipped-byte-2"}, profiles: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan, err := MakePlan(tc.req, nfs.Builtin())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.batches, planned(plan)); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
			if len(plan.Profiles) != tc.profiles {
				t.Errorf("%d profiles, want %d", len(plan.Profiles), tc.profiles)
			}
			if diff := cmp.Diff(tc.added, plan.Added); diff != "" {
				t.Errorf("added (-want +got):\n%s", diff)
			}
			if want := len(tc.batches) * tc.profiles; plan.Cells() != want {
				t.Errorf("%d cells, want %d", plan.Cells(), want)
			}
		})
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
