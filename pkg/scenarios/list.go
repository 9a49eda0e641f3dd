package scenarios

import "github.com/nfsim/nfsim/pkg/consistency"

// List returns every scenario, in the order of the matrix.
func List() []Scenario {
	return []Scenario{
		closeToOpen(),
		attrCache(),
		ControlFlippedByte(ByModels(consistency.AppendLog)),
		kubeletRestart(),
		forceDeleteWhileDown(),
	}
}
