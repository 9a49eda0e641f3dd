package scenarios

// List returns every scenario, in the order of the matrix.
func List() []Scenario {
	return []Scenario{
		closeToOpen(),
		attrCache(),
		controlFlippedByte(),
		kubeletRestart(),
		forceDeleteWhileDown(),
	}
}
