package keeper

import (
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
	for _, phase := range []qemu.Phase{qemu.Starting, qemu.Stopping, qemu.Failed} {
		k := newTestKeeper(t, phase)
		for _, path := range []string{"/reset?machine=worker1", "/restore"} {
			if code, f := order(t, k, path); code != http.StatusConflict || !f.Usage {
				t.Errorf("%s while %s: %d, %+v", path, phase, code, f)
			}
		}
	}
}

func TestOneOrderAtATime(t *testing.T) {
	t.Parallel()
	k := newTestKeeper(t, qemu.Ready)
	k.op.Lock()
	if code, f := order(t, k, "/restore"); code != http.StatusConflict || !f.Usage {
		t.Errorf("%d, %+v", code, f)
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
	// The first answer must not have left the keeper busy.
	if !k.op.TryLock() {
		t.Error("the keeper is still busy")
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
