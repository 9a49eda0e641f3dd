package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabGCCommand(s streams) *cobra.Command {
	var dryRun, all bool
	var olderThan time.Duration
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "remove what no lab uses: cache entries, half-made ones, state of labs that are down",
		Long: `Removes images, Kubernetes commands and ready snapshots that no lab has asked for in a
week (--older-than), entries that are damaged or were never finished, and the state
directories, logs included, of labs that are not up. What a running lab uses is kept.`,
		Example: "  nfsim lab gc --dry-run\n  nfsim lab gc --older-than 24h\n  nfsim lab gc --all",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if all {
				olderThan = 0
			}
			if olderThan < 0 {
				return usagef("--older-than %s is negative", olderThan)
			}
			return errors.Join(gcCache(s.Out, olderThan, dryRun), gcLabs(s.Out, dryRun))
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolVar(&all, "all", false, "however recently it was used")
	cmd.Flags().DurationVar(&olderThan, "older-than", 7*24*time.Hour, "keep what was used more recently")
	return cmd
}

func gcCache(out io.Writer, olderThan time.Duration, dryRun bool) error {
	dir, err := cache.Open("", cache.Options{})
	if err != nil {
		return err
	}
	entries, err := dir.Entries()
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Whole && time.Since(e.Used) < olderThan {
			continue
		}
		what := fmt.Sprintf("%s/%s, %d MiB, last used %s", e.Kind, e.Key, e.Bytes>>20, e.Used.Local().Format(time.DateTime))
		if dryRun {
			fmt.Fprintln(out, "would remove", what)
			continue
		}
		err := dir.Remove(e.Kind, e.Key)
		var inUse *cache.InUseError
		switch {
		case errors.As(err, &inUse):
			fmt.Fprintln(out, "in use:", what)
		case err != nil:
			errs = append(errs, err)
		default:
			fmt.Fprintln(out, "removed", what)
		}
	}
	if !dryRun {
		errs = append(errs, dir.Sweep())
	}
	return errors.Join(errs...)
}

func gcLabs(out io.Writer, dryRun bool) error {
	labs, err := qemu.List()
	if err != nil {
		return err
	}
	var errs []error
	for _, st := range labs {
		if st.Phase.Alive() {
			continue
		}
		if dryRun {
			fmt.Fprintf(out, "would remove the state of lab %s (%s)\n", st.Name, st.Phase)
			continue
		}
		if err := qemu.Remove(st.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(out, "removed the state of lab %s\n", st.Name)
	}
	return errors.Join(errs...)
}
