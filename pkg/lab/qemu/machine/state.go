package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// loadPoll is how often QEMU is asked whether a state has been saved or loaded.
// It takes some tens of milliseconds; QEMU has no command that waits.
const loadPoll = 10 * time.Millisecond

// Save writes the state of a paused machine: the devices to Config.State, the
// memory is where it always was, in Config.RAM. The machine cannot go on
// afterwards; Quit ends it and completes its disk.
func (m *Machine) Save(ctx context.Context) error {
	if m.cfg.State == "" || m.cfg.Resume || !m.cfg.RAM.Shared {
		return fmt.Errorf("save machine %s: it was not started to be saved", m.cfg.Name)
	}
	uri := map[string]any{"uri": fmt.Sprintf("fd:%d", fdState)}
	if err := m.qmp.Execute(ctx, "migrate", uri, nil); err != nil {
		return fmt.Errorf("save machine %s: %w", m.cfg.Name, err)
	}
	if err := m.awaitMigration(ctx); err != nil {
		return fmt.Errorf("save machine %s: %w", m.cfg.Name, err)
	}
	return nil
}

// prepareState makes QEMU leave memory that sits in a shared file out of the
// device state (x-ignore-shared: since QEMU 4.0). The side that loads keeps its
// memory private and so maps what the other side left in the file.
func (m *Machine) prepareState(ctx context.Context) error {
	type capability struct {
		Capability string `json:"capability"`
		State      bool   `json:"state"`
	}
	return m.qmp.Execute(ctx, "migrate-set-capabilities", map[string]any{
		"capabilities": []capability{{"x-ignore-shared", true}},
	}, nil)
}

func (m *Machine) load(ctx context.Context) error {
	uri := map[string]any{"uri": fmt.Sprintf("fd:%d", fdState)}
	if err := m.qmp.Execute(ctx, "migrate-incoming", uri, nil); err != nil {
		return err
	}
	return m.awaitMigration(ctx)
}

func (m *Machine) awaitMigration(ctx context.Context) error {
	tick := time.NewTicker(loadPoll)
	defer tick.Stop()
	for {
		var st struct {
			Status string `json:"status"`
			Error  string `json:"error-desc"`
		}
		if err := m.qmp.Execute(ctx, "query-migrate", nil, &st); err != nil {
			return err
		}
		switch st.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return errors.New(st.Status + " " + st.Error)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func openState(path string, resume bool) (*os.File, error) {
	if resume {
		return os.Open(path)
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
}
