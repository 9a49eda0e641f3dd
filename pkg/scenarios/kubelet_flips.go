package scenarios

import (
	"context"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/kube"
)

// The flips of the two health endpoints of a kubelet; Detail is "ok" or why it
// is not.
const (
	eventHealthz  = "healthz"          // on the node's loopback: answers as long as the process does
	eventSyncLoop = "kubelet-syncloop" // by way of the API server: whether its loop goes round (pkg/kubelet/kubelet.go)
)

const (
	// healthzEvery and syncLoopEvery are the pauses between two looks: about the
	// resolution of the flips. Each look costs an emulated machine a tenth of a
	// second, the latter two of them.
	healthzEvery  = 2 * time.Second
	syncLoopEvery = 10 * time.Second
	// lookTimeout is how long one look may take; a kubelet that is frozen does not
	// answer at all.
	lookTimeout = 5 * time.Second
)

// followKubelet notes every flip of the kubelet on Target until stop is called.
func (b *Batch) followKubelet(ctx context.Context, k *kube.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, look := range []struct {
		source, event string
		every         time.Duration
		ask           func(ctx context.Context) error
	}{
		{"node", eventHealthz, healthzEvery, func(ctx context.Context) error {
			node, err := b.node(ctx, b.Target)
			if err != nil {
				return err
			}
			return healthz(ctx, kubeletClient(node))
		}},
		{"api", eventSyncLoop, syncLoopEvery, func(ctx context.Context) error { return k.KubeletCheck(ctx, b.Target.Name, "syncloop") }},
	} {
		wg.Go(func() {
			f := flips{note: func(detail string) { b.nowAllDetail(look.source, look.event, b.Target.Name, detail) }}
			f.follow(ctx, look.every, look.ask)
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// flips notes when an answer turns from ok to anything else and back.
type flips struct {
	note func(detail string)
	seen bool
	ok   bool
}

// follow asks until ctx is over.
func (f *flips) follow(ctx context.Context, every time.Duration, ask func(ctx context.Context) error) {
	for {
		one, done := context.WithTimeout(ctx, lookTimeout)
		err := ask(one)
		done()
		if ctx.Err() != nil {
			return
		}
		f.see(err)
		if pause(ctx, every) != nil {
			return
		}
	}
}

func (f *flips) see(err error) {
	if f.seen && f.ok == (err == nil) {
		return
	}
	f.seen, f.ok = true, err == nil
	if err == nil {
		f.note("ok")
		return
	}
	f.note(err.Error())
}
