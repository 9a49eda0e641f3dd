package sshnode

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// DefaultOutputLimit is how many bytes Run keeps of standard output, and as
// many of standard error.
const DefaultOutputLimit = 8 << 20

// Result is what a command that ran to its end left behind.
type Result struct {
	Stdout, Stderr []byte
	ExitStatus     int           // 128 + the signal's number if a signal ended it; -1 unknown
	Signal         string        // name without SIG, "KILL"; empty: none
	Duration       time.Duration // from the request to the end, by the controller's monotonic clock
	Truncated      bool          // Stdout or Stderr lost its beginning to the output limit
}

// RunOption changes how Run runs a command.
type RunOption func(*runOptions)

type runOptions struct {
	stdin io.Reader
	limit int
}

// WithStdin feeds r to the command's standard input. A Read that blocks may go
// on after Run has returned; an error of r ends the command and Run.
func WithStdin(r io.Reader) RunOption { return func(o *runOptions) { o.stdin = r } }

// WithOutputLimit keeps the last bytes of standard output, and as many of
// standard error, instead of DefaultOutputLimit.
func WithOutputLimit(bytes int) RunOption { return func(o *runOptions) { o.limit = max(bytes, 0) } }

// Run runs a script of /bin/sh on the node and waits for its end. A status
// other than 0 is an *ExitError, a broken connection or session a
// *TransportError, each with what was printed until then in Result. When ctx
// ends Run returns at once with an error that wraps ctx.Err(), and the
// command's process group is killed behind its back; a process that sleeps in
// the kernel lives on, and so does everything if the connection breaks. Run
// waits until the command's output is closed too: redirect the output of what
// is left running in the background. A command is never run again.
func (n *Node) Run(ctx context.Context, cmd string, opts ...RunOption) (Result, error) {
	o := runOptions{limit: DefaultOutputLimit}
	for _, opt := range opts {
		opt(&o)
	}
	op := fmt.Sprintf("run %q", brief(cmd))
	s, err := n.session(ctx, op)
	if err != nil {
		return Result{ExitStatus: -1}, err
	}
	stdout, stderr := newTail(o.limit), newTail(o.limit)
	filter := newGroupFilter(stderr)
	s.Stdout, s.Stderr = stdout, filter
	var stdin io.WriteCloser
	if o.stdin != nil {
		if stdin, err = s.StdinPipe(); err != nil {
			go s.Close()
			return Result{ExitStatus: -1}, n.asTransport(op, err)
		}
	}

	begin := time.Now()
	result := func() Result {
		var r Result
		var outCut, errCut bool
		r.Stdout, outCut = stdout.snapshot()
		r.Stderr, errCut = stderr.snapshot()
		r.Duration, r.Truncated = time.Since(begin), outCut || errCut
		return r
	}
	_, err = await(ctx, n, op, func() (struct{}, error) { return struct{}{}, s.Start(n.command(cmd)) }, nil)
	if err != nil {
		n.abandon(s, filter.known)
		return Result{ExitStatus: -1}, n.asTransport(op, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	badInput := make(chan error, 1)
	if o.stdin != nil {
		go feed(stdin, o.stdin, badInput)
	}

	select {
	case err := <-ended:
		go s.Close()
		filter.flush()
		r := result()
		err = n.exit(op, cmd, &r, err)
		return r, err
	case err := <-badInput:
		n.abandon(s, filter.known)
		r := result()
		r.ExitStatus = -1
		return r, fmt.Errorf("%s: %s: read its standard input: %w", n.cfg.Name, op, err)
	case <-ctx.Done():
		n.abandon(s, filter.known)
		r := result()
		r.ExitStatus = -1
		return r, n.gaveUp(op, ctx.Err())
	}
}

// Output runs a command as Run does and returns its standard output without
// surrounding white space. More than DefaultOutputLimit is an error.
func (n *Node) Output(ctx context.Context, cmd string) (string, error) {
	res, err := n.Run(ctx, cmd)
	if err == nil && res.Truncated {
		err = fmt.Errorf("%s: run %q: more than %d bytes of output", n.cfg.Name, brief(cmd), DefaultOutputLimit)
	}
	return strings.TrimSpace(string(res.Stdout)), err
}

// feed copies r to a command's standard input and closes it. Only an error of
// r counts, and then the input stays open, so that the command cannot take a
// part for the whole; a command need not read all of its input.
func feed(stdin io.WriteCloser, r io.Reader, bad chan<- error) {
	src := &errorKeeper{r: r}
	_, _ = io.Copy(stdin, src)
	if src.err != nil {
		bad <- src.err
		return
	}
	stdin.Close()
}

// errorKeeper remembers the error that ended a reader, io.EOF excepted.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}
