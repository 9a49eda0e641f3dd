package outcome

// Word is one word of the vocabulary. The constants are all there are.
type Word string

// Consistency: the strongest model that the history did not violate.
const (
	Linearizable   Word = "LINEARIZABLE"
	CloseToOpen    Word = "CLOSE_TO_OPEN"
	BoundedStale   Word = "BOUNDED_STALE"
	UnboundedStale Word = "UNBOUNDED_STALE"
	Torn           Word = "TORN"
	LostUpdate     Word = "LOST_UPDATE"
)

// Durability: what became of acknowledged data.
const (
	Durable     Word = "DURABLE"
	AckedLost   Word = "ACKED_LOST"
	ShadowWrite Word = "SHADOW_WRITE"
	Corrupt     Word = "CORRUPT"
)

// Availability: what the application was told while the fault lasted.
const (
	Uninterrupted       Word = "UNINTERRUPTED"
	Recovered           Word = "RECOVERED"
	RecoveredAfterGrace Word = "RECOVERED_AFTER_GRACE"
	EIO                 Word = "EIO"
	ETimedOut           Word = "ETIMEDOUT"
	EStale              Word = "ESTALE"
	Hung                Word = "HUNG"
	KubeletWedged       Word = "KUBELET_WEDGED"
)

// Exclusion: who could write at once.
const (
	Exclusive    Word = "EXCLUSIVE"
	TwoWriters   Word = "TWO_WRITERS"
	ZombieWriter Word = "ZOMBIE_WRITER"
	LockLost     Word = "LOCK_LOST"
)

// Clean-up: what was left behind, and what was removed that should not be.
const (
	Clean             Word = "CLEAN"
	Kept              Word = "KEPT"
	KeptByRequest     Word = "KEPT_BY_REQUEST"
	ReclaimedLate     Word = "RECLAIMED_LATE"
	PVReleased        Word = "PV_RELEASED"
	PodDirLeft        Word = "PODDIR_LEFT"
	DirLeft           Word = "DIR_LEFT"
	MountLeft         Word = "MOUNT_LEFT"
	PVFailed          Word = "PV_FAILED"
	TerminatingStuck  Word = "TERMINATING_STUCK"
	NotRebuilt        Word = "NOT_REBUILT"
	Leaked            Word = "LEAKED"
	UnmountedUnderPod Word = "UNMOUNTED_UNDER_POD"
	StaleData         Word = "STALE_DATA"
	DataLost          Word = "DATA_LOST"
)

// Scheduling: where the pod ended up.
const (
	Stayed              Word = "STAYED"
	Moved               Word = "MOVED"
	MovedLate           Word = "MOVED_LATE"
	PendingStorageBound Word = "PENDING_STORAGE_BOUND"
	PendingNoNode       Word = "PENDING_NO_NODE"
	DrainBlockedPDB     Word = "DRAIN_BLOCKED_PDB"
	DrainTimeout        Word = "DRAIN_TIMEOUT"
)

// The trial itself: none of these is ever a pass.
const (
	NotApplicable Word = "NOT_APPLICABLE"
	NoFault       Word = "NO_FAULT"
	Inconclusive  Word = "INCONCLUSIVE"
	InfraError    Word = "INFRA_ERROR"
)

// Group returns the group that the word belongs to, "" for an unknown word.
func (w Word) Group() Group {
	e, _ := lookup(w)
	return e.group
}

// Known reports whether the word is in the vocabulary.
func (w Word) Known() bool {
	_, ok := lookup(w)
	return ok
}

// Unit returns the unit of the word's figure, "s" or "ms", and "" for a word
// that takes none.
func (w Word) Unit() string {
	e, _ := lookup(w)
	return e.unit
}

// Doc returns the one line that explains the word, "" for an unknown word.
func (w Word) Doc() string {
	e, _ := lookup(w)
	return e.doc
}

// Severity returns the word's place in its group: 0 is the best, larger is
// worse, -1 is an unknown word. Severities of different groups do not compare.
func (w Word) Severity() int {
	e, ok := lookup(w)
	if !ok {
		return -1
	}
	n := 0
	for _, other := range vocabulary() {
		if other.word == e.word {
			break
		}
		if other.group == e.group {
			n++
		}
	}
	return n
}

// WorseThan reports whether w and v are of one group and w is the worse.
func (w Word) WorseThan(v Word) bool {
	return w.Known() && w.Group() == v.Group() && w.Severity() > v.Severity()
}

// Words returns the whole vocabulary, group by group, best first.
func Words() []Word {
	words := make([]Word, 0, len(vocabulary()))
	for _, e := range vocabulary() {
		words = append(words, e.word)
	}
	return words
}

func lookup(w Word) (entry, bool) {
	for _, e := range vocabulary() {
		if e.word == w {
			return e, true
		}
	}
	return entry{}, false
}
