package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// serve listens at the control socket. Who may connect is decided by the
// directory (0700) and the socket (0600).
func (k *keeper) serve() (stop func(), err error) {
	l, err := qemu.ListenUnix(k.dir.Control())
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: k.handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return func() {
		_ = srv.Close()
		<-done
	}, nil
}

func (k *keeper) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(k.snapshotStatus())
	})
	order := func(path string, do func(*http.Request) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { answer(w, do(r)) })
	}
	order("/reset", k.orderReset)
	order("/restore", k.orderRestore)
	order("/link", k.orderLink)
	order("/release", func(*http.Request) error {
		k.mu.Lock()
		k.released = true
		k.mu.Unlock()
		k.update(func(s *qemu.Status) { s.Tethered = false })
		return nil
	})
	order("/down", func(*http.Request) error {
		k.cancel(errDown)
		return nil
	})
	return mux
}

// answer sends an error as a qemu.Failure.
func answer(w http.ResponseWriter, err error) {
	if err == nil {
		return
	}
	f := qemu.FailureOf(err)
	code := http.StatusInternalServerError
	if f.Usage {
		code = http.StatusConflict
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(f)
}

// begin waits for its turn and starts an order on a lab in one of these
// phases; end must be called after it. The context ends with the request's and
// with the keeper's.
func (k *keeper) begin(r *http.Request, phases ...qemu.Phase) (ctx context.Context, end func(), err error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(k.ctx, cancel)
	release := func() {
		stop()
		cancel()
	}
	select {
	case k.op <- struct{}{}:
	case <-ctx.Done():
		release()
		return nil, nil, fmt.Errorf("wait for the lab's other orders: %w", ctx.Err())
	}
	k.mu.Lock()
	phase := k.status.Phase
	k.mu.Unlock()
	if !slices.Contains(phases, phase) {
		<-k.op
		release()
		return nil, nil, &lab.UsageError{What: fmt.Sprintf("the lab is %s, not %s", phase, phases[0])}
	}
	return ctx, func() {
		<-k.op
		release()
	}, nil
}

func (k *keeper) orderLink(r *http.Request) error {
	up, err := strconv.ParseBool(r.FormValue("up"))
	if err != nil {
		return &lab.UsageError{What: "link: up is neither true nor false"}
	}
	_, end, err := k.begin(r, qemu.Ready)
	if err != nil {
		return err
	}
	defer end()
	if err := k.net.SetLink(r.FormValue("machine"), up); err != nil {
		return &lab.UsageError{What: err.Error()}
	}
	return nil
}

func (k *keeper) orderRestore(r *http.Request) error {
	ctx, end, err := k.begin(r, qemu.Ready, qemu.Broken)
	if err != nil {
		return err
	}
	defer end()
	k.setPhase(qemu.Restoring)
	err = k.restore(ctx)
	if err != nil {
		k.steps.logf("restore failed: %v", err)
		k.setPhase(qemu.Broken)
		return err
	}
	k.setPhase(qemu.Ready)
	return nil
}

func (k *keeper) orderReset(r *http.Request) error {
	ctx, end, err := k.begin(r, qemu.Ready)
	if err != nil {
		return err
	}
	defer end()
	m, err := k.machine(r.FormValue("machine"))
	if err != nil {
		return err
	}
	if err := m.Reset(ctx); err != nil {
		return k.machineError(m.Name(), "cannot be reset", err)
	}
	k.net.DropConns(m.Name())
	k.updateMachine(m.Name(), func(s *qemu.MachineStatus) { s.State, s.Clock = "booting", nil })
	go k.followBoot(m)
	return nil
}

// bootTimeout bounds the wait for a machine that was reset.
const bootTimeout = 10 * time.Minute

// followBoot waits for a machine that was reset and sets its clock, which the
// guest's kernel took from a clock that counts seconds.
func (k *keeper) followBoot(m *running) {
	ctx, cancel := context.WithTimeout(m.ctx, bootTimeout)
	defer cancel()
	if err := k.awaitMachine(ctx, m, k.ready.access, time.Now()); err != nil {
		k.steps.write(err.Error())
	}
}
