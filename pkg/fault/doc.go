// Package fault breaks machines on purpose and puts them right again.
//
// A fault is a [Spec]: shell that injects it, shell that undoes it, and shell
// that proves either. Whatever happens to the controller, the machine gets
// well: the undo is written to a journal on the controller's disk before
// anything is touched, a timer on the machine itself runs the undo when
// nobody comes back (the dead-man's switch), and only then the fault is
// injected and proven. A fault whose effect cannot be proven is undone at once
// and is a [*NotProvenError]: no fault, no result.
//
//	j, err := fault.OpenJournal(l.StateDir(), l.Name())
//	inj := fault.NewInjector(j, fault.Reach{Nodes: l.Node}, log.Printf)
//	active, err := inj.Inject(ctx, fault.KubeletStop("worker1", "kubelet.service"))
//	// ... observe ...
//	err = active.Heal(ctx)
//	rec := active.Record() // for the run directory
//
// After a crash of the controller:
//
//	healed, err := fault.HealAll(ctx, j, fault.Reach{Nodes: l.Node}, log.Printf)
package fault
