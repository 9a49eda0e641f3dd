package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v4"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

const (
	// attemptTimeout bounds one request, so that a connection that died in
	// silence (a machine that was reset) costs one attempt and not the trial.
	attemptTimeout = 20 * time.Second
	firstPause     = 100 * time.Millisecond
	longestPause   = 2 * time.Second
)

// try sends a request until it is answered or ctx ends. The second argument of
// request is the number of the attempt, from 0: a write that is sent again may
// find its own effect.
func try(ctx context.Context, op string, request func(ctx context.Context, attempt int) error) error {
	var last error
	attempt := 0
	once := func() error {
		one, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		last = request(one, attempt)
		attempt++
		if last == nil || unanswered(last) && ctx.Err() == nil {
			return last
		}
		return backoff.Permanent(last)
	}
	if err := ctx.Err(); err != nil {
		return &TransportError{Op: op, Err: err}
	}
	if err := backoff.Retry(once, backoff.WithContext(pauses(), ctx)); err == nil {
		return nil
	}
	if unanswered(last) {
		return &TransportError{Op: op, Err: errors.Join(last, ctx.Err())}
	}
	return &callError{op: op, err: last}
}

// callError is an answer of the API server with the request that it answers.
type callError struct {
	op  string
	err error
}

func (e *callError) Error() string { return e.op + ": " + e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// againError is an answer that invites another question.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }
func (e *againError) Unwrap() error { return e.err }

func pauses() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = firstPause
	b.MaxInterval = longestPause
	b.MaxElapsedTime = 0 // the context alone decides
	return b
}

// unanswered tells failures of the transport, and a server that is not up or
// asks to come again, from answers.
func unanswered(err error) bool {
	var again *againError
	if errors.As(err, &again) {
		return true
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) {
			return false
		}
		return apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err)
	}
	var netErr net.Error
	var urlErr *url.Error
	return errors.As(err, &netErr) || errors.As(err, &urlErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err)
}
