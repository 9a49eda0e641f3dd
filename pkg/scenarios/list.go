package scenarios

import "github.com/nfsim/nfsim/pkg/consistency"

// List returns every scenario, in the order of the matrix.
func List() []Scenario {
	return []Scenario{
		closeToOpen(),
		attrCache(),
		dirCache(),
		unflushedWrite(),
		renameOver(),
		unlinkOpen(),
		mmapShared(),
		appendRace(),
		lockHandover(),
		serverRestart(),
		serverCrash(),
		partition(),
		clientCrash(),
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
