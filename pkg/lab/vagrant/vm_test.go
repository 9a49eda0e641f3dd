//go:build vm

package vagrant_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/lab/labtest"
	"github.com/nfsim/nfsim/pkg/lab/vagrant"
)

// TestVagrantLab asks the running machines of the Vagrantfile in
// $NFSIM_VAGRANT_DIR whether they make a lab; tools/test-vagrant.sh runs it.
func TestVagrantLab(t *testing.T) {
	dir := os.Getenv("NFSIM_VAGRANT_DIR")
	if dir == "" {
		t.Skip("NFSIM_VAGRANT_DIR is not set: `make test-vagrant` sets it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	l, err := vagrant.Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	labtest.Conform(ctx, t, l)
}
