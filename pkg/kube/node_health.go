package kube

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// KubeletCheck asks a kubelet, through the API server, for one of the checks of
// its /healthz, such as "syncloop" (pkg/kubelet/server/server.go). Unlike
// /healthz on the node's loopback, which answers as long as the process does, it
// looks inside. One question, no second attempt; the error is what the kubelet
// or the API server said.
func (c *Client) KubeletCheck(ctx context.Context, node, check string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	_, err := c.api.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy/healthz", check).Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("ask kubelet %s for its check %s: %w", node, check, err)
	}
	return nil
}

// volumeMetrics are the families of a kubelet's metrics that tell of its volume
// manager (pkg/kubelet/volumemanager/metrics, pkg/volume/util/metrics.go).
func volumeMetrics() []string {
	return []string{
		"volume_manager_total_volumes", "reconstruct_volume_operations", "force_cleaned_failed_volume_operation",
		"orphan_pod_cleaned_volumes", "storage_operation_duration_seconds_count", "kubelet_working_pods", "kubelet_orphaned_runtime_pods_total",
	}
}

// VolumeMetrics asks a kubelet, through the API server, for its metrics and
// returns the samples that tell of volumes, one a line. One question, no second
// attempt.
func (c *Client) VolumeMetrics(ctx context.Context, node string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	body, err := c.api.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy/metrics").Do(ctx).Raw()
	if err != nil {
		return "", fmt.Errorf("ask kubelet %s for its metrics: %w", node, err)
	}
	return samplesOf(body, volumeMetrics()), nil
}

// samplesOf picks the samples of some families out of an exposition.
func samplesOf(exposition []byte, families []string) string {
	var out strings.Builder
	for line := range bytes.Lines(exposition) {
		for _, family := range families {
			if bytes.HasPrefix(line, []byte(family)) {
				out.Write(line)
				break
			}
		}
	}
	return out.String()
}
