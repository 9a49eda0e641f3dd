package outcome

// entry is one line of the vocabulary.
type entry struct {
	group Group
	word  Word
	unit  string // unit of the figure, "" for none
	doc   string
}

// vocabulary lists every word. The order within a group is its severity, best
// first: it decides which word a report shows, never which words are kept.
func vocabulary() []entry {
	return []entry{
		{Consistency, Linearizable, "", "every operation took effect at one moment between its call and its return"},
		{Consistency, CloseToOpen, "", "every open saw the last close, or something newer"},
		{Consistency, BoundedStale, "ms", "reads returned replaced data, for at most the time given"},
		{Consistency, UnboundedStale, "", "a reader never saw the new data while the trial watched"},
		{Consistency, Torn, "", "a read, or the disk, showed a mix of two writes"},
		{Consistency, LostUpdate, "", "an acknowledged update vanished without any crash"},

		{Durability, Durable, "", "everything that was acknowledged is on the server's disk"},
		{Durability, AckedLost, "", "data was acknowledged (fsync, close or stable write returned 0) and is gone"},
		{Durability, ShadowWrite, "", "acknowledged data went to the node's own disk, not to the export"},
		{Durability, Corrupt, "", "the disk holds bytes that nobody wrote"},

		{Availability, Uninterrupted, "", "no operation failed, and none took longer than the scenario allows"},
		{Availability, Recovered, "s", "operations stopped and went on by themselves after the time given"},
		{Availability, RecoveredAfterGrace, "s", "operations stopped and went on only after the server's grace period"},
		{Availability, EIO, "", "the application was given EIO"},
		{Availability, ETimedOut, "", "the application was given ETIMEDOUT"},
		{Availability, EStale, "", "the application was given ESTALE"},
		{Availability, Hung, "", "a system call did not return while the trial watched"},
		{Availability, KubeletWedged, "", "the kubelet did not become healthy again by itself"},

		{Exclusion, Exclusive, "", "never more than one writer, and every lock held was a lock kept"},
		{Exclusion, TwoWriters, "s", "two pods wrote to one volume, for the time given"},
		{Exclusion, ZombieWriter, "s", "the container of a deleted pod went on writing, for the time given"},
		{Exclusion, LockLost, "", "a client that believed it held a lock did not"},

		{Cleanup, Clean, "", "nothing is left that was not there before"},
		{Cleanup, Kept, "", "what had to be kept was kept"},
		{Cleanup, KeptByRequest, "", "kept because the owner had asked for it"},
		{Cleanup, ReclaimedLate, "s", "removed in the end, but only after the time given"},
		{Cleanup, PVReleased, "", "the volume object is left in phase Released"},
		{Cleanup, PodDirLeft, "", "the pod's directory is left on the node"},
		{Cleanup, DirLeft, "", "the volume's directory is left on the storage"},
		{Cleanup, MountLeft, "", "a mount is left on the node"},
		{Cleanup, PVFailed, "", "the volume object is left in phase Failed"},
		{Cleanup, TerminatingStuck, "", "an object stayed Terminating while the trial watched"},
		{Cleanup, NotRebuilt, "", "what had to come back did not"},
		{Cleanup, Leaked, "", "something is left that nobody owns any more"},
		{Cleanup, UnmountedUnderPod, "", "the mount left the host while a container still used it"},
		{Cleanup, StaleData, "", "a new volume showed an old one's data"},
		{Cleanup, DataLost, "", "data that had to be kept was removed"},

		{Scheduling, Stayed, "", "the pod stayed where it was"},
		{Scheduling, Moved, "s", "the pod runs elsewhere after the time given"},
		{Scheduling, MovedLate, "s", "the pod moved, but only after the obstacle was gone"},
		{Scheduling, PendingStorageBound, "", "the pod is Pending because its storage is tied to a node"},
		{Scheduling, PendingNoNode, "", "the pod is Pending because no node takes it"},
		{Scheduling, DrainBlockedPDB, "", "the drain was refused by a disruption budget"},
		{Scheduling, DrainTimeout, "", "the drain did not end in its time"},

		{Trial, NotApplicable, "", "the scenario has no meaning with this profile"},
		{Trial, NoFault, "", "the fault could not be proven to have taken effect: no result"},
		{Trial, Inconclusive, "", "too little was recorded to decide"},
		{Trial, InfraError, "", "the lab broke, not what is under test"},
	}
}
