package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// kubeletHealth is where a kubelet serves /healthz by default
	// (KubeletConfiguration healthzPort), on the node's loopback.
	kubeletHealth = "127.0.0.1:10248"

	// kubeletTimeout bounds a kubelet's way to healthy, on an emulated machine.
	kubeletTimeout = 2 * time.Minute
	// healthEvery is the pause between two questions to a kubelet.
	healthEvery = 200 * time.Millisecond
)

// Observations of a kubelet.
const (
	eventKubeletHealthy = "kubelet-healthy" // its /healthz says ok
	eventNodeReady      = "node-ready"      // the API has fresh news of the node, and it is Ready
	eventKubeletProcess = "kubelet-process" // Value is its pid, Detail how often systemd started it by itself
)

// kubeletDown stops the kubelet on Target. back starts it and waits until it is
// healthy; heal only starts it, and may be called again.
func (b *Batch) kubeletDown(ctx context.Context) (back, heal func(ctx context.Context) error, err error) {
	heal, err = b.inject(ctx, fault.KubeletStop(b.Target.Name, b.Target.Kubelet()))
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		if err := heal(ctx); err != nil {
			return err
		}
		return b.awaitKubelet(ctx)
	}, heal, nil
}

// awaitKubelet waits until the kubelet on Target says that it is healthy, and
// notes when.
func (b *Batch) awaitKubelet(ctx context.Context) error {
	healthy, last, err := b.kubeletHealthy(ctx, kubeletTimeout)
	if err == nil && !healthy {
		err = fmt.Errorf("await healthy kubelet on %s: not within %s (last answer: %s)", b.Target.Name, kubeletTimeout, last)
	}
	return err
}

// kubeletHealthy waits for a healthy kubelet on Target, at most as long as
// within, and notes when it was. That it is not is a result, with its last
// answer.
func (b *Batch) kubeletHealthy(ctx context.Context, within time.Duration) (healthy bool, last string, err error) {
	defer waiting(ctx)()
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return false, "", err
	}
	client := kubeletClient(node)
	wait, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	end := awaiting(wait, eventKubeletHealthy, b.Target.Name, "")
	defer func() {
		if err == nil && !healthy {
			err := errors.New(last)
			end(err)
			return
		}
		end(err)
	}()
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		err := healthz(wait, client)
		if err == nil {
			b.nowAllFrom("node", eventKubeletHealthy, b.Target.Name)
			return true, "", b.noteKubelet(ctx)
		}
		if wait.Err() == nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return false, last, context.Cause(ctx)
		case <-wait.Done():
			return false, last, nil
		case <-tick.C:
		}
	}
}

// kubeletClient asks the kubelet on a node, on its loopback.
func kubeletClient(node *sshnode.Node) *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return node.Dial(ctx, "tcp", kubeletHealth) },
		},
	}
}

// noteKubelet notes which process the kubelet on Target is.
func (b *Batch) noteKubelet(ctx context.Context) error {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, machineLogTimeout)
	defer cancel()
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return err
	}
	text, err := node.Output(ctx, "systemctl show -p MainPID -p NRestarts "+sshnode.Quote(b.Target.Kubelet()))
	if err != nil {
		return fmt.Errorf("look at the kubelet's unit on %s: %w", b.Target.Name, err)
	}
	seen := rundir.Observation{T: agent.Mono(), Source: "node", Event: eventKubeletProcess, Subject: b.Target.Name}
	for line := range strings.Lines(text) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
		case "MainPID":
			seen.Value = value
		case "NRestarts":
			seen.Detail = value + " restarts by systemd"
		}
	}
	for _, c := range b.Cells {
		c.observe("", seen)
	}
	return nil
}

// nowAllFrom notes in every cell that a vantage point saw something now.
func (b *Batch) nowAllFrom(source, event, subject string) {
	for _, c := range b.Cells {
		c.now(source, event, subject, "")
	}
}

// healthz asks a kubelet once.
func healthz(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+kubeletHealth+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("healthz: %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// awaitNodeReady waits until the API says that Target is Ready, from news
// that is younger than since.
func (b *Batch) awaitNodeReady(ctx context.Context, k *kube.Client, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, kubeletTimeout)
	defer cancel()
	defer waiting(ctx)()
	b.Phase("await node Ready")
	end := awaiting(ctx, eventNodeReady, b.Target.Name, "")
	err := k.AwaitNodesReady(ctx, []string{b.Target.Name}, since)
	end(err)
	if err != nil {
		return err
	}
	b.nowAllFrom("api", eventNodeReady, b.Target.Name)
	return nil
}
