package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabStatusCommand(s streams) *cobra.Command {
	var name, format string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "say which labs there are and how their machines are",
		Long:    "Without --name, all labs that have a state directory. Exit code 0 whatever the state is.",
		Example: "  nfsim lab status\n  nfsim lab status --name old -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			labs, err := qemu.List()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("name") {
				if labs, err = onlyLab(labs, name); err != nil {
					return err
				}
			}
			switch format {
			case "json":
				e := json.NewEncoder(s.Out)
				e.SetIndent("", "\t")
				return e.Encode(labs)
			case "text":
			default:
				return usagef("unknown output format %q: want text or json", format)
			}
			if len(labs) == 0 {
				fmt.Fprintln(s.Out, "no labs; start one with `nfsim lab up`")
			}
			for _, st := range labs {
				if err := printStatus(s.Out, st); err != nil {
					return err
				}
			}
			return nil
		},
	}
	labNameFlag(cmd, &name)
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

func onlyLab(labs []qemu.Status, name string) ([]qemu.Status, error) {
	for _, st := range labs {
		if st.Name == name {
			return []qemu.Status{st}, nil
		}
	}
	if err := qemu.CheckName(name); err != nil {
		return nil, err
	}
	return nil, &qemu.NotUpError{Name: name}
}

func printStatus(out io.Writer, st qemu.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "lab %s\t%s\n", st.Name, st.Phase)
	switch {
	case st.Error != nil:
		machine := ""
		if st.Error.Machine != "" {
			machine = "machine " + st.Error.Machine + ": "
		}
		fmt.Fprintf(w, "  reason\t%s%s\n", machine, st.Error.What)
	case st.Phase != qemu.Ready && st.Step != "":
		fmt.Fprintf(w, "  step\t%s\n", st.Step)
	}
	if !st.Phase.Alive() {
		return w.Flush()
	}
	owner := "on its own"
	if st.Tethered {
		owner = "ends with the process that started it"
	}
	fmt.Fprintf(w, "  keeper\tprocess %d, %s\n", st.KeeperPID, owner)
	fmt.Fprintf(w, "  release\tDebian %s, Kubernetes %s, kubelet %s\n", st.Spec.Debian, st.Spec.Kubernetes, st.Spec.Kubelet)
	fmt.Fprintf(w, "  host\tQEMU %s, %s (%s)\n", st.QEMU, st.Accel, st.AccelWhy)
	if st.APIServer != "" {
		fmt.Fprintf(w, "  API server\thttps://%s\n", st.APIServer)
	}
	if st.RestoreMS > 0 {
		fmt.Fprintf(w, "  ready after\t%.1f s, restored %d times\n", float64(st.RestoreMS)/1000, st.Restores)
	}
	for _, m := range st.Machines {
		clock := "not set"
		if m.Clock != nil {
			clock = fmt.Sprintf("%+.0f ± %.0f ms", m.Clock.OffsetMS, m.Clock.ErrorMS)
		}
		fmt.Fprintf(w, "  %s\t%s, %s, ssh %s, %d MiB, clock %s\n", m.Name, m.State, m.Addr, m.SSH, m.MemMiB, clock)
	}
	return w.Flush()
}
