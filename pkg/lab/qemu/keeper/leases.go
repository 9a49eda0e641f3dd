package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/kube"
)

// leasePoll is how often the leases are looked at.
const leasePoll = 200 * time.Millisecond

func (k *keeper) api(access cluster.Access) (*kube.Client, error) {
	return kube.New(access.AdminKubeconfig("https://" + k.snapshotStatus().APIServer))
}

// leaseVersions are the resource versions of the nodes' leases. They grow with
// every renewal and need no clock, which a machine that was just restored has
// not got right yet.
func leaseVersions(ctx context.Context, api *kube.Client) (map[string]string, error) {
	list, err := api.API().CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list node leases: %w", err)
	}
	out := map[string]string{}
	for _, l := range list.Items {
		out[l.Name] = l.ResourceVersion
	}
	return out, nil
}

// pollLeases looks at the leases until done says so or ctx ends.
func pollLeases(ctx context.Context, api *kube.Client, what string, done func(map[string]string) bool) error {
	tick := time.NewTicker(leasePoll)
	defer tick.Stop()
	var last error
	for {
		versions, err := leaseVersions(ctx, api)
		if err != nil {
			last = err
		} else if done(versions) {
			return nil
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("wait for %s: %w (%w)", what, ctx.Err(), last)
			}
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// saveLeases writes down the leases as they are just before the snapshot.
func (k *keeper) saveLeases(ctx context.Context, access cluster.Access, path string) error {
	api, err := k.api(access)
	if err != nil {
		return err
	}
	versions, err := leaseVersions(ctx, api)
	if err != nil {
		return err
	}
	b, err := json.Marshal(versions)
	if err != nil {
		return fmt.Errorf("encode leases: %w", err)
	}
	return os.WriteFile(path, b, 0o600)
}

// renewed says whether every worker's lease has changed since it was saved.
func renewed(workers []string, saved, now map[string]string) bool {
	for _, w := range workers {
		if now[w] == "" || now[w] == saved[w] {
			return false
		}
	}
	return true
}
