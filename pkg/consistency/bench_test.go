package consistency

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

// BenchmarkSinglePass checks all models but the search, on a thousand files:
// registers, logs and locks. The time for one operation shows how it grows.
func BenchmarkSinglePass(b *testing.B) {
	models := []string{CloseToOpen, BoundedStale, MonotonicReads, ReadYourWrites, Untorn, Durable, AppendLog, Exclusion}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, mixed(n), models) })
	}
}

// mixed is about n operations on 800 registers, 100 logs and 100 locks.
func mixed(n int) []history.Op {
	ops := simulate(7, n*8/10, 800, false)
	for i := range 100 {
		log := validLog(rand.New(rand.NewPCG(7, uint64(i))), n/100/20)
		ops = append(ops, renamed(log, fmt.Sprintf("log%d", i))...)
		ops = append(ops, renamed(validLocks(n/100/30), fmt.Sprintf("lock%d", i))...)
	}
	return ops
}

func renamed(ops []history.Op, file string) []history.Op {
	for i := range ops {
		ops[i].File = file
	}
	return ops
}

// BenchmarkLinearizable is the single pass and the search, on a thousand files.
func BenchmarkLinearizable(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, simulate(7, n, 1000, false), []string{Linearizable}) })
	}
}

func benchmark(b *testing.B, ops []history.Op, models []string) {
	debug.FreeOSMemory() // what it took to make the history
	for b.Loop() {
		for _, r := range Check(b.Context(), ops, Options{Models: models}) {
			if r.Verdict != Holds && r.Model != BoundedStale {
				b.Fatalf("%s is %s: %s", r.Model, r.Verdict, r.Words)
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys-m.HeapReleased)/(1<<20), "MB-held") // the history included
	b.ReportMetric(float64(len(ops)), "ops")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(ops)), "ns/operation")
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
