package repro

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/rundir"
)

var update = flag.Bool("update", false, "write the golden files anew")

func goldens() map[string][]rundir.Step {
	return map[string][]rundir.Step{"kubelet.force-delete-while-down": kubeletSteps(), "nfs.partition": nfsSteps()}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for scenario, steps := range goldens() {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			run, trial := trialOf(t, scenario, steps)
			got, err := Script(run, trial)
			check(t, err)
			golden := filepath.Join("testdata", scenario+".sh")
			if *update {
				check(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			check(t, err)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got), go test -update writes it anew:\n%s", diff)
			}
			check(t, WriteAll(run))
			if trial.Script() == "" {
				t.Error("no repro.sh was written")
			}
		})
	}
}

func TestShellcheck(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("no shellcheck")
	}
	for scenario := range goldens() {
		out, err := exec.CommandContext(t.Context(), "shellcheck", filepath.Join("testdata", scenario+".sh")).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestNoSteps(t *testing.T) {
	t.Parallel()
	run, trial := trialOf(t, "nfs.partition", nil)
	if got, err := Script(run, trial); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	check(t, WriteAll(run))
	if trial.Script() != "" {
		t.Error("a script of nothing was written")
	}
}

// fakes are commands that stand for ssh and kubectl: they log what they are
// asked, and answer as machines would on which everything works.
func fakes(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, script := range map[string]string{
		"ssh": `#!/bin/sh
printf '%s\n' "ssh $*" >>"$LOG"
case "$2" in
*grep\ -c*) n=$(cat "$LOG.n" 2>/dev/null || echo 0); n=$((n + 50)); echo $n >"$LOG.n"; echo $n ;;
*boot_id*) cat /proc/sys/kernel/random/uuid ;;
*every=*) n=0; while :; do echo $n; n=$((n + 1)); /bin/sleep 0.1; done ;;
*perl*) echo open; while read -r call; do echo "$call: ok"; done ;;
*"while :;"*) n=0; while :; do echo $n; n=$((n + 1)); /bin/sleep 0.1; done ;;
*"while ["*|*"while grep"*) ;;
esac
`,
		"kubectl": `#!/bin/sh
printf '%s\n' "kubectl $*" >>"$LOG"
case "$*" in
*ignore-not-found*pod*|*get\ pod\ *ignore-not-found*) ;;
*ignore-not-found*) echo it/is-there ;;
*status.phase*) echo Running ;;
*containerID*) echo containerd://c0ffee ;;
*) echo 1 ;;
esac
case "$*" in *"-f -"*) cat >>"$LOG" ;; esac
`,
		"sleep": "#!/bin/sh\ncase $1 in 3600) exec /bin/sleep 3600;; esac\nexec /bin/sleep 0.01\n",
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
	return dir
}

// inGroup has a script run in a process group of its own, which ends with the
// test, whatever the script left behind.
func inGroup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // most often nobody is left
}

// TestScriptsRun runs the goldens on machines that are none: every command has
// to be there, and everything has to be put back.
func TestScriptsRun(t *testing.T) {
	t.Parallel()
	for scenario, want := range map[string][]string{
		"kubelet.force-delete-while-down": {
			"kubectl create -f -", "image: busybox", "nodeName: nodeA", "systemctl stop", "kubectl -n nfs-repro delete pods cell-1 --wait=false --grace-period=0 --force",
			"systemctl start", "kubectl delete namespace nfs-repro", "kubectl delete persistentvolumes nfs-repro-cell-1", "umount -i -c", "exportfs -u",
		},
		"nfs.partition": {
			"mount -t nfs", "vers=3,soft", "yes", "oflag=direct", "mv -T", "perl", "setsid sh -c", "nft -f -", "ip daddr 10.9.8.7 tcp", "nft delete table", "ssh RESET server", "umount -i -c", "exportfs -u",
		},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			dir, log := fakes(t), filepath.Join(t.TempDir(), "log")
			script, err := os.ReadFile(filepath.Join("testdata", scenario+".sh"))
			check(t, err)
			// Nobody is there to press Enter.
			text := strings.ReplaceAll(string(script), "read -r _ </dev/tty", ":")
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-c", text)
			cmd.Env = append(os.Environ(),
				"PATH="+dir+":"+os.Getenv("PATH"), "LOG="+log, "SSH_A=ssh A", "SSH_B=ssh B", "SSH_SERVER=ssh SERVER", "RESET=ssh RESET",
				"NODE_A=nodeA", "SERVER_ADDR=10.9.8.7", "KUBECTL=kubectl", "NS=nfs-repro", "EXPORT=/srv/x-y", "TMPDIR="+t.TempDir(),
			)
			inGroup(t, cmd)
			cmd.WaitDelay = 20 * time.Second
			out, err := cmd.CombinedOutput()
			asked, readErr := os.ReadFile(log)
			check(t, readErr)
			if err != nil {
				t.Fatalf("%v\n%s\nasked:\n%s", err, out, asked)
			}
			rest := string(asked)
			for _, w := range want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("%q was not asked for, or not in this order\n%s\nasked:\n%s", w, out, asked)
				}
				rest = after
			}
			if strings.Contains(string(out), "NOT within") && scenario != "nfs.partition" {
				t.Errorf("something did not come:\n%s", out)
			}
		})
	}
}

// TestScriptOfSpoiltSteps renders steps that somebody wrote to have a script of
// theirs run, in every place where a word of the record is used.
func TestScriptOfSpoiltSteps(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "was-here")
	for _, evil := range []string{
		"$(touch " + marker + ")", "`touch " + marker + "`", "'; touch " + marker + "; '", `"; touch ` + marker + `; "`, "; touch " + marker + " #", `\"; touch ` + marker,
	} {
		steps := append(kubeletSteps(), nfsSteps()...)
		for i := range steps {
			s := &steps[i]
			if s.Do == rundir.DoTeardown {
				s.Do, s.Name = rundir.DoPhase, "x"
			}
			s.Script, s.Proof = "", ""
			for _, word := range []*string{&s.Name, &s.Path, &s.Source, &s.Options, &s.Error, &s.In} {
				if *word != "" && s.Do != rundir.DoAwait {
					*word += evil
				}
			}
			if s.Call != nil {
				for _, word := range []*string{&s.Call.Path, &s.Call.To, &s.Call.Token, &s.Call.Lock} {
					if *word != "" {
						*word += evil
					}
				}
				s.Call.Flags = append(s.Call.Flags, evil)
			}
			if s.Request != nil {
				s.Request.Name += evil
				s.Request.Resource += evil
				s.Request.Body = []byte(strings.ReplaceAll(string(s.Request.Body), "cell-1", "cell-1"+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(evil)+`\nEOF\ntouch `+marker+`\n`))
			}
			if s.Pod != nil {
				s.Pod.HostMount += evil
				s.Pod.Dir += evil
				s.Pod.PIDFile += evil
			}
		}
		run, trial := trialOf(t, "nfs.x", steps)
		script, err := Script(run, trial)
		check(t, err)
		// All commands are functions that do nothing: whatever runs was not meant to.
		quiet := "kc() { cat >/dev/null 2>&1 </dev/null; }\non() { :; }\nawait() { :; }\ncame() { :; }\nbroken() { :; }\nmended() { :; }\n" +
			"start() { :; }\nhandle() { :; }\ntell() { :; }\nask() { :; }\nmore_records() { :; }\nanother() { :; }\nmore_rounds() { :; }\nby_hand() { :; }\nreset_machine() { :; }\nsleep() { :; }\nagain() { :; }\n"
		head, body, ok := strings.Cut(script, "trap finish EXIT\n")
		if !ok {
			t.Fatal("no trap")
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", head+quiet+strings.ReplaceAll(body, "set -eu", "set -u"))
		cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		out, _ := cmd.CombinedOutput() // that it fails does no harm
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("%q was run\n%s\n%s", evil, out, script)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	w := newWriter(rundir.TrialMeta{}, nil)
	w.let("/srv/a", "EXPORT", false)
	w.let("/srv/a/b", "DEEPER", false)
	w.let("10.0.0.1", "ADDR", true)
	for text, want := range map[string]string{
		"plain":                  "plain",
		"two words":              "'two words'",
		"it's":                   `"it's"`,
		"it's $5":                `'it'\''s $5'`,
		"/srv/a/x":               `"${EXPORT}/x"`,
		"/srv/a/b/x":             `"${DEEPER}/x"`,
		"10.0.0.1:/srv/a":        `"${ADDR}:${EXPORT}"`,
		"10.0.0.10 or 110.0.0.1": "'10.0.0.10 or 110.0.0.1'",
		"$HOME/srv/a\"`\\":       "\"\\$HOME${EXPORT}\\\"\\`\\\\\"",
	} {
		got := w.script(text)
		if plain.MatchString(text) {
			got = w.word(text)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestCallsOnThisMachine has the calls on files made for real, on a directory of
// this machine: what A writes, B reads, and who holds a lock keeps B out.
func TestCallsOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"perl", "setsid", "pgrep", "timeout"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	dir := t.TempDir()
	at := int64(0)
	step := func(s rundir.Step) rundir.Step {
		at += sec
		s.T, s.End = at, at+sec/2
		return s
	}
	call := func(machine string, c rundir.StepCall) rundir.Step {
		return step(rundir.Step{Do: rundir.DoCall, Machine: machine, Call: &c})
	}
	contest := func() rundir.Step {
		s := call("worker1", rundir.StepCall{Op: "lock", FD: 2, Lock: "posix write"})
		s.Times, s.End = 3, s.T+2*sec
		return s
	}
	steps := []rundir.Step{
		call("worker2", rundir.StepCall{Op: "write_record", Path: dir + "/r", Flags: []string{"wronly", "creat", "trunc"}, Token: "v1", Size: 4096, Fsync: true, Close: true}),
		call("worker1", rundir.StepCall{Op: "read_record", Path: dir + "/r", Flags: []string{"rdonly"}, Close: true}),
		call("worker2", rundir.StepCall{Op: "open", FD: 1, Path: dir + "/lock", Flags: []string{"rdwr", "creat"}}),
		call("worker1", rundir.StepCall{Op: "open", FD: 2, Path: dir + "/lock", Flags: []string{"rdwr"}}),
		call("worker2", rundir.StepCall{Op: "lock", FD: 1, Lock: "posix write"}),
		contest(),
		step(rundir.Step{Do: rundir.DoAppend, Stream: "a", Machine: "worker2", Name: "worker2", Path: dir + "/log", Source: "log", Options: "fsync", EveryNS: sec / 20}),
		step(rundir.Step{Do: rundir.DoAppend, Stream: "b", Machine: "worker2", Name: "held", Path: dir + "/held", Source: "held", Options: "none", EveryNS: sec / 20, Count: 5}),
		step(rundir.Step{Do: rundir.DoPoll, Stream: "c", Machine: "worker1", Path: dir + "/r", Options: "read_held_ro", EveryNS: sec / 20}),
		step(rundir.Step{Do: rundir.DoPoll, Stream: "d", Machine: "worker1", Path: dir + "/r", Options: "reopen", EveryNS: sec / 20}),
		step(rundir.Step{Do: rundir.DoAwait, Stream: "c", Name: "change", Count: 1}),
		call("worker2", rundir.StepCall{Op: "write_record", Path: dir + "/r", Flags: []string{"wronly"}, Token: "v2", Size: 4096, Close: true}),
		step(rundir.Step{Do: rundir.DoAwait, Stream: "c", Name: "change", Count: 1}),
		step(rundir.Step{Do: rundir.DoAwait, Stream: "d", Count: 3}),
		step(rundir.Step{Do: rundir.DoAwait, Stream: "a", Count: 5}),
		call("worker2", rundir.StepCall{Op: "write_record", FD: 1, Token: "mine", Size: 64, Fsync: true}),
		call("worker2", rundir.StepCall{Op: "write_record", FD: 1, Token: "more", Size: 64, Offset: 64}),
		call("worker2", rundir.StepCall{Op: "write_record", Path: dir + "/lock", Flags: []string{"wronly"}, Token: "most", Size: 64, Offset: 128, Close: true}),
		call("worker2", rundir.StepCall{Op: "lock", FD: 1, Lock: "posix unlock"}),
		step(rundir.Step{Do: rundir.DoStop, Stream: "a"}),
		step(rundir.Step{Do: rundir.DoStop, Stream: "d"}),
		call("worker1", rundir.StepCall{Op: "lock", FD: 2, Lock: "posix write"}),
		call("worker1", rundir.StepCall{Op: "read_record", FD: 2}),
		call("worker1", rundir.StepCall{Op: "close", FD: 2}),
		call("worker2", rundir.StepCall{Op: "rename", Path: dir + "/r", To: dir + "/s"}),
		call("worker1", rundir.StepCall{Op: "readdir", Path: dir}),
	}
	run, trial := trialOf(t, "nfs.x", steps)
	script, err := Script(run, trial)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = append(os.Environ(), "SSH_A=sh -c", "SSH_B=sh -c", "SSH_SERVER=sh -c", "TMPDIR="+t.TempDir())
	inGroup(t, cmd)
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range []string{
		"A writes v1", "B reads " + dir + "/r: v1", "f_lock: lock posix write: ok", "f_lock_2: lock posix write: Resource temporarily unavailable",
		"read_held_ro_r on B sees: v2 (4096 bytes)", "f_lock: write mine 64: ok", "f_lock_2: lock posix write: ok", "f_lock_2: read: ok mine (192 bytes)", "| s", "what happened",
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("%q was not said, or not in this order:\n%s", want, out)
		}
		rest = after
	}
	held, err := os.ReadFile(filepath.Join(dir, "held"))
	check(t, err)
	if n := strings.Count(string(held), "\n"); n != 5 {
		t.Errorf("%d records through one descriptor, 5 are wanted", n)
	}
}
