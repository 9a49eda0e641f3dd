package lab_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&lab.UsageError{What: "lab x is not up"}, "lab x is not up"},
		{&lab.UsageError{What: "lab x is not up", Advice: "nfsim lab up"}, "lab x is not up (nfsim lab up)"},
		{&lab.InfraError{What: "not enough memory", Err: cause}, "not enough memory: connection refused"},
		{
			&lab.InfraError{Machine: "worker1", What: "does not answer on SSH", Err: cause, ConsoleTail: "one\r\ntwo\n"},
			"machine worker1: does not answer on SSH: connection refused\nlast lines of the console of worker1:\n  | one\n  | two",
		},
	} {
		if diff := cmp.Diff(tt.want, tt.err.Error()); diff != "" {
			t.Error(diff)
		}
	}
	if !errors.Is(&lab.InfraError{Err: cause}, cause) || !errors.Is(&lab.UsageError{Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}
