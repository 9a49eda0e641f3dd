package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// askTimeout bounds one question to a machine or to the API server.
const askTimeout = 60 * time.Second

// verify looks at what only an inventory can have wrong: units that are called
// otherwise, a kubeconfig of another cluster.
func verify(ctx context.Context, l lab.Lab) error {
	return errors.Join(verifyUnits(ctx, l), verifyNodes(ctx, l))
}

// verifyUnits says which workers have no such unit as their kubelet's.
func verifyUnits(ctx context.Context, l lab.Lab) error {
	var errs []error
	for _, m := range lab.Workers(l) {
		state, err := ask(ctx, l, m, "systemctl show --property LoadState --value "+sshnode.Quote(m.Kubelet()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if state == "loaded" {
			continue
		}
		known, err := ask(ctx, l, m, "systemctl list-unit-files --no-legend --plain 'kubelet*' 'k3s*' 'rke2*' | cut -d' ' -f1 | tr '\\n' ' '")
		if err != nil {
			known = ""
		}
		errs = append(errs, &lab.UsageError{
			What:   fmt.Sprintf("machine %s has no unit %s (systemd calls it %s; there are: %s)", m.Name, m.Kubelet(), state, orNone(known)),
			Advice: "say the name of its kubelet's unit as kubelet_unit",
		})
	}
	return errors.Join(errs...)
}

// verifyNodes says which workers are no nodes of the kubeconfig's cluster.
func verifyNodes(ctx context.Context, l lab.Lab) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %s", askTimeout))
	defer cancel()
	unusable := func(err error) error {
		return &lab.UsageError{
			What: "the kubeconfig of lab " + l.Name() + " does not work from here", Err: err,
			Advice: "does `kubectl --kubeconfig FILE get nodes` say more? if the API server can be reached only from the machines, forward a port to it",
		}
	}
	text, err := l.Kubeconfig(ctx)
	if err != nil {
		return unusable(err)
	}
	client, err := kube.New(text)
	if err != nil {
		return unusable(err)
	}
	if err := client.Ready(ctx); err != nil {
		return unusable(err)
	}
	list, err := client.API().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return unusable(err)
	}
	nodes := map[string]bool{}
	var names []string
	for _, n := range list.Items {
		nodes[n.Name] = true
		names = append(names, n.Name)
	}
	var missing []string
	for _, m := range lab.Workers(l) {
		if !nodes[m.Name] {
			missing = append(missing, m.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &lab.UsageError{
		What:   fmt.Sprintf("the cluster of the kubeconfig has no node %s; it has %s", strings.Join(missing, ", "), orNone(strings.Join(names, ", "))),
		Advice: "name the machines as their nodes are called, or choose another context",
	}
}

// ask runs a command on a machine and returns what it prints, trimmed.
func ask(ctx context.Context, l lab.Lab, m lab.Machine, command string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %s", askTimeout))
	defer cancel()
	node, err := l.Node(ctx, m.Name)
	if err != nil {
		return "", err
	}
	out, err := node.Output(ctx, command)
	return strings.TrimSpace(out), err
}

func orNone(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return "none"
	}
	return s
}
