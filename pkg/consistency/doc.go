// Package consistency decides which consistency models a recorded history
// obeys, and shows the operations that prove it when it does not.
//
//	for _, r := range consistency.Check(ctx, ops, consistency.Options{}) {
//		fmt.Println(r.Model, r.Verdict, r.Words)
//	}
//
// The models are single passes over the sorted history, which works because
// every token is written once. Violations rest on the wide intervals of the
// operations: what happens between two intervals that overlap is given the
// benefit of the doubt, so a wide interval can hide a violation but never
// invent one. A write without an answer may have happened, or not: both are
// allowed.
package consistency
