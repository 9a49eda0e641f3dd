package nfs

import (
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// LeftExports is the set of a name as the server still has it, when whoever
// added it is gone: its exports are those listed below root/name.
func LeftExports(ctx context.Context, server *sshnode.Node, name, root string) (ExportSet, error) {
	set, err := (ExportSet{Name: name, Root: root}).withDefaults()
	if err != nil {
		return set, fmt.Errorf("look for exports left on %s: %w", server.Name(), err)
	}
	listed, err := ListExports(ctx, server)
	if err != nil {
		return set, err
	}
	for _, l := range listed {
		if strings.HasPrefix(l.Path, set.Root+"/"+name+"/") {
			set.Exports = append(set.Exports, Export{Path: l.Path, Clients: l.Clients, FSID: l.Options["fsid"]})
		}
	}
	return set, nil
}
