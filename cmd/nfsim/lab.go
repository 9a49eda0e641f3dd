package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// newLabCommand is `nfsim lab`: the machines, without any scenario.
func newLabCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "start, look at, enter and end the built-in lab's machines",
		Long: `The built-in lab is a set of virtual machines of this host: one server (NFS server
and Kubernetes control plane) and two or more workers. ` + "`nfsim run`" + ` starts one by itself
when none is up; with these commands a lab stays up between runs, and can be entered.
Several labs with different names can be up at once. See docs/labs.md.`,
		Example: `  nfsim lab up
  nfsim lab status
  nfsim lab ssh worker1 findmnt -t nfs4
  KUBECONFIG=$(nfsim lab kubeconfig) kubectl get nodes
  nfsim lab down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newLabUpCommand(s),
		newLabDownCommand(s),
		newLabStatusCommand(s),
		newLabSSHCommand(s),
		newLabSSHConfigCommand(s),
		newLabKubeconfigCommand(s),
		newLabLogsCommand(s),
		newLabRestoreCommand(s),
		newLabResetCommand(s),
		newLabBoxCommand(s),
		newLabSeedCommand(s),
		newLabGCCommand(s),
		newLabKeeperCommand(),
	)
	return cmd
}

// labNameFlag is the --name of every lab command.
func labNameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", qemu.DefaultName, "name of the lab")
}

// progressTo prints the steps of a lab, one a line.
func progressTo(s streams) func(format string, args ...any) {
	return func(format string, args ...any) { fmt.Fprintf(s.Err, format+"\n", args...) }
}
