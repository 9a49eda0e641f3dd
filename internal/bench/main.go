// Command bench prints how fast and how large nfsim is on this machine. It
// asserts nothing: machines are shared and noisy.
//
//	make bench
//	make bench BENCHARGS=-upstream
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/rundir"
)

const labName = "bench"

func main() {
	alone := flag.Bool("upstream", false, "only the scenarios that Kubernetes' own disruptive tests have, for one profile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, *alone); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func bench(ctx context.Context, upstreamAlone bool) (err error) {
	runs, err := os.MkdirTemp("", "nfsim-bench-")
	if err != nil {
		return err
	}
	for _, arch := range []string{"amd64", "arm64"} {
		path := filepath.Join("pkg/agent/bin", "nfsim-agent-linux-"+arch)
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		show("agent, "+arch, "%.1f MB of file", float64(info.Size())/1e6)
	}
	defer func() {
		down := qemu.DownByName(context.WithoutCancel(ctx), labName)
		var notUp *qemu.NotUpError
		if !errors.As(down, &notUp) {
			err = errors.Join(err, down)
		}
	}()
	for _, what := range []string{"lab up (ready snapshot made if there was none)", "lab up, restored"} {
		took, _, err := nfsim(ctx, "lab", "up", "--name", labName)
		if err != nil {
			return err
		}
		show(what, "%.1f s", took.Seconds())
		if what == "lab up, restored" {
			break
		}
		if _, _, err := nfsim(ctx, "lab", "down", "--name", labName); err != nil {
			return err
		}
	}
	what, args := "nfsim run, whole matrix, lab up", []string{"run", "--name", labName, "--runs", runs}
	if upstreamAlone {
		what = "nfsim run, upstream's scenarios, lab up"
		args = append(args, "--profile", "default", "--scenario", strings.Join(names(upstream()), ","))
	}
	took, rss, err := nfsim(ctx, args...)
	if err != nil {
		return err
	}
	show(what, "%.1f s, peak memory %.0f MB", took.Seconds(), rss)
	if err := keeperMemory(); err != nil {
		return err
	}
	trials, err := trialsIn(runs)
	if err != nil {
		return err
	}
	overhead(trials)
	againstUpstream(trials)
	return stalenessError(ctx, filepath.Join(runs, "quiet"))
}

// stalenessError prints by how much a measured staleness may be wrong: one
// reader on one guest, one writer on another, and nothing else on this machine.
func stalenessError(ctx context.Context, runs string) error {
	const scenario, profile = "attr-cache", "actimeo=1"
	if _, _, err := nfsim(ctx, "run", "--name", labName, "--runs", runs, "--scenario", scenario, "--profile", profile); err != nil {
		return err
	}
	recorded, err := rundir.OpenIn(runs, rundir.Latest)
	if err != nil {
		return err
	}
	index, err := recorded.Index()
	if err != nil {
		return err
	}
	for _, v := range index.Verdicts {
		for _, m := range v.Modes {
			for _, r := range m.Models {
				if r.Model == consistency.BoundedStale && r.Figure != nil {
					show("staleness, "+scenario+" "+m.Mode+" x "+v.Profile, "%s", r.Figure.Detail())
				}
			}
		}
	}
	return nil
}

func show(what, format string, args ...any) {
	fmt.Printf("%-52s %s\n", what, fmt.Sprintf(format, args...))
}

// nfsim runs the built command; 0 and 1 are fine, as a matrix may hold news.
func nfsim(ctx context.Context, args ...string) (took time.Duration, rssMB float64, err error) {
	cmd := exec.CommandContext(ctx, "bin/nfsim", args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	err = cmd.Run()
	took = time.Since(began)
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 {
		err = nil
	}
	if err != nil {
		return took, 0, fmt.Errorf("nfsim %s: %w", strings.Join(args, " "), err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rssMB = float64(usage.Maxrss) / 1e3
	}
	return took, rssMB, nil
}

// keeperMemory prints the peak memory of the process that keeps the lab.
func keeperMemory() error {
	dir, err := qemu.DirOf(labName)
	if err != nil {
		return err
	}
	status, err := dir.ReadStatus()
	if err != nil {
		return err
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", status.KeeperPID))
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				return err
			}
			show("lab keeper, peak memory", "%.0f MB", float64(kb)/1e3)
		}
	}
	return nil
}

// trialsIn returns one finished trial of every batch of the latest run.
func trialsIn(runs string) ([]*rundir.Trial, error) {
	recorded, err := rundir.OpenIn(runs, rundir.Latest)
	if err != nil {
		return nil, err
	}
	all, err := recorded.Trials()
	if err != nil {
		return nil, err
	}
	var trials []*rundir.Trial
	seen := map[string]bool{}
	for _, t := range all {
		if !seen[t.Meta.Batch] && !t.Incomplete() && t.Meta.NotApplicable == "" {
			seen[t.Meta.Batch] = true
			trials = append(trials, t)
		}
	}
	return trials, nil
}

// overhead prints, batch by batch, how much of the wall time was not spent
// waiting for observed events.
func overhead(trials []*rundir.Trial) {
	for _, t := range trials {
		took := t.Meta.Ended.Sub(t.Meta.Started)
		waited := time.Duration(t.Meta.WaitNS)
		show("batch "+t.Meta.Batch, "%.1f s, of which %.1f s waiting for events: the rest is %.0f %%", took.Seconds(), waited.Seconds(), 100*(1-waited.Seconds()/took.Seconds()))
	}
}
