package qemu

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestAcquire(t *testing.T) {
	t.Parallel()
	l := &Lab{dir: Dir(t.TempDir()), status: Status{Name: "x"}}
	release, err := l.Acquire(t.Context(), "nfsim run")
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Acquire(t.Context(), "nfsim run")
	var busy *lab.BusyError
	var usage *lab.UsageError
	if !errors.As(err, &busy) || !errors.As(err, &usage) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), "nfsim run") {
		t.Errorf("error = %v", err)
	}
	release()
	release()
	again, err := l.Acquire(t.Context(), "nfsim heal")
	if err != nil {
		t.Fatal(err)
	}
	again()
}
