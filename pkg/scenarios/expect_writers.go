package scenarios

// expectedWriters are the rows of several writers at once: appends and locks.
func expectedWriters() []Expectation {
	return nil
}
