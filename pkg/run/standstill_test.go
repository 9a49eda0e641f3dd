package run

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// ownLab is a lab whose cluster is nfsim's alone.
type ownLab struct{ lab.Lab }

func (ownLab) ClusterUnits() []string { return []string{"etcd.service", "kube-apiserver.service"} }

func TestStandstillOf(t *testing.T) {
	t.Parallel()
	own, foreign := lab.Lab(ownLab{}), lab.Lab(struct{ lab.Lab }{})
	for _, tc := range []struct {
		name     string
		lab      lab.Lab
		families []string
		want     []string
	}{
		{"mounts alone", own, []string{scenarios.FamilyNFS, scenarios.FamilyControl}, ownLab{}.ClusterUnits()},
		{"a kubelet too", own, []string{scenarios.FamilyNFS, scenarios.FamilyKubelet}, nil},
		{"a server in a pod too", own, []string{scenarios.FamilyShare, scenarios.FamilyNFS}, nil},
		{"somebody's own cluster", foreign, []string{scenarios.FamilyNFS}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var p Plan
			for _, family := range tc.families {
				p.Batches = append(p.Batches, Batch{Scenario: scenarios.Scenario{Family: family}})
			}
			if diff := cmp.Diff(tc.want, standstillOf(p, tc.lab).units); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoClusterWhileItStandsStill(t *testing.T) {
	t.Parallel()
	e := &executor{lab: ownLab{}, still: standstill{active: []*fault.Active{nil}}}
	if _, err := e.kube(t.Context()); err == nil {
		t.Error("a batch was given a cluster that stands still")
	}
}
