package kubebuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// queryTimeout bounds a question to the go command that may ask the proxy.
	queryTimeout = time.Minute
	// downloadTimeout bounds the download of one module.
	downloadTimeout = 10 * time.Minute
	// stopGrace is how long go may take to stop its compilers.
	stopGrace = 10 * time.Second
	tailBytes = 4 << 10
)

// NoGoError says that there is no go command to build with.
type NoGoError struct{ Err error }

func (e *NoGoError) Error() string {
	return fmt.Sprintf("building Kubernetes needs the go command: %v (https://go.dev/doc/install)", e.Err)
}

func (e *NoGoError) Unwrap() error { return e.Err }

// GoError says which go command failed, with the end of what it wrote.
type GoError struct {
	Args   []string
	Output string
	Err    error
}

func (e *GoError) Error() string {
	return fmt.Sprintf("go %s: %v\n%s", strings.Join(e.Args, " "), e.Err, strings.TrimSpace(e.Output))
}

func (e *GoError) Unwrap() error { return e.Err }

// goEnv is the environment of the go command: the caller's, with what would
// change the result taken out. The toolchain is the one that is there: a build
// never downloads another.
func goEnv(extra ...string) []string {
	env := os.Environ()
	return append(append(env, "GOWORK=off", "GOTOOLCHAIN=local", "GOFLAGS=-mod=mod -buildvcs=false", "GO111MODULE=on", "GOEXPERIMENT="), extra...)
}

// goOutput runs the go command in dir and returns its standard output.
func (b *Builder) goOutput(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := b.command(ctx, dir, "", b.gocmd, args...)
	cmd.Env = goEnv()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := b.run(ctx, cmd); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil, &NoGoError{Err: err}
		}
		return nil, &GoError{Args: args, Output: tail(append(stdout.Bytes(), stderr.Bytes()...)), Err: err}
	}
	return stdout.Bytes(), nil
}

// command is a command that is interrupted, rather than killed, when ctx ends;
// wrapper, if it is not empty, is a command that runs it.
func (b *Builder) command(ctx context.Context, dir, wrapper, name string, args ...string) *exec.Cmd {
	if wrapper != "" {
		name, args = wrapper, append([]string{name}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	return cmd
}

func (b *Builder) run(ctx context.Context, cmd *exec.Cmd) error {
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// goVersion is the version of the go command, as in "go1.26.8".
func (b *Builder) goVersion(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	out, err := b.goOutput(ctx, os.TempDir(), "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// goDownload downloads a module and returns the path of its go.mod.
func (b *Builder) goDownload(ctx context.Context, module, version string) (goMod string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, downloadTimeout, fmt.Errorf("download took more than %v", downloadTimeout))
	defer cancel()
	out, err := b.goOutput(ctx, os.TempDir(), "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return "", err
	}
	var answer struct{ GoMod, Error string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", fmt.Errorf("parse the answer of go mod download: %w", err)
	}
	if answer.Error != "" {
		return "", fmt.Errorf("download %s@%s: %s", module, version, answer.Error)
	}
	return answer.GoMod, nil
}

// tail returns the last whole lines of text, at most tailBytes.
func tail(text []byte) string {
	if len(text) <= tailBytes {
		return string(text)
	}
	text = text[len(text)-tailBytes:]
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	return string(text)
}

// packageCounter counts the lines of go build -v that are package names and
// keeps the others, which are errors.
type packageCounter struct {
	packages int
	other    []byte
	rest     []byte
	seen     func(packages int)
}

var _ io.Writer = (*packageCounter)(nil)

func (c *packageCounter) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	for {
		i := bytes.IndexByte(c.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		c.line(c.rest[:i+1])
		c.rest = c.rest[i+1:]
	}
}

func (c *packageCounter) line(line []byte) {
	text := bytes.TrimSpace(line)
	switch {
	case len(text) > 0 && !bytes.ContainsAny(text, " \t:#"):
		c.packages++
		c.seen(c.packages)
	case bytes.HasPrefix(text, []byte("go: downloading ")):
	default:
		c.other = append(c.other, line...)
		if over := len(c.other) - tailBytes; over > 0 {
			c.other = append(c.other[:0], c.other[over:]...)
		}
	}
}
