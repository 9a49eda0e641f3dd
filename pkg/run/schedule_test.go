package run

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/scenarios"
)

func TestSchedulerSideBySide(t *testing.T) {
	t.Parallel()
	shared := Batch{ID: "shared"}
	a := Batch{ID: "a", Scenario: scenarios.Scenario{Target: true}}
	b := Batch{ID: "b", Scenario: scenarios.Scenario{Target: true}}
	c := Batch{ID: "c", Scenario: scenarios.Scenario{Target: true}}
	quiet := Batch{ID: "quiet", Alone: true}

	s := scheduler{free: []string{"worker1", "worker2"}}
	waiting := []Batch{a, b, c, shared, quiet}
	var started []string
	targets := map[string]string{}
	startAll := func() {
		for {
			i, target, ok := s.next(waiting)
			if !ok {
				return
			}
			next := waiting[i]
			waiting = append(waiting[:i:i], waiting[i+1:]...)
			s.start(next, target)
			started = append(started, next.ID)
			targets[next.ID] = target
		}
	}

	startAll()
	if diff := cmp.Diff([]string{"a", "b", "shared"}, started); diff != "" {
		t.Fatalf("started first (-want +got):\n%s", diff)
	}
	if targets["a"] == targets["b"] {
		t.Errorf("a and b both break %s", targets["a"])
	}
	s.done(shared, "")
	s.done(b, targets["b"])
	startAll()
	if diff := cmp.Diff([]string{"a", "b", "shared", "c"}, started); diff != "" {
		t.Fatalf("started when a worker was free (-want +got):\n%s", diff)
	}
	s.done(a, targets["a"])
	startAll()
	if len(started) != 4 {
		t.Fatalf("the quiet batch was started beside another: %v", started)
	}
	s.done(c, targets["c"])
	startAll()
	if started[len(started)-1] != "quiet" {
		t.Fatalf("the quiet batch was not started alone: %v", started)
	}
	waiting = append(waiting, a)
	startAll()
	if len(started) != 5 {
		t.Fatalf("something was started beside the quiet batch: %v", started)
	}
}
