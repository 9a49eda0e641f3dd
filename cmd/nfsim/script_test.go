package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nfsim/nfsim/pkg/report"
)

// TestMain lets the test binary play nfsim, for the scripts and as the keeper
// that nfsim starts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nfsim": func() {
			os.Exit(execute(context.Background(), os.Args[1:], streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// TestScript drives the command without a lab and without the network. The
// scripts see these variables beside those of testscript:
//
//	NFSIM     directory of the command nfsim
//	FAKES     directory of commands that stand for QEMU and Go
//	CALLS     file that the fake QEMU writes its arguments to
//	RECORDED  run directory of a real run, recorded and not judged
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			self, err := exec.LookPath("nfsim")
			if err != nil {
				return err
			}
			testdata, err := filepath.Abs("testdata")
			if err != nil {
				return err
			}
			for name, value := range map[string]string{
				"NFSIM":          filepath.Dir(self),
				"FAKES":          filepath.Join(testdata, "fakebin"),
				"CALLS":          filepath.Join(env.WorkDir, "calls"),
				"RECORDED":       filepath.Join(testdata, "recorded"),
				"HOME":           filepath.Join(env.WorkDir, "home"),
				"XDG_STATE_HOME": filepath.Join(env.WorkDir, "state"),
				"XDG_CACHE_HOME": filepath.Join(env.WorkDir, "cache"),
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"copyrun":   copyRun,
			"cut":       cut,
			"isreport":  isReport,
			"onlyasked": onlyAsked,
		},
	})
}

// exits runs nfsim and wants an exit code: exits CODE ARG... What is refused
// must leave standard output empty and be said once, without cobra's usage.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec("nfsim", args[1:]...); err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // Exec returns it as it is
		if !ok {
			ts.Fatalf("run nfsim: %v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("nfsim %q: exit %d, want %d", args[1:], code, want)
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if want == exitUsage && stdout != "" {
		ts.Fatalf("nfsim %q: refused, and standard output is not empty", args[1:])
	}
	if n := strings.Count(stderr, "nfsim: "); want == exitUsage && n != 1 || n > 1 {
		ts.Fatalf("nfsim %q: %d errors on standard error, want one", args[1:], n)
	}
	for _, noise := range []string{"Usage:", "panic", "goroutine"} {
		if strings.Contains(stderr, noise) {
			ts.Fatalf("nfsim %q: standard error has %q", args[1:], noise)
		}
	}
}

// copyRun puts a fresh copy of the recorded run into a directory: copyrun DIR.
func copyRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: copyrun DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.RemoveAll(dir))
	ts.Check(os.CopyFS(dir, os.DirFS(ts.Getenv("RECORDED"))))
}

// cut shortens a file: cut FILE BYTES.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// isReport wants standard output to be one report in JSON with an exit code:
// isreport CODE.
func isReport(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: isreport CODE")
	}
	var r report.Report
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &r))
	if r.Schema != report.SchemaVersion || strconv.Itoa(r.Exit) != args[0] {
		ts.Fatalf("the report has schema %d and exit %d", r.Schema, r.Exit)
	}
}

// onlyAsked wants QEMU to have been asked for its version, and nothing else.
func onlyAsked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: onlyasked")
	}
	for line := range strings.Lines(ts.ReadFile("calls")) {
		if !strings.HasSuffix(line, " --version\n") {
			ts.Fatalf("QEMU was run: %s", line)
		}
	}
}
