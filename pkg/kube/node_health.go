package kube

import (
	"context"
	"fmt"
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
