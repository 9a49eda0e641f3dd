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
	f, err := os.OpenFile(m.cfg.State, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("save machine %s: %w", m.cfg.Name, err)
	}
	defer f.Close()
	if err := m.migrate(ctx, "migrate", f); err != nil {
		return fmt.Errorf("save machine %s: %w", m.cfg.Name, err)
	}
	return nil
}

// migrate runs one of QEMU's migration commands on a file and waits for its end.
func (m *Machine) migrate(ctx context.Context, command string, f *os.File) error {
	const name = "state"
	if err := m.qmp.SendFile(ctx, name, f); err != nil {
		return err
	}
	if err := m.qmp.Execute(ctx, command, map[string]string{"uri": "fd:" + name}, nil); err != nil {
		return err
	}
	return m.awaitMigration(ctx)
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
	f, err := os.Open(m.cfg.State)
	if err != nil {
		return err
	}
	defer f.Close()
	return m.migrate(ctx, "migrate-incoming", f)
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
