package run

// scheduler decides which batch may start now. Batches whose faults hit one
// worker run side by side on different workers; batches that measure time, or
// whose profiles change what all mounts share, run alone. It is not safe for concurrent use: Execute's loop owns it.
type scheduler struct {
	free    []string // workers no targeted batch runs on
	running int
	quiet   bool // a batch that must be alone is running
}

// sideBySide is how many batches run at once at most: each takes ledgers and
// mounts on all machines, and more than these make emulated machines so slow
// that commands run into their deadlines.
const sideBySide = 3

// next returns the index of the first batch that may start now, and the
// worker that it may break ("" when it breaks none). ok is false when all
// have to wait.
func (s *scheduler) next(waiting []Batch) (index int, target string, ok bool) {
	if s.running >= sideBySide {
		return 0, "", false
	}
	for i, b := range waiting {
		if s.quiet || b.Alone && s.running > 0 {
			continue
		}
		if !b.Scenario.Target {
			return i, "", true
		}
		if len(s.free) > 0 {
			return i, s.free[0], true
		}
	}
	return 0, "", false
}

// start notes that a batch runs on the target that next returned.
func (s *scheduler) start(b Batch, target string) {
	s.running++
	s.quiet = b.Alone
	if target != "" {
		s.free = s.free[1:]
	}
}

// done gives the batch's target back.
func (s *scheduler) done(b Batch, target string) {
	s.running--
	if b.Alone {
		s.quiet = false
	}
	if target != "" {
		s.free = append(s.free, target)
	}
}
