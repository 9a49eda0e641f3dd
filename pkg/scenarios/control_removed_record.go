package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// ControlRemovedRecord is the control of the check for lost data.
func ControlRemovedRecord(detector Detector) Scenario {
	return Scenario{
		Name: "control-removed-record", Family: FamilyNFS, Control: true, OneProfile: true, Estimate: 10 * time.Second,
		Doc:     "planted: one acknowledged record is cut out of the file on the server's disk",
		Decides: "whether the check for lost data would notice, and name the record",
		Drive: func(ctx context.Context, b *Batch) error {
			return b.spoilLog(ctx, "cut a record out on the server", func(path string) fault.Spec {
				return removeRange(b.server().Name, path, (controlSpoilt-1)*controlRecordSize, controlRecordSize, controlRecords*controlRecordSize)
			})
		},
		Judge: plant{proven: provenFault("remove-range"), caught: sawRemovedRecord}.judgeWith(detector),
	}
}

// removeRange cuts length bytes at an offset out of a file of size bytes, and
// puts the whole file back from a copy beside it.
func removeRange(machine, path string, offset, length, size int) fault.Spec {
	file, kept := sshnode.Quote(path), sshnode.Quote(path+".kept")
	is := func(size int) string {
		return fmt.Sprintf("have=$(stat -c %%s %s) && echo \"$have bytes\" && [ \"$have\" = %d ]\n", file, size)
	}
	return fault.Spec{
		Name: "remove-range", Machine: machine,
		Inject: "set -e\n" + is(size) + fmt.Sprintf("cp %[1]s %[2]s\n{ head -c %[3]d %[2]s; tail -c +%[4]d %[2]s; } > %[1]s\n", file, kept, offset, offset+length+1),
		Undo:   fmt.Sprintf("[ -f %[2]s ] || exit 0\ncat %[2]s > %[1]s && rm %[2]s\n", file, kept),
		Prove:  is(size - length), ProveUndone: fmt.Sprintf("[ ! -e %s ] && ", kept) + is(size),
	}
}

// sawRemovedRecord wants the record that was cut out to be missed, and no other
// violation.
func sawRemovedRecord(e *Evidence, seen Judgement) bool {
	lost := false
	for _, o := range seen.Outcomes {
		if o.Word == outcome.Corrupt {
			return false
		}
		lost = lost || o.Word == outcome.AckedLost
	}
	return lost && witnessed(e, seen, controlSpoilt)
}
