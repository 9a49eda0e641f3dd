package keeper

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newTestKeeper(t *testing.T, phase qemu.Phase) *keeper {
	t.Helper()
	k := &keeper{
		dir:      qemu.Dir(t.TempDir()),
		ctx:      t.Context(),
		op:       make(chan struct{}, 1),
		steps:    &steps{log: io.Discard},
		machines: map[string]*running{},
		cancel:   func(error) {},
		status: qemu.Status{Name: "x", Phase: phase, Machines: []qemu.MachineStatus{
			{State: "gone: killed"},
		}},
	}
	k.status.Machines[0].Name = "worker1"
	k.steps.changed = k.setStep
	return k
}

func order(t *testing.T, k *keeper, path string) (int, qemu.Failure) {
	t.Helper()
	w := httptest.NewRecorder()
	k.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
	var f qemu.Failure
	if w.Code != http.StatusOK {
		if err := json.NewDecoder(w.Body).Decode(&f); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, f
}

func TestOrdersNeedAReadyLab(t *testing.T) {
	t.Parallel()
	for _, phase := range []qemu.Phase{qemu.Starting, qemu.Restoring, qemu.Stopping, qemu.Failed} {
		k := newTestKeeper(t, phase)
		for _, path := range []string{"/reset?machine=worker1", "/restore"} {
			if code, f := order(t, k, path); code != http.StatusConflict || !f.Usage {
				t.Errorf("%s while %s: %d, %+v", path, phase, code, f)
			}
		}
	}
}

// TestOrdersWaitForEachOther has an order wait for another until its own
// time is up, or until the keeper stops.
func TestOrdersWaitForEachOther(t *testing.T) {
	t.Parallel()
	k := newTestKeeper(t, qemu.Ready)
	k.op <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	k.handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/restore", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("given up: %d", w.Code)
	}
	k.ctx = ctx
	if code, _ := order(t, k, "/restore"); code != http.StatusInternalServerError {
		t.Errorf("keeper stopped: %d", code)
	}
	<-k.op
	k.ctx = t.Context()
	if code, f := order(t, k, "/reset?machine=nobody"); code != http.StatusConflict || !f.Usage {
		t.Errorf("free again: %d, %+v", code, f)
	}
}

func TestResetOfAMachineThatIsGone(t *testing.T) {
	t.Parallel()
	k := newTestKeeper(t, qemu.Ready)
	if code, f := order(t, k, "/reset?machine=worker1"); code != http.StatusInternalServerError || f.Machine != "worker1" {
		t.Errorf("%d, %+v", code, f)
	}
	if code, f := order(t, k, "/reset?machine=nobody"); code != http.StatusConflict || !f.Usage {
		t.Errorf("%d, %+v", code, f)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	k := newTestKeeper(t, qemu.Ready)
	k.status.Tethered = true
	if code, f := order(t, k, "/release"); code != http.StatusOK {
		t.Errorf("%d, %+v", code, f)
	}
	if s := k.snapshotStatus(); s.Tethered || !k.released {
		t.Errorf("tethered %v, released %v", s.Tethered, k.released)
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	k := newTestKeeper(t, qemu.Starting)
	var why error
	k.cancel = func(err error) { why = err }
	if code, _ := order(t, k, "/down"); code != http.StatusOK || why == nil {
		t.Errorf("%d, %v", code, why)
	}
}
