package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabKubeconfigCommand(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "kubeconfig",
		Short:   "print the path of a lab's kubeconfig",
		Example: "  KUBECONFIG=$(nfsim lab kubeconfig) kubectl get nodes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := qemu.Attach(cmd.Context(), name)
			if err != nil {
				return err
			}
			defer l.Close()
			_, err = fmt.Fprintln(s.Out, qemu.Dir(l.StateDir()).Kubeconfig())
			return err
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}

func newLabSSHConfigCommand(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "ssh-config",
		Short:   "print the path of an OpenSSH configuration for a lab's machines",
		Example: "  scp -F $(nfsim lab ssh-config) worker1:/etc/fstab .",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := qemu.Attach(cmd.Context(), name)
			if err != nil {
				return err
			}
			defer l.Close()
			_, err = fmt.Fprintln(s.Out, qemu.Dir(l.StateDir()).SSHConfig())
			return err
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}
