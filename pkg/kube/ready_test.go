package kube

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve makes a client of an API server that answers every request with h.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	client, err := New(fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"c",
		"clusters":[{"name":"k","cluster":{"server":%q,"certificate-authority-data":%q}}],
		"users":[{"name":"u","user":{"token":"t"}}],
		"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}]}`, server.URL, base64.StdEncoding.EncodeToString(ca)))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestReadyAsksUntilItIs(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		if asked.Add(1) < 3 {
			http.Error(w, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "ok")
	})
	if err := client.Ready(testContext(t)); err != nil {
		t.Fatalf("Ready: %v", err)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want 3", asked.Load())
	}
}

func TestReadySaysWhatIsNotReady(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "[-]etcd failed: reason withheld\n[-]poststarthook/x failed: not finished\n", http.StatusInternalServerError)
		time.AfterFunc(100*time.Millisecond, cancel)
	})
	var await *AwaitError
	if err := client.Ready(ctx); !errors.As(err, &await) {
		t.Fatalf("Ready: %v, want an *AwaitError", err)
	}
	if diff := cmp.Diff("etcd, poststarthook/x", await.Last); diff != "" {
		t.Errorf("last state (-want +got):\n%s", diff)
	}
}

func TestReadyDoesNotInsistOnBeingRefused(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "no", http.StatusUnauthorized)
	})
	err := client.Ready(testContext(t))
	var transport *TransportError
	if err == nil || errors.As(err, &transport) || asked.Load() != 1 {
		t.Errorf("Ready: %v after %d requests, want a final error after one", err, asked.Load())
	}
}

func TestReadyWithoutAServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
	defer cancel()
	client := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	var transport *TransportError
	if err := client.Ready(ctx); !errors.As(err, &transport) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ready: %v, want a *TransportError of the deadline", err)
	}
}

func TestNewRefusesAKubeconfigThatIsNone(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "{", "apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n"} {
		if _, err := New([]byte(in)); err == nil {
			t.Errorf("New(%q) succeeded", in)
		}
	}
}

func TestProxySettingsAreIgnored(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	if err := client.Ready(testContext(t)); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

func FuzzFailingChecks(f *testing.F) {
	f.Add("[+]ping ok\n[-]etcd failed: reason withheld\n")
	f.Add("[-]")
	f.Add(strings.Repeat("[-]x\n", 1000))
	f.Fuzz(func(t *testing.T, body string) {
		got := failingChecks(body)
		if strings.Contains(got, "\n") || strings.Count(got, ", ")+1 > maxChecks && !strings.Contains(body, ",") {
			t.Errorf("failingChecks(%q) = %q", body, got)
		}
	})
}
