package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// staleReads is how often the control reads what is stale.
const staleReads = 3

// plantedRegister is the file that the control reads.
const plantedRegister = "register"

// ControlStaleRead is the control of the check for stale reads: on an NFSv3
// mount with nocto and actimeo=60 an open asks nobody.
func ControlStaleRead(detector Detector) Scenario {
	return Scenario{
		Name: "control-stale-read", Family: FamilyNFS, Control: true, OneProfile: true, Estimate: 10 * time.Second,
		Doc:     "planted: a reader is given old data, on mounts of the control's own that trust their caches for a minute (vers=3, nocto, actimeo=60)",
		Decides: "whether the check for stale reads would notice, and count them",
		Drive:   driveStaleRead,
		Judge:   plant{proven: gaveStaleData, caught: sawStaleReads}.judgeWith(detector),
	}
}

func driveStaleRead(ctx context.Context, b *Batch) error {
	b.mountPlanted("vers=3,nocto,actimeo=60")
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "read what is in the cache", func(ctx context.Context, c *Cell) error {
			ctx, cancel := context.WithTimeout(ctx, controlTimeout)
			defer cancel()
			const file = plantedRegister
			path := c.mountPoint() + "/" + file
			writer, reader := b.on(b.Target), b.on(b.Other)
			if err := c.writeRegister(ctx, writer, path, file, versionToken(1), proto.WRONLY, proto.CREAT); err != nil {
				return err
			}
			if _, err := c.readRegister(ctx, reader, path, file); err != nil {
				return err
			}
			if err := c.writeRegister(ctx, writer, path, file, versionToken(2), proto.WRONLY); err != nil {
				return err
			}
			for range staleReads {
				if _, err := c.readRegister(ctx, reader, path, file); err != nil {
					return err
				}
			}
			return c.registerTruth(ctx, b.on(b.server()), c.Export.Path+"/"+file, file)
		})
	})
}

// gaveStaleData wants the disk to hold the second version and the last reads to
// show the first.
func gaveStaleData(e *Evidence) string {
	var values []string
	disk := ""
	for _, op := range inOrder(e.Ops) {
		switch op.Func {
		case history.Read:
			values = append(values, op.Value)
		case history.Truth:
			disk = op.Value
		}
	}
	if disk != versionToken(2) || len(values) != 1+staleReads {
		return fmt.Sprintf("%d reads, %d are wanted; the disk holds %q", len(values), 1+staleReads, disk)
	}
	for _, v := range values {
		if v != versionToken(1) {
			return fmt.Sprintf("the reader was given %q, which is not stale", v)
		}
	}
	return ""
}

// sawStaleReads wants as many stale reads as were planted.
func sawStaleReads(_ *Evidence, seen Judgement) bool {
	stale := false
	for _, o := range seen.Outcomes {
		stale = stale || o.Word == outcome.UnboundedStale || o.Word == outcome.BoundedStale
	}
	for _, r := range seen.Models {
		if r.Model == consistency.BoundedStale && r.Figure != nil {
			return stale && r.Figure.Count == staleReads
		}
	}
	return false
}
