package cache

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestEntriesAndRemove(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	image := get(t, d, "images", "trixie", files(map[string]string{"disk": "0123456789", "kernel": "abc"}))
	kubelet := get(t, d, "kube", "kubelet", files(map[string]string{"kubelet": "x"}))
	broken := get(t, d, "kube", "broken", files(map[string]string{"f": "12345"}))
	must(t, broken.Release())
	must(t, os.Remove(broken.Path("f")))

	infos, err := d.Entries()
	must(t, err)
	want := []Info{
		{Kind: "images", Key: "trixie", Bytes: 13, Whole: true},
		{Kind: "kube", Key: "broken", Bytes: 5},
		{Kind: "kube", Key: "kubelet", Bytes: 1, Whole: true},
	}
	if diff := cmp.Diff(want, infos, cmpopts.IgnoreFields(Info{}, "Built", "Used")); diff != "" {
		t.Error(diff)
	}
	for _, info := range infos {
		if info.Built.IsZero() || info.Used.IsZero() {
			t.Errorf("%s/%s: built %v, used %v", info.Kind, info.Key, info.Built, info.Used)
		}
	}

	var busy *InUseError
	if err := d.Remove("images", "trixie"); !errors.As(err, &busy) {
		t.Fatalf("Remove() of an entry in use = %v, want an InUseError", err)
	}
	if diff := cmp.Diff([]int{os.Getpid()}, busy.Holders); diff != "" {
		t.Errorf("holders: %s", diff)
	}
	must(t, image.Verify(t.Context()))
	must(t, image.Release())
	must(t, image.Release())
	must(t, d.Remove("images", "trixie"))
	must(t, d.Remove("images", "trixie"))
	must(t, d.Remove("nothing", "here"))
	must(t, kubelet.Verify(t.Context()))
}

func TestSweepLeavesRunningBuilder(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	get(t, d, "kube", "k", files(map[string]string{"f": "x"}))
	must(t, os.MkdirAll(d.entryPath("kube", ".tmp-k-1"), 0o755))
	must(t, d.Sweep())
	if _, err := os.Stat(d.entryPath("kube", ".tmp-k-1")); err != nil {
		t.Errorf("Sweep removed what may be a running builder's: %v", err)
	}
}
