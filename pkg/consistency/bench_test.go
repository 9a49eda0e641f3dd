package consistency

import (
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkSinglePass checks all models but the search, on a thousand files.
func BenchmarkSinglePass(b *testing.B) {
	models := []string{CloseToOpen, BoundedStale, MonotonicReads, ReadYourWrites, Untorn, Durable, AppendLog, Exclusion}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, n, models) })
	}
}

// BenchmarkLinearizable is the single pass and the search, on a thousand files.
func BenchmarkLinearizable(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, n, []string{Linearizable}) })
	}
}

func benchmark(b *testing.B, n int, models []string) {
	ops := simulate(7, n, 1000, false)
	for b.Loop() {
		for _, r := range Check(b.Context(), ops, Options{Models: models}) {
			if r.Verdict == Violated {
				b.Fatalf("%s: %s", r.Model, r.Words)
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MB-sys")
	b.ReportMetric(float64(len(ops)), "ops")
	runtime.KeepAlive(ops)
}

// BenchmarkSearchOneFile is the largest file that is searched.
func BenchmarkSearchOneFile(b *testing.B) {
	ops := simulate(7, searchOps, 1, false)
	for b.Loop() {
		if r := only(b, ops, Linearizable); r.Verdict == Violated {
			b.Fatal(r.Words)
		}
	}
}
