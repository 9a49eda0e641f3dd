package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabKubeconfigCommand(s streams) *cobra.Command {
	cmd := newLabPathCommand(s, qemu.Dir.Kubeconfig)
	cmd.Use = "kubeconfig"
	cmd.Short = "print the path of a lab's kubeconfig"
	cmd.Example = "  KUBECONFIG=$(nfsim lab kubeconfig) kubectl get nodes"
	return cmd
}

func newLabSSHConfigCommand(s streams) *cobra.Command {
	cmd := newLabPathCommand(s, qemu.Dir.SSHConfig)
	cmd.Use = "ssh-config"
	cmd.Short = "print the path of an OpenSSH configuration for a lab's machines"
	cmd.Example = "  scp -F $(nfsim lab ssh-config) worker1:/etc/fstab ."
	return cmd
}

// newLabPathCommand prints where a file of a running lab lies.
func newLabPathCommand(s streams, file func(qemu.Dir) string) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := qemu.Attach(cmd.Context(), name)
			if err != nil {
				return err
			}
			defer l.Close()
			_, err = fmt.Fprintln(s.Out, file(qemu.Dir(l.StateDir())))
			return err
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}
