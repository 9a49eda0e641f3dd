package scenarios

// expectedFaults are the rows of server, network and client faults.
func expectedFaults() []Expectation {
	return nil
}
