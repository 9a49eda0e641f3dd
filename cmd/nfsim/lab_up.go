package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabUpCommand(s streams) *cobra.Command {
	var spec qemu.Spec
	cmd := &cobra.Command{
		Use:   "up",
		Short: "start a lab and leave it up",
		Long: `Starts the machines and returns when SSH answers on all of them, the API server is
ready and all nodes are Ready. The first start of a release builds the machine image and
Kubernetes and boots cold, which takes some minutes, and leaves a ready snapshot in the
cache; every further start restores it within seconds.

KVM is used where it can run a guest, else TCG; --accel overrides the choice.
When the lab does not come up, the reason is printed with the last lines of the console of
the machine that failed, and nothing is left running.`,
		Example: `  nfsim lab up
  nfsim lab up --name old --kubernetes v1.34.4
  nfsim lab up --name skew --kubernetes v1.36.3 --kubelet v1.34.4
  nfsim lab up --workers 3 --memory 2048 --fresh`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := qemu.Start(cmd.Context(), spec, qemu.Options{Logf: progressTo(s)})
			var up *qemu.UpError
			if errors.As(err, &up) {
				return labAlreadyUp(cmd, s, spec)
			}
			if err != nil {
				return err
			}
			defer l.Close()
			return printUp(cmd, s, l)
		},
	}
	addSpecFlags(cmd.Flags(), &spec)
	cmd.Flags().BoolVar(&spec.Fresh, "fresh", false, "boot cold, with a cluster of its own, and keep the snapshot to this lab")
	return cmd
}

// labAlreadyUp is fine when the lab that is up has what was asked for.
func labAlreadyUp(cmd *cobra.Command, s streams, want qemu.Spec) error {
	l, err := qemu.Attach(cmd.Context(), want.Name)
	if err != nil {
		return err
	}
	defer l.Close()
	st, err := l.Status(cmd.Context())
	if err != nil {
		return err
	}
	if diff := want.DiffersFrom(st.Spec); diff != "" {
		return usagef("lab %s is up with another %s: take it down with `nfsim lab down --name %s`, or start another with --name", st.Name, diff, st.Name)
	}
	fmt.Fprintf(s.Err, "lab %s is up already\n", st.Name)
	return printUp(cmd, s, l)
}

func printUp(cmd *cobra.Command, s streams, l *qemu.Lab) error {
	st, err := l.Status(cmd.Context())
	if err != nil {
		return err
	}
	return printStatus(s.Out, st)
}
