package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// The facts of control-leaked-mount.
const (
	factLeakedMount  = "leaked_mount"         // where it is
	factLeakRemoved  = "leaked_mount_removed" // how it was removed after all
	leakedMountFault = "leak-mount"
)

// ControlLeakedMount is the control of the ledger.
func ControlLeakedMount(detector Detector) Scenario {
	return Scenario{
		Name: "control-leaked-mount", Family: FamilyNFS, Control: true, OneProfile: true, Estimate: 10 * time.Second,
		Doc:     "planted: a mount is left behind on one worker until the ledger has been taken",
		Decides: "whether the ledger would notice, and name it",
		Drive:   driveLeakedMount,
		Judge:   plant{proven: provenFault(leakedMountFault), caught: sawLeakedMount, left: true}.judgeWith(detector),
	}
}

func driveLeakedMount(ctx context.Context, b *Batch) error {
	err := b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "leave a mount behind", func(ctx context.Context, c *Cell) error { return b.leakMount(ctx, c) })
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	return errors.Join(err, b.eachAnyway(last, b.removeLeak))
}

// leakedMount is where a cell's planted mount is.
func (c *Cell) leakedMount() string { return c.mountPoint() + "-leaked" }

// leakMount mounts the cell's export once more, where no teardown looks.
func (b *Batch) leakMount(ctx context.Context, c *Cell) error {
	defer waiting(ctx)()
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return err
	}
	record := rundir.FaultRecord{Name: leakedMountFault, Machine: b.Target.Name, Undo: "umount " + c.leakedMount()}
	granted, err := nfs.Mounter{}.Mount(ctx, node, nfs.MountSpec{
		Server: b.server().Addr, Path: c.Export.Path, Target: c.leakedMount(), Options: "vers=4.2,nosharecache",
	})
	if err != nil {
		return err
	}
	c.Trial.SetFact(factLeakedMount, c.leakedMount())
	record.ProvenAt, record.Proven = agent.Mono(), true
	record.InjectedAt = record.ProvenAt
	record.Proof = fmt.Sprintf("%s %s on %s", granted.MajorMinor, granted.Source, granted.Mountpoint)
	recordFault([]*Cell{c}, record)
	return nil
}

// removeLeak unmounts what leakMount mounted.
func (b *Batch) removeLeak(ctx context.Context, c *Cell) error {
	defer waiting(ctx)()
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return err
	}
	report, err := nfs.Mounter{}.Unmount(ctx, node, c.leakedMount(), nfs.UnmountPlan{})
	c.Trial.SetFact(factLeakRemoved, string(report.How))
	return err
}

// sawLeakedMount wants the planted mount, and nothing else, to be found; and it
// must have been removed in the end.
func sawLeakedMount(e *Evidence, seen Judgement) bool {
	where, _ := e.Trial.Facts[factLeakedMount].(string)
	if e.Trial.Facts[factLeakRemoved] != string(nfs.Normal) || where == "" || len(seen.Outcomes) != 1 {
		return false
	}
	o := seen.Outcomes[0]
	return o.Word == outcome.MountLeft && strings.Contains(o.Evidence, " "+where+" ") && !strings.Contains(o.Evidence, ";")
}
