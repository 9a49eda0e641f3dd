package main

import (
	"github.com/spf13/pflag"

	"github.com/nfsim/nfsim/pkg/kubebuild"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
)

// addSpecFlags adds the flags that say what lab is wanted.
func addSpecFlags(f *pflag.FlagSet, spec *qemu.Spec) {
	f.StringVar(&spec.Name, "name", qemu.DefaultName, "name of the lab")
	f.StringVar(&spec.Debian, "debian", "", "Debian `release` of the machines: trixie or bookworm (default trixie)")
	f.StringVar(&spec.Kubernetes, "kubernetes", "", "`version` of the control plane, "+kubebuild.OldestVersion+" or newer, or latest (default "+kubebuild.DefaultVersion+")")
	f.StringVar(&spec.Kubelet, "kubelet", "", "`version` of the workers' kubelet (default as the control plane)")
	f.IntVar(&spec.Workers, "workers", 0, "how many workers (default 2)")
	f.IntVar(&spec.WorkerMemMiB, "memory", 0, "memory of a worker, `MiB` (default 1536)")
	f.IntVar(&spec.ServerMemMiB, "server-memory", 0, "memory of the server, `MiB` (default 2048)")
	f.IntVar(&spec.CPUs, "cpus", 0, "processors of each machine (default 1)")
	f.IntVar(&spec.LeaseSeconds, "lease", 0, "NFSv4 lease and grace time of the server, `seconds` (default 15)")
	f.StringVar((*string)(&spec.Accel), "accel", string(host.Auto), "auto, kvm or tcg")
}

// specFlagNames are the flags that addSpecFlags adds.
func specFlagNames() []string {
	var names []string
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	addSpecFlags(flags, &qemu.Spec{})
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}
