package kube

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Ready asks the API server's /readyz until it says yes or ctx ends; then the
// error is an *AwaitError with the checks that failed last, or a
// *TransportError when no answer ever came. An answer that refuses the
// credentials ends the asking at once.
func (c *Client) Ready(ctx context.Context) error {
	failing := ""
	err := try(ctx, "ask the API server whether it is ready", func(ctx context.Context, _ int) error {
		body, err := c.api.Discovery().RESTClient().Get().AbsPath("/readyz").Param("verbose", "").Do(ctx).Raw()
		if err == nil {
			return nil
		}
		if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
			return err
		}
		if lines := failingChecks(string(body)); lines != "" {
			failing = lines
		}
		return &againError{err: err}
	})
	var transport *TransportError
	if failing != "" && errors.As(err, &transport) {
		return &AwaitError{What: "the API server to be ready", Last: failing, Err: transport.Err}
	}
	return err
}

// maxChecks bounds how much of a /readyz answer an error carries.
const maxChecks = 10

// failingChecks picks the lines "[-]NAME failed: reason withheld" of a verbose
// answer of /readyz (k8s.io/apiserver/pkg/server/healthz).
func failingChecks(body string) string {
	var failed []string
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			name, _, _ = strings.Cut(name, " ")
			failed = append(failed, name)
		}
		if len(failed) == maxChecks {
			break
		}
	}
	return strings.Join(failed, ", ")
}
