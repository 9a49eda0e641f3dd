package scenarios

import "github.com/nfsim/nfsim/pkg/consistency"

// List returns every scenario that has run on real machines and has a recorded
// trial to show for it, in the order of the matrix.
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
		kubeletKill(),
		deleteWhileDown(),
		forceDeleteLive(),
		twoWriters(),
		pvcDeletedRestart(),
		deadServerRestart(),
		deadServerDelete(),
		bothDownDelete(),
		nodeReset(),
		longOutage(),
		fencingTaint(),
		ControlZombieWriter(ByZombieClock),
		serverPodDeleted(),
		serverCRDeleted(),
		serverCRDeletedAddressKept(),
		serverCRDDeleted(),
		ServerPodWrongTarget(ByServerProof),
	}
}

// Unproven returns the scenarios that no trial on real machines has been
// recorded of yet: judged against histories made by hand alone. They run only
// when they are asked for (nfsim run --unproven), and what they measure is for
// those who finish them: record it, look at it, and move the line to List.
func Unproven() []Scenario {
	return nil
}

// All returns the scenarios of List, then those of Unproven.
func All() []Scenario { return append(List(), Unproven()...) }
