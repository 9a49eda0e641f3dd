package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabLogsCommand(s streams) *cobra.Command {
	var name string
	var bytes int64
	cmd := &cobra.Command{
		Use:   "logs [MACHINE]",
		Short: "print the end of the keeper's log, or of a machine's serial console",
		Long: `Works for labs that are down or failed too: logs are kept until the next start.
What a guest wrote is printed with its control characters made visible.`,
		Example: "  nfsim lab logs\n  nfsim lab logs worker1 --bytes 100000",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := qemu.DirOf(name)
			if err != nil {
				return err
			}
			if !dir.Exists() {
				return &qemu.NotUpError{Name: name}
			}
			path := dir.KeeperLog()
			if len(args) == 1 {
				if err := qemu.CheckName(args[0]); err != nil {
					return usagef("%q is no machine", args[0])
				}
				path = dir.Console(args[0])
			}
			b, err := qemu.Tail(path, bytes)
			if errors.Is(err, fs.ErrNotExist) && len(args) == 1 {
				return usagef("lab %s has no console of a machine %q", name, args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(s.Out, qemu.Printable(string(b)))
			return err
		},
	}
	labNameFlag(cmd, &name)
	cmd.Flags().Int64Var(&bytes, "bytes", 32<<10, "how much of the end")
	return cmd
}
