package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
)

func newLabUpCommand(s streams) *cobra.Command {
	var spec qemu.Spec
	accel := string(host.Auto)
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
			var err error
			if spec.Accel, err = host.ParseAccel(accel); err != nil {
				return err
			}
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
	f := cmd.Flags()
	f.StringVar(&spec.Name, "name", qemu.DefaultName, "name of the lab")
	f.StringVar(&spec.Debian, "debian", "", "Debian `release` of the machines: trixie or bookworm (default trixie)")
	f.StringVar(&spec.Kubernetes, "kubernetes", "", "`version` of the control plane, v1.29.6 or newer (default the newest)")
	f.StringVar(&spec.Kubelet, "kubelet", "", "`version` of the workers' kubelet (default as the control plane)")
	f.IntVar(&spec.Workers, "workers", 2, "how many workers")
	f.IntVar(&spec.WorkerMemMiB, "memory", 1536, "memory of a worker, `MiB`")
	f.IntVar(&spec.ServerMemMiB, "server-memory", 2048, "memory of the server, `MiB`")
	f.IntVar(&spec.CPUs, "cpus", 1, "processors of each machine")
	f.IntVar(&spec.LeaseSeconds, "lease", 0, "NFSv4 lease and grace time of the server, `seconds` (default 15)")
	f.StringVar(&accel, "accel", accel, "auto, kvm or tcg")
	f.BoolVar(&spec.Fresh, "fresh", false, "boot cold, with a cluster of its own, and keep the snapshot to this lab")
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
