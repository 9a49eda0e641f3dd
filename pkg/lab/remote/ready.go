package remote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
)

// readyTimeout bounds the wait for the cluster, after a boot under TCG too.
const readyTimeout = 5 * time.Minute

// AwaitReady looks whether scenarios can run on the machines (Check, and the
// config's Verify), and waits for the API server and for every worker to be a
// Ready node of the cluster.
func (l *machines) AwaitReady(ctx context.Context, logf func(format string, args ...any)) error {
	if err := Check(ctx, l); err != nil {
		return err
	}
	if l.config.Verify != nil {
		if err := l.config.Verify(ctx, l); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not within %s", readyTimeout))
	defer cancel()
	config, err := l.Kubeconfig(ctx)
	if err != nil {
		return err
	}
	client, err := kube.New(config)
	if err != nil {
		return &lab.UsageError{What: "the kubeconfig of lab " + l.Name() + " cannot be used", Err: err}
	}
	var names []string
	for _, m := range lab.Workers(l) {
		names = append(names, m.Name)
	}
	began := time.Now()
	if err := client.Ready(ctx); err != nil {
		return &lab.InfraError{What: "the API server of lab " + l.Name() + " is not ready", Err: err}
	}
	logf("API server ready; waiting for the nodes %s", strings.Join(names, ", "))
	if err := client.AwaitNodesReady(ctx, names, time.Time{}); err != nil {
		return &lab.InfraError{What: "not all workers are Ready nodes of the cluster", Err: err, Advice: "are the machines named as their nodes are?"}
	}
	logf("lab %s ready after %.1f s", l.Name(), time.Since(began).Seconds())
	return nil
}
