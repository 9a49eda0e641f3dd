package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// labDownTimeout bounds how long a keeper may take to end.
const labDownTimeout = 90 * time.Second

func newLabDownCommand(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "end a lab and its machines",
		Long: `Ends the machines at once and removes their disks; logs and the ready snapshot stay.
A lab that another process uses is ended all the same.`,
		Example: "  nfsim lab down\n  nfsim lab down --name old",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), labDownTimeout)
			defer cancel()
			if err := qemu.DownByName(ctx, name); err != nil {
				return err
			}
			fmt.Fprintf(s.Err, "lab %s is down\n", name)
			return nil
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}
