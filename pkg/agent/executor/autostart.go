package executor

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// Autostart does the requests in r, one a line, in order, before any session
// is there; their answers go nowhere, and streams keep their events for who
// attaches. A line that is no request, or one that the agent refuses, is an
// error; a system call that fails is not.
func (a *Agent) Autostart(r io.Reader) error {
	lines := proto.NewLineReader(io.MultiReader(r, strings.NewReader("\n")))
	for n := 1; ; n++ {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("autostart: %w", err)
		}
		req, err := proto.DecodeRequest(line)
		if err != nil {
			return fmt.Errorf("autostart: request %d: %w", n, err)
		}
		if refused := a.autostart(req); refused != "" {
			return fmt.Errorf("autostart: request %d: %s: %s", n, req.Op, refused)
		}
	}
}

// autostart does one request, or gives it up to its own thread when it hangs,
// and returns why it was refused, if it was.
func (a *Agent) autostart(req proto.Request) (refused string) {
	answers := make(chan proto.Response, 2) // the second is a late one
	t := newTask(req, func(resp proto.Response) { answers <- resp }, func() {})
	go func() {
		defer t.thread.lock()()
		t.begin()
		t.finish(a.perform(t))
	}()
	return (<-answers).Error
}
