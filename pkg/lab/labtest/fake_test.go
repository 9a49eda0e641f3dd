package labtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// fake is a lab of in-process SSH servers and an API server of constants. Its
// fields break it.
type fake struct {
	lab.Connections
	machines []lab.Machine
	disks    map[string]sshtest.StandIn
	servers  map[string]*sshtest.Server
	api      *httptest.Server
	dir      string

	dialAlways   bool
	notReady     string // a node
	shutdown     bool   // reset flushes
	resetNothing bool
	resetAll     bool
	keepOld      bool // restore keeps connections
	keepDisk     bool // restore keeps what was written
	busyAll      bool
	busyNobody   bool
	closeStops   bool
	oneConsole   bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		dir: filepath.Join(t.TempDir(), "state"), disks: map[string]sshtest.StandIn{}, servers: map[string]*sshtest.Server{},
		machines: []lab.Machine{{Name: "server", Role: lab.Server, Addr: "10.0.0.1"}, {Name: "worker1", Role: lab.Worker, Addr: "10.0.0.2"}, {Name: "worker2", Role: lab.Worker, Addr: "10.0.0.3"}},
	}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, m := range f.machines {
		d := sshtest.StandIn{Dir: t.TempDir()}
		d.Write(t, "boot_id", m.Name+"-1\n", 0o644)
		d.Write(t, "root/.keep", "", 0o644)
		d.Commands(t, map[string]string{"id": "echo 0\n", "ping": "exit 0\n", "timeout": "exit 0\n", "sync": "for a; do :; done; cp $a $a.synced\n"})
		f.disks[m.Name] = d
		f.servers[m.Name] = sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
			cmd = strings.NewReplacer("/root", d.Dir+"/root", "/proc/sys/kernel/random", d.Dir, "/dev/console", d.Dir+"/console").Replace(cmd)
			return sshtest.Shell()(d.WithPath(cmd), stdin, stdout, stderr)
		}})
	}
	f.api = httptest.NewServer(f)
	t.Cleanup(f.api.Close)
	t.Cleanup(f.Connections.Close)
	return f
}

// ServeHTTP plays the API server: nodes, their leases, and watches on which
// nothing happens.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") != "" {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	var items []string
	kind, version := "NodeList", "v1"
	for _, m := range lab.Workers(f) {
		status := "True"
		if m.Name == f.notReady {
			status = "False"
		}
		item := fmt.Sprintf(`{"metadata":{"name":%q},"status":{"conditions":[{"type":"Ready","status":%q}]}}`, m.Name, status)
		if strings.Contains(r.URL.Path, "leases") {
			kind, version = "LeaseList", "coordination.k8s.io/v1"
			item = fmt.Sprintf(`{"metadata":{"name":%q,"resourceVersion":"1"},"spec":{"renewTime":"2026-01-01T00:00:00.000000Z"}}`, m.Name)
		}
		items = append(items, item)
	}
	if r.URL.Path == "/readyz" {
		_, _ = io.WriteString(w, "ok")
		return
	}
	fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[%s]}`, kind, version, strings.Join(items, ","))
}

func (f *fake) Name() string            { return "fake" }
func (f *fake) Provider() string        { return "inventory" }
func (f *fake) Machines() []lab.Machine { return f.machines }
func (f *fake) StateDir() string        { return f.dir }

func (f *fake) Node(ctx context.Context, machine string) (*sshnode.Node, error) {
	srv := f.servers[machine]
	if srv == nil {
		return nil, &lab.UsageError{What: "no machine " + machine}
	}
	if f.dialAlways {
		return sshnode.Dial(ctx, srv.Config())
	}
	return f.Connections.Node(ctx, machine, func() (sshnode.Config, error) { return srv.Config(), nil })
}

func (f *fake) Kubeconfig(context.Context) ([]byte, error) {
	return fmt.Appendf(nil, `{"kind":"Config","apiVersion":"v1","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],"clusters":[{"name":"x","cluster":{"server":%q}}],"users":[{"name":"x","user":{}}]}`, f.api.URL), nil
}

func (f *fake) Acquire(_ context.Context, who string) (func(), error) {
	if f.busyAll {
		return func() {}, nil
	}
	release, err := lab.Acquire(filepath.Join(f.dir, "use.lock"), f.Name(), who)
	if err != nil && f.busyNobody {
		err = errors.New("in use")
	}
	return release, err
}

func (f *fake) Close() error {
	f.Connections.Close()
	if f.closeStops {
		f.boot("worker1")
	}
	return nil
}

func (f *fake) boot(machine string) {
	path := filepath.Join(f.disks[machine].Dir, "boot_id")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(b, "again\n"...), 0o644)
	}
	if err != nil {
		panic(err)
	}
}

func (f *fake) Reset(_ context.Context, machine string) error {
	if f.servers[machine] == nil {
		return &lab.UsageError{What: "no machine " + machine}
	}
	if f.resetNothing {
		return nil
	}
	for _, m := range f.machines {
		if m.Name == machine || f.resetAll {
			f.boot(m.Name)
			f.Drop(m.Name)
		}
	}
	if f.shutdown {
		return nil
	}
	synced := filepath.Join(f.disks[machine].Dir, "root/nfsim-labtest")
	return os.Rename(synced+".synced", synced)
}

func (f *fake) Restore(context.Context) error {
	if !f.keepOld {
		f.Connections.Close()
	}
	if f.keepDisk {
		return nil
	}
	for _, d := range f.disks {
		if err := os.Remove(filepath.Join(d.Dir, "root/nfsim-labtest-mark")); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) ConsoleTail(machine string, bytes int) ([]byte, error) {
	if f.servers[machine] == nil {
		return nil, &lab.UsageError{What: "no machine " + machine}
	}
	if f.oneConsole {
		machine = "server"
	}
	b, err := os.ReadFile(filepath.Join(f.disks[machine].Dir, "console"))
	return b[max(len(b)-bytes, 0):], err
}

func (f *fake) AwaitReady(context.Context, func(string, ...any)) error { return nil }
