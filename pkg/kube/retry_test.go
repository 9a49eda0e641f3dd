package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testContext ends a test that hangs long after any healthy one is done.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestTryTellsAnswersFromSilence(t *testing.T) {
	t.Parallel()
	pods := corev1.Resource("pods")
	budget := apierrors.NewTooManyRequests("the disruption budget", 1)
	budget.ErrStatus.Details.Causes = append(budget.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause})
	refused := &url.Error{Op: "Get", URL: "https://127.0.0.1:1", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	for _, tc := range []struct {
		name     string
		err      error
		attempts int // of a request that fails once so and then succeeds
	}{
		{"no error", nil, 1},
		{"refused", refused, 2},
		{"reset", syscall.ECONNRESET, 2},
		{"cut off", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), 2},
		{"attempt timed out", context.DeadlineExceeded, 2},
		{"overloaded", apierrors.NewTooManyRequests("later", 0), 2},
		{"not up", apierrors.NewServiceUnavailable("starting"), 2},
		{"server timeout", apierrors.NewServerTimeout(pods, "get", 0), 2},
		{"asked to come again", &againError{errors.New("not ready")}, 2},
		{"not found", apierrors.NewNotFound(pods, "p"), 1},
		{"forbidden", apierrors.NewForbidden(pods, "p", errors.New("no")), 1},
		{"conflict", apierrors.NewConflict(pods, "p", errors.New("changed")), 1},
		{"disruption budget", budget, 1},
		{"mistake of ours", errors.New("bad"), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			attempts := 0
			err := try(testContext(t), "ask", func(_ context.Context, attempt int) error {
				attempts++
				if attempt == 0 {
					return tc.err
				}
				return nil
			})
			if attempts != tc.attempts {
				t.Errorf("%d attempts, want %d", attempts, tc.attempts)
			}
			if final := tc.attempts == 1 && tc.err != nil; final != (err != nil) {
				t.Errorf("error is %v", err)
			}
			if err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v does not wrap %v", err, tc.err)
			}
		})
	}
}

func TestTryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(testContext(t))
	err := try(ctx, "ask", func(context.Context, int) error {
		cancel()
		return syscall.ECONNREFUSED
	})
	var transport *TransportError
	if !errors.As(err, &transport) {
		t.Fatalf("error is %v, want a *TransportError", err)
	}
	if diff := cmp.Diff("ask", transport.Op); diff != "" {
		t.Errorf("op (-want +got):\n%s", diff)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap both causes", err)
	}
	if err := try(ctx, "ask", func(context.Context, int) error { t.Error("asked with a dead context"); return nil }); !errors.As(err, &transport) {
		t.Errorf("error is %v, want a *TransportError", err)
	}
}
