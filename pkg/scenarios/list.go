package scenarios

import "github.com/nfsim/nfsim/pkg/consistency"

// List returns every scenario, in the order of the matrix.
func List() []Scenario {
	return []Scenario{
		closeToOpen(),
		attrCache(),
		appendRace(),
		lockHandover(),
		ControlFlippedByte(ByModels(consistency.AppendLog)),
		ControlRemovedRecord(ByModels(consistency.AppendLog)),
		ControlLostLock(ByModels(consistency.Exclusion)),
		ControlStaleRead(ByModels(consistency.BoundedStale)),
		ControlLeakedMount(ByLedger),
		ControlNoFault(ByFaultProof),
		kubeletRestart(),
		forceDeleteWhileDown(),
		ControlZombieWriter(ByZombieClock),
	}
}
