package qemu

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
)

// fakeKeeper serves a control socket in a directory whose path is too long
// for one.
func fakeKeeper(t *testing.T, h http.Handler) Dir {
	t.Helper()
	dir := Dir(t.TempDir() + "/" + strings.Repeat("long", 40))
	if err := os.Mkdir(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := ListenUnix(dir.Control())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return dir
}

func TestClientClasses(t *testing.T) {
	t.Parallel()
	dir := fakeKeeper(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/status":
			fmt.Fprint(w, `{"schema":1,"name":"x","phase":"ready"}`)
		case "/restore":
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"machine":"worker1","what":"does not continue"}`)
		case "/reset":
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"usage":true,"what":"busy"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	c := newClient(dir)
	t.Cleanup(c.close)
	ctx := t.Context()
	if s, err := c.status(ctx); err != nil || s.Phase != Ready {
		t.Errorf("status = %+v, %v", s, err)
	}
	var infra *lab.InfraError
	if err := c.post(ctx, "/restore", nil); !errors.As(err, &infra) || infra.Machine != "worker1" {
		t.Errorf("restore: %v", err)
	}
	var usage *lab.UsageError
	if err := c.post(ctx, "/reset", nil); !errors.As(err, &usage) {
		t.Errorf("reset: %v", err)
	}
	if err := c.post(ctx, "/nothing", nil); !errors.As(err, &infra) {
		t.Errorf("nothing: %v", err)
	}
	gone := newClient(Dir(t.TempDir()))
	t.Cleanup(gone.close)
	if _, err := gone.status(ctx); !errors.As(err, &infra) {
		t.Errorf("no keeper: %v", err)
	}
}

func TestSocketIsClosedToOthers(t *testing.T) {
	t.Parallel()
	dir := fakeKeeper(t, http.NotFoundHandler())
	info, err := os.Stat(dir.Control())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
