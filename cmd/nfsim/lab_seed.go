package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/image"
	"github.com/nfsim/nfsim/pkg/kubebuild"
	"github.com/nfsim/nfsim/pkg/lab/product"
	"github.com/nfsim/nfsim/pkg/lab/vagrant"
)

// seedFlags are the flags of `nfsim lab seed`.
type seedFlags struct {
	out, debian, server string
	workers             []string
	lease               int
	want                product.Want
}

func newLabSeedCommand(s streams) *cobra.Command {
	var f seedFlags
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "make what the Vagrantfile's machines are provisioned with",
		Long: `Builds the Kubernetes commands asked for, or takes them from the cache, makes a cluster's keys
and certificates, and writes an archive for each machine, to be unpacked at / by
vagrant/provision.sh. The Vagrantfile calls it. The directory holds private keys: mode 0700.`,
		Example: `  nfsim lab seed --out .vagrant/nfsim --server server=192.168.56.10 \
    --worker worker1=192.168.56.11 --worker worker2=192.168.56.12 --kubelet v1.34.4`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return seed(cmd.Context(), s, f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "out", "o", vagrant.StateDirName, "`directory` to write to")
	flags.StringVar(&f.server, "server", "", "the server, `name=address`")
	flags.StringArrayVar(&f.workers, "worker", nil, "a worker, `name=address`; once for each")
	flags.StringVar(&f.debian, "debian", "", "Debian `release` of the machines (default trixie)")
	flags.StringVar(&f.want.Kubernetes, "kubernetes", "", "`version` of the control plane, or latest (default "+kubebuild.DefaultVersion+")")
	flags.StringVar(&f.want.Kubelet, "kubelet", "", "`version` of the workers' kubelet (default as the control plane)")
	flags.IntVar(&f.lease, "lease", 0, "NFSv4 lease and grace time of the server, `seconds` (default 15)")
	return cmd
}

func seed(ctx context.Context, s streams, f seedFlags) (err error) {
	debian, err := image.ParseDebian(f.debian)
	if err != nil {
		return product.Classify(err)
	}
	var machines []cluster.Machine
	for i, text := range append([]string{f.server}, f.workers...) {
		name, addr, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("a machine is name=address, not %q", text)
		}
		role := cluster.Worker
		if i == 0 {
			role = cluster.Server
		}
		machines = append(machines, cluster.Machine{Name: name, Role: role, Addr: addr})
	}
	dir, err := cache.Open("", cache.Options{Logf: progressTo(s)})
	if err != nil {
		return err
	}
	products, err := product.Get(ctx, dir, f.want, progressTo(s))
	if err != nil {
		return product.Classify(err)
	}
	defer func() { err = errors.Join(err, products.Release()) }()
	spec := products.Spec
	spec.Machines, spec.Debian, spec.LeaseSeconds = machines, debian, f.lease
	d, err := vagrant.WriteSeed(f.out, spec)
	if err != nil {
		return product.Classify(err)
	}
	fmt.Fprintf(s.Err, "seeds of %d machines in %s: Kubernetes %s, kubelet %s\n", len(machines), f.out, d.Kubernetes, d.Kubelet)
	return nil
}
