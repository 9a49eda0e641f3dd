package qmp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab/qemu/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}`

// serve plays QEMU on one end of a pipe: answer gives the lines for a command.
func serve(t *testing.T, first string, answer func(cmd string, id uint64) []string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		defer server.Close()
		if _, err := fmt.Fprintf(server, "%s\r\n", first); err != nil {
			return
		}
		lines := bufio.NewScanner(server)
		for lines.Scan() {
			var req struct {
				Execute string `json:"execute"`
				ID      uint64 `json:"id"`
			}
			if json.Unmarshal(lines.Bytes(), &req) != nil {
				return
			}
			out := []string{fmt.Sprintf(`{"return": {}, "id": %d}`, req.ID)}
			if req.Execute != "qmp_capabilities" {
				out = answer(req.Execute, req.ID)
			}
			if out == nil {
				return
			}
			for _, l := range out {
				if _, err := fmt.Fprintf(server, "%s\r\n", l); err != nil {
					return
				}
			}
		}
	}()
	return client
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestExecute(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	conn := serve(t, greeting, func(cmd string, id uint64) []string {
		switch cmd {
		case "query-status":
			return []string{
				`{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}`,
				fmt.Sprintf(`{"id": %d, "return": {"status": "paused"}}`, id),
			}
		case "nonsense":
			return []string{fmt.Sprintf(`{"id": %d, "error": {"class": "CommandNotFound", "desc": "no such command"}}`, id)}
		}
		return nil
	})
	c, err := qmp.New(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Status string `json:"status"`
	}
	if err := c.Execute(ctx, "query-status", nil, &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "paused" {
		t.Errorf("status = %q, want paused", got.Status)
	}
	if e := <-c.Events(); e.Name != "STOP" {
		t.Errorf("event = %q, want STOP", e.Name)
	}
	err = c.Execute(ctx, "nonsense", nil, nil)
	var refused *qmp.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error = %v, want *qmp.Error", err)
	}
	if diff := cmp.Diff(&qmp.Error{Command: "nonsense", Class: "CommandNotFound", Desc: "no such command"}, refused); diff != "" {
		t.Error(diff)
	}
	if err := c.Execute(ctx, "quit", nil, nil); !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("after the end: %v, want ErrClosed", err)
	}
	if err := c.Execute(ctx, "query-status", nil, nil); !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("second command after the end: %v, want ErrClosed", err)
	}
}

func TestNewRefusesAForeignServer(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"no json":   "220 mail ready",
		"no qmp":    `{"hello": 1}`,
		"too long":  `{"QMP": "` + strings.Repeat("x", 2<<20) + `"}`,
		"hangs up":  "",
		"half line": `{"QMP": `,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := net.Pipe()
			go func() {
				_, _ = fmt.Fprintf(server, "%s\n", first)
				_ = server.Close()
			}()
			if _, err := qmp.New(testContext(t), client); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestNewHonoursTheContext(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = server.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := qmp.New(ctx, client); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestEventsNeverBlockAnswers(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	conn := serve(t, greeting, func(_ string, id uint64) []string {
		var out []string
		for i := range 500 {
			out = append(out, fmt.Sprintf(`{"event": "E%d"}`, i))
		}
		return append(out, fmt.Sprintf(`{"return": {}, "id": %d}`, id))
	})
	c, err := qmp.New(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Execute(ctx, "x", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var last string
	for e := range c.Events() {
		last = e.Name
	}
	if last != "E499" {
		t.Errorf("last event = %q, want E499", last)
	}
}
